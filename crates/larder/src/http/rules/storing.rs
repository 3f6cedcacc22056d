//! RFC 9111 §3: what may be stored, and on which terms it may be served.

use std::time::Duration;

use http::header::{AUTHORIZATION, CACHE_CONTROL, EXPIRES, HeaderName, SET_COOKIE, VARY};
use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::directives::{Directives, Reach};
use super::freshness::{self, Exchange, Heuristic};
use super::targeted;
use super::vary::Nominated;

/// What the owner of a shared cache chooses.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    /// Fields that go before `Cache-Control`, in order (RFC 9213).
    pub(crate) targets: Vec<HeaderName>,
    pub(crate) heuristic: Option<Heuristic>,
    /// Whether responses with `Set-Cookie` are stored.
    pub(crate) set_cookie: bool,
    /// How long a stale response may stand in for an error, where the response does not say it.
    pub(crate) stale_if_error: Duration,
    /// How long a response that can be validated is kept past its lifetime.
    pub(crate) keep: Duration,
}

/// On which terms a stored response may be served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// How long it is fresh, from when the origin made it.
    pub(crate) lifetime: Duration,
    /// How old it was when it came.
    pub(crate) initial_age: Duration,
    /// Whether it must be validated each time.
    pub(crate) validate: bool,
    /// Whether it must not be served stale, whatever happens.
    pub(crate) strict: bool,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    /// How long past its lifetime it is kept at all.
    pub(crate) keep: Duration,
}

/// Why a response is not stored. As `Cache-Status` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Method,
    Status,
    NoStore,
    Private,
    Authorization,
    SetCookie,
    VariesOnAll,
    /// It says no lifetime, and none can be guessed.
    NoLifetime,
    /// It is stale from the beginning, and nothing could validate it.
    NeverFresh,
    TooLarge,
    /// The route wants nothing of the kind stored.
    NotAsked,
}

impl Refusal {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Status => "status",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::Authorization => "authorization",
            Self::SetCookie => "set-cookie",
            Self::VariesOnAll => "vary",
            Self::NoLifetime => "no-lifetime",
            Self::NeverFresh => "never-fresh",
            Self::TooLarge => "too-large",
            Self::NotAsked => "not-asked",
        }
    }
}

/// What is to be stored: its terms, and the fields that are not.
pub(crate) type Verdict = Result<(Terms, Vec<HeaderName>), Refusal>;

/// The statuses whose meaning for caches is known here (§5.2.2.3).
fn is_understood(status: StatusCode) -> bool {
    freshness::is_cacheable_by_default(status) || matches!(status.as_u16(), 302 | 303 | 307)
}

/// Whether a shared cache may store a response, and on which terms.
pub(crate) fn judge(
    method: &Method,
    request: &HeaderMap,
    status: StatusCode,
    response: &HeaderMap,
    exchange: Exchange,
    choices: &Choices,
) -> Verdict {
    let (directives, targeted) = targeted::directives(response, &choices.targets);
    let asked = Directives::of_request(request);
    if method != Method::GET {
        return Err(Refusal::Method);
    }
    // Parts of a response are not put together here, and 304 is no response of its own.
    if status.is_informational() || matches!(status.as_u16(), 206 | 304) {
        return Err(Refusal::Status);
    }
    if directives.must_understand && !is_understood(status) {
        return Err(Refusal::Status);
    }
    // Who understands the status may ignore the `no-store` that is there for others (§5.2.2.3).
    if asked.no_store || directives.no_store && !directives.must_understand {
        return Err(Refusal::NoStore);
    }
    if directives.private == Some(Reach::All) {
        return Err(Refusal::Private);
    }
    if Nominated::by(response) == Nominated::All {
        return Err(Refusal::VariesOnAll);
    }
    // §3.5
    let shareable =
        directives.public || directives.must_revalidate || directives.s_maxage.is_some();
    if request.contains_key(AUTHORIZATION) && !shareable {
        return Err(Refusal::Authorization);
    }
    let left_out = left_out(&directives);
    if response.contains_key(SET_COOKIE) && !choices.set_cookie && !left_out.contains(&SET_COOKIE) {
        return Err(Refusal::SetCookie);
    }
    let explicit = freshness::explicit(&directives, targeted, response, exchange);
    let may_guess = freshness::is_cacheable_by_default(status) || directives.public;
    let guessed = || {
        let heuristic = choices.heuristic.filter(|_| may_guess)?;
        freshness::guessed(response, exchange, heuristic)
    };
    let always = directives.no_cache == Some(Reach::All);
    let lifetime = explicit.or_else(guessed);
    let can_validate = super::validation::has_validator(response);
    let lifetime = match lifetime {
        Some(lifetime) => lifetime,
        // Of no lifetime, but it can be kept and asked about.
        None if can_validate && may_guess => Duration::ZERO,
        None => return Err(Refusal::NoLifetime),
    };
    let initial_age = freshness::initial_age(response, exchange);
    let strict = directives.must_revalidate
        || directives.proxy_revalidate
        || directives.s_maxage.is_some()
        || always;
    let permitted = |window: Option<Duration>| window.filter(|_| !strict).unwrap_or_default();
    let terms = Terms {
        lifetime,
        initial_age,
        validate: always,
        strict,
        stale_while_revalidate: permitted(directives.stale_while_revalidate),
        stale_if_error: permitted(Some(
            directives.stale_if_error.unwrap_or(choices.stale_if_error),
        )),
        keep: Duration::ZERO,
    };
    let kept = if can_validate {
        choices.keep
    } else {
        Duration::ZERO
    };
    let keep = kept
        .max(terms.stale_while_revalidate)
        .max(terms.stale_if_error);
    let never_fresh = always || initial_age >= lifetime;
    if never_fresh && keep.is_zero() {
        return Err(Refusal::NeverFresh);
    }
    Ok((Terms { keep, ..terms }, left_out))
}

