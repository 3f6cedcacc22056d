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

/// The URLs whose stored responses a response to an unsafe request makes invalid: the request's own, and
/// those of the same origin that the response names. None where it is an error.
pub(crate) fn targets(request: &Url, status: StatusCode, response: &HeaderMap) -> Vec<Url> {
    if !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let mut targets = vec![request.clone()];
    let named = [
        named(request, response, LOCATION),
        named(request, response, CONTENT_LOCATION),
    ];
    for mut target in named.into_iter().flatten() {
        target.set_fragment(None);
        // A response cannot speak for other origins. Behind what ends TLS, the scheme is not known.
        let is_ours = target.host() == request.host() && target.port() == request.port();
        if is_ours && target.set_scheme(request.scheme()).is_ok() && !targets.contains(&target) {
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

    fn of(status: u16, lines: &str) -> Vec<String> {
        let request = Url::parse("http://a.example/list?x=1").unwrap();
        let targets = targets(
            &request,
            StatusCode::from_u16(status).unwrap(),
            &headers(lines),
        );
        targets.into_iter().map(Into::into).collect()
    }

    #[test]
    fn the_target_and_what_the_response_names() {
        assert_eq!(of(200, ""), ["http://a.example/list?x=1"]);
        assert_eq!(
            of(
                201,
                "location: /item/7#top\ncontent-location: http://a.example/item/8"
            ),
            [
                "http://a.example/list?x=1",
                "http://a.example/item/7",
                "http://a.example/item/8"
            ]
        );
        assert_eq!(
            of(303, "location: http://b.example/x"),
            ["http://a.example/list?x=1"]
        );
        assert_eq!(of(204, "location: http://a.example:81/x").len(), 1);
        assert_eq!(
            of(204, "location: https://a.example/x")[1],
            "http://a.example/x"
        );
        assert_eq!(of(200, "location: http://[").len(), 1);
    }

    #[test]
    fn an_error_invalidates_nothing() {
        assert!(of(404, "").is_empty());
        assert!(of(500, "").is_empty());
    }

    #[test]
    fn unknown_methods_are_unsafe() {
        assert!(is_unsafe(&Method::POST) && is_unsafe(&Method::from_bytes(b"FROB").unwrap()));
        assert!(!is_unsafe(&Method::GET) && !is_unsafe(&Method::OPTIONS));
    }
}
