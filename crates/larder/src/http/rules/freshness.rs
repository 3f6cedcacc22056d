//! RFC 9111 §4.2: how long a response is fresh, and how old it was when it came.

use std::time::{Duration, SystemTime};

use http::header::{AGE, DATE, EXPIRES, LAST_MODIFIED};
use http::{HeaderMap, StatusCode};

use super::directives::{Directives, seconds};
use super::{date, list};

/// When an exchange with the origin took place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    /// When the response came, by this machine's calendar.
    pub(crate) received: SystemTime,
    /// How long it took to come.
    pub(crate) delay: Duration,
}

/// How long responses are fresh that do not say it themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heuristic {
    /// The share of the time since the last change.
    pub(crate) share: f64,
    pub(crate) longest: Duration,
}

/// The statuses that may be stored without being told so (RFC 9110 §15.1). 206 is none here: parts are
/// not stored.
pub(crate) fn is_cacheable_by_default(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// The lifetime that a response says; `None` where it says none.
pub(crate) fn explicit(
    directives: &Directives,
    targeted: bool,
    headers: &HeaderMap,
    exchange: Exchange,
) -> Option<Duration> {
    if let Some(lifetime) = directives.s_maxage.or(directives.max_age) {
        return Some(lifetime);
    }
    // A targeted field goes before `Expires` too.
    if targeted || !headers.contains_key(EXPIRES) {
        return None;
    }
    // One that cannot be read, "0" above all, lies in the past (§5.3).
    let lifetime = date(headers, EXPIRES).and_then(|expires| {
        let sent = date(headers, DATE).unwrap_or(exchange.received);
        expires.duration_since(sent).ok()
    });
    Some(lifetime.unwrap_or_default())
}

/// The lifetime of a response that says none itself (§4.2.2).
pub(crate) fn guessed(
    headers: &HeaderMap,
    exchange: Exchange,
    heuristic: Heuristic,
) -> Option<Duration> {
    let changed = date(headers, LAST_MODIFIED)?;
    let sent = date(headers, DATE).unwrap_or(exchange.received);
    let unchanged = sent.duration_since(changed).ok()?;
    let lifetime = unchanged.mul_f64(heuristic.share);
    Some(lifetime.min(heuristic.longest))
}

/// How old a response was when it came (§4.2.3), never understated.
pub(crate) fn initial_age(headers: &HeaderMap, exchange: Exchange) -> Duration {
    let apparent = date(headers, DATE)
        .and_then(|sent| exchange.received.duration_since(sent).ok())
        .unwrap_or_default();
    // Of several the first; one that cannot be read is ignored (§5.1).
    let said = list(headers, AGE).next();
    let said = seconds(said.as_deref()).unwrap_or_default();
    apparent.max(said + exchange.delay)
}

#[cfg(test)]
mod tests {
    use super::super::headers;
    use super::*;

    const SENT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn exchange(later: u64, delay: u64) -> Exchange {
        Exchange {
            received: httpdate::parse_http_date(SENT).unwrap() + Duration::from_secs(later),
            delay: Duration::from_secs(delay),
        }
    }

    fn lifetime(lines: &str) -> Option<Duration> {
        let headers = headers(lines);
        explicit(
            &Directives::of_response(&headers),
            false,
            &headers,
            exchange(0, 0),
        )
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "it is compared with what may be none"
    )]
    fn secs(secs: u64) -> Option<Duration> {
        Some(Duration::from_secs(secs))
    }

    #[test]
    fn s_maxage_goes_before_max_age_and_that_before_expires() {
        let expires = "expires: Sun, 06 Nov 1994 08:49:47 GMT\ndate: Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(
            lifetime(&format!("cache-control: s-maxage=1, max-age=2\n{expires}")),
            secs(1)
        );
        assert_eq!(
            lifetime(&format!("cache-control: max-age=2\n{expires}")),
            secs(2)
        );
        assert_eq!(lifetime(expires), secs(10));
        assert_eq!(lifetime("expires: Sun, 06 Nov 1994 08:49:47 GMT"), secs(10));
        assert_eq!(lifetime("etag: \"a\""), None);
    }

    #[test]
    fn a_malformed_or_past_expires_has_expired() {
        for bad in ["0", "-1", "soon", "Sun, 06 Nov 1994 08:49:00 GMT"] {
            assert_eq!(
                lifetime(&format!("expires: {bad}\ndate: {SENT}")),
                secs(0),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_guess_is_a_share_of_the_time_since_the_last_change() {
        let heuristic = Heuristic {
            share: 0.1,
            longest: Duration::from_secs(100),
        };
        let guess = |changed| {
            let headers = headers(&format!("date: {SENT}\nlast-modified: {changed}"));
            guessed(&headers, exchange(0, 0), heuristic)
        };
        assert_eq!(guess("Sun, 06 Nov 1994 08:47:57 GMT"), secs(10));
        assert_eq!(guess("Sat, 05 Nov 1994 08:49:37 GMT"), secs(100));
        assert_eq!(
            guess("Mon, 07 Nov 1994 08:49:37 GMT"),
            None,
            "changed after it was sent"
        );
        assert_eq!(guess("never"), None);
    }

    #[test]
    fn age_is_the_greater_of_what_is_said_and_what_it_seems() {
        let age = |lines: &str, exchange| initial_age(&headers(lines), exchange).as_secs();
        assert_eq!(age("", exchange(0, 3)), 3);
        assert_eq!(age("age: 7", exchange(0, 3)), 10);
        assert_eq!(age("age: 7, 9", exchange(0, 0)), 7);
        assert_eq!(age("age: old", exchange(0, 0)), 0);
        assert_eq!(age("age: -7", exchange(0, 0)), 0);
        assert_eq!(age(&format!("date: {SENT}\nage: 7"), exchange(30, 1)), 30);
        assert_eq!(
            age("date: Mon, 07 Nov 1994 08:49:37 GMT", exchange(0, 0)),
            0,
            "a clock ahead of ours"
        );
    }
}