/// The fields that must not be served without asking the origin, or only to one user. They are not
/// stored, and then the rest may be served.
pub(crate) fn left_out(directives: &Directives) -> Vec<HeaderName> {
    let reaches = [&directives.no_cache, &directives.private]
        .into_iter()
        .flatten();
    let fields = reaches.filter_map(|reach| match reach {
        Reach::Fields(fields) => Some(fields.clone()),
        Reach::All => None,
    });
    let mut fields: Vec<_> = fields.flatten().collect();
    // What tells how long it is fresh, and for whom, is used as it is stored.
    fields.retain(|field| ![EXPIRES, VARY, CACHE_CONTROL].contains(field));
    fields
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::super::headers;
    use super::*;

    fn choices() -> Choices {
        Choices {
            targets: vec![HeaderName::from_static("cdn-cache-control")],
            heuristic: Some(Heuristic {
                share: 0.1,
                longest: Duration::from_hours(24),
            }),
            set_cookie: false,
            stale_if_error: Duration::ZERO,
            keep: Duration::from_hours(1),
        }
    }

    fn judged(request: &str, status: u16, response: &str) -> Verdict {
        let exchange = Exchange {
            received: SystemTime::now(),
            delay: Duration::ZERO,
        };
        let status = StatusCode::from_u16(status).unwrap();
        judge(
            &Method::GET,
            &headers(request),
            status,
            &headers(response),
            exchange,
            &choices(),
        )
    }

    fn refused(request: &str, status: u16, response: &str) -> Option<Refusal> {
        judged(request, status, response).err()
    }

    #[test]
    fn what_forbids_storing() {
        let max_age = "cache-control: max-age=9";
        assert_eq!(refused("", 200, max_age), None);
        assert_eq!(
            refused("cache-control: no-store", 200, max_age),
            Some(Refusal::NoStore)
        );
        assert_eq!(
            refused("", 200, "cache-control: No-Store, max-age=9"),
            Some(Refusal::NoStore)
        );
        assert_eq!(
            refused("", 200, "cache-control: private, max-age=9"),
            Some(Refusal::Private)
        );
        assert_eq!(
            refused("", 200, "cache-control: max-age=9\nvary: a, *"),
            Some(Refusal::VariesOnAll)
        );
        assert_eq!(refused("", 206, max_age), Some(Refusal::Status));
        assert_eq!(refused("", 304, max_age), Some(Refusal::Status));
        assert_eq!(refused("", 200, ""), Some(Refusal::NoLifetime));
        assert_eq!(
            refused("", 200, "cache-control: max-age=0"),
            Some(Refusal::NeverFresh)
        );
        assert_eq!(
            refused("", 200, "cache-control: max-age=9\nset-cookie: a=b"),
            Some(Refusal::SetCookie)
        );
    }

    #[test]
    fn a_status_that_is_not_cacheable_by_default_must_say_so() {
        assert_eq!(
            refused("", 302, "last-modified: Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Refusal::NoLifetime)
        );
        assert_eq!(refused("", 302, "cache-control: max-age=9"), None);
        assert_eq!(refused("", 599, "cache-control: max-age=9"), None);
        assert_eq!(
            refused("", 404, "last-modified: Sun, 06 Nov 1994 08:49:37 GMT"),
            None
        );
        let public = "cache-control: public\nlast-modified: Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(refused("", 302, public), None);
    }

    #[test]
    fn an_authorised_response_is_stored_where_it_says_so() {
        let request = "authorization: Bearer x";
        assert_eq!(
            refused(request, 200, "cache-control: max-age=9"),
            Some(Refusal::Authorization)
        );
        for leave in [
            "public, max-age=9",
            "s-maxage=9",
            "must-revalidate, max-age=9",
        ] {
            assert_eq!(
                refused(request, 200, &format!("cache-control: {leave}")),
                None,
                "{leave}"
            );
        }
    }

    #[test]
    fn must_understand_goes_before_no_store_where_the_status_is_understood() {
        let both = "cache-control: must-understand, no-store, max-age=9";
        assert_eq!(refused("", 200, both), None);
        assert_eq!(refused("", 299, both), Some(Refusal::Status));
    }

    #[test]
    fn named_fields_are_left_out_and_the_rest_is_stored() {
        let response =
            "cache-control: max-age=9, private=\"x-a\", no-cache=\"set-cookie\"\nset-cookie: a=b";
        let (terms, left_out) = judged("", 200, response).unwrap();
        assert!(!terms.validate);
        assert_eq!(left_out, [SET_COOKIE, HeaderName::from_static("x-a")]);
    }

    #[test]
    fn no_cache_is_kept_to_be_validated() {
        let (terms, _) =
            judged("", 200, "cache-control: no-cache, max-age=9\netag: \"a\"").unwrap();
        assert!(terms.validate && terms.strict);
        assert_eq!(
            refused("", 200, "cache-control: no-cache, max-age=9"),
            Some(Refusal::NeverFresh)
        );
    }

    #[test]
    fn what_must_be_revalidated_is_never_stale() {
        let of = |extra: &str| {
            let value = format!(
                "cache-control: max-age=9, stale-while-revalidate=5, stale-if-error=7{extra}"
            );
            judged("", 200, &value).unwrap().0
        };
        let windows = |terms: &Terms| {
            (
                terms.stale_while_revalidate.as_secs(),
                terms.stale_if_error.as_secs(),
            )
        };
        assert_eq!(windows(&of("")), (5, 7));
        for strict in [", must-revalidate", ", proxy-revalidate", ", s-maxage=9"] {
            assert_eq!(windows(&of(strict)), (0, 0), "{strict}");
        }
    }
}
