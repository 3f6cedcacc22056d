//! RFC 9111 §4.4: what an unsafe method invalidates.

use http::header::{AsHeaderName, CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

/// Whether a method may have changed something: all but those known to be safe (RFC 9110 §9.2.1).
pub(crate) fn is_unsafe(method: &Method) -> bool {
    !matches!(
        method.as_str(),
        "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PROPFIND" | "REPORT" | "SEARCH" | "QUERY"
    )
}

/// Whether a response to an unsafe request makes stored ones invalid: where it is no error, and where it is
/// one of those that stand for an answer that was lost. A gateway or a time limit between here and the origin
/// made it, nobody knows what the origin did, and so it may have been done.
pub(crate) fn invalidates(status: StatusCode) -> bool {
    let is_lost = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
    );
    status.is_success() || status.is_redirection() || is_lost
}

/// The URLs of the same origin, other than the request's own, that a response to an unsafe request names.
pub(crate) fn named_by(response: &HeaderMap, request: &Url) -> Vec<Url> {
    let mut targets = Vec::new();
    let named = [
        named(request, response, LOCATION),
        named(request, response, CONTENT_LOCATION),
    ];
    for mut target in named.into_iter().flatten() {
        target.set_fragment(None);
        // A response cannot speak for other origins. Behind what ends TLS, the scheme is not known.
        let is_ours = target.host() == request.host() && target.port() == request.port();
        if is_ours
            && target.set_scheme(request.scheme()).is_ok()
            && target != *request
            && !targets.contains(&target)
        {
            targets.push(target);
        }
    }
    targets
}

fn named(request: &Url, response: &HeaderMap, name: impl AsHeaderName) -> Option<Url> {
    request.join(response.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::headers;
    use super::*;

    fn of(lines: &str) -> Vec<String> {
        let request = Url::parse("http://a.example/list?x=1").unwrap();
        let targets = named_by(&headers(lines), &request);
        targets.into_iter().map(Into::into).collect()
    }

    #[test]
    fn what_the_response_names() {
        assert!(of("").is_empty());
        assert_eq!(
            of("location: /item/7#top\ncontent-location: http://a.example/item/8"),
            ["http://a.example/item/7", "http://a.example/item/8"]
        );
        assert!(of("location: /list?x=1").is_empty());
        assert!(of("location: http://b.example/x").is_empty());
        assert!(of("location: http://a.example:81/x").is_empty());
        assert_eq!(of("location: https://a.example/x"), ["http://a.example/x"]);
        assert!(of("location: http://[").is_empty());
    }

    #[test]
    fn an_error_invalidates_nothing_unless_it_may_hide_an_answer() {
        let of = |status| invalidates(StatusCode::from_u16(status).unwrap());
        assert!(of(200) && of(303));
        assert!(of(408) && of(502) && of(504));
        assert!(!of(404) && !of(500) && !of(503));
    }

    #[test]
    fn unknown_methods_are_unsafe() {
        assert!(is_unsafe(&Method::POST) && is_unsafe(&Method::from_bytes(b"FROB").unwrap()));
        assert!(!is_unsafe(&Method::GET) && !is_unsafe(&Method::OPTIONS));
    }
}
