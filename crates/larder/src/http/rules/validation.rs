//! RFC 9111 §4.3 and §3.2: asking the origin whether a stored response still stands.

use http::HeaderMap;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};

use super::{date, hops};

/// What a client's own copy, or its wish for a part, has to do with.
const CONDITIONS: [HeaderName; 6] = [
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    IF_UNMODIFIED_SINCE,
    RANGE,
];

/// What says how the stored body is written: a 304 does not change it.
const OF_THE_BODY: [HeaderName; 4] = [
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
];

pub(crate) fn has_validator(response: &HeaderMap) -> bool {
    response.contains_key(ETAG) || response.contains_key(LAST_MODIFIED)
}

/// Makes of a client's request one for the whole response; or, where one is stored that can be
/// validated, whether that still stands. Whether it is the latter.
pub(crate) fn ask(request: &mut HeaderMap, stored: Option<&HeaderMap>) -> bool {
    for condition in CONDITIONS {
        request.remove(condition);
    }
    let Some(stored) = stored else { return false };
    if let Some(etag) = stored.get(ETAG) {
        request.insert(IF_NONE_MATCH, etag.clone());
    }
    if let Some(changed) = stored.get(LAST_MODIFIED) {
        request.insert(IF_MODIFIED_SINCE, changed.clone());
    }
    has_validator(stored)
}

/// Whether a 304 speaks of the stored response (§4.3.4).
pub(crate) fn confirms(stored: &HeaderMap, not_modified: &HeaderMap) -> bool {
    match (not_modified.get(ETAG), stored.get(ETAG)) {
        (Some(new), Some(old)) => opaque(new.as_bytes()) == opaque(old.as_bytes()),
        (Some(_), None) => false,
        (None, _) => match (not_modified.get(LAST_MODIFIED), stored.get(LAST_MODIFIED)) {
            // An older one is another server's of the same origin, or one that was set back.
            (Some(new), Some(old)) => {
                let [then, now] = [stored, not_modified].map(|all| date(all, LAST_MODIFIED));
                new == old || matches!((then, now), (Some(then), Some(now)) if now <= then)
            }
            // It answers the question that was asked, and names nothing else.
            _ => true,
        },
    }
}

/// An entity tag without its mark of weakness.
pub(super) fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The stored fields, brought up to date by a 304 (§3.2): each field that it has takes the place of all
/// stored ones of the name.
pub(crate) fn freshen(stored: &HeaderMap, mut not_modified: HeaderMap) -> HeaderMap {
    hops::remove_hop_by_hop(&mut not_modified);
    for name in OF_THE_BODY {
        not_modified.remove(name);
    }
    let mut fresh = stored.clone();
    for name in not_modified.keys() {
        fresh.remove(name);
    }
    // `Age` spoke of the stored one.
    fresh.remove(http::header::AGE);
    for (name, value) in &not_modified {
        fresh.append(name, value.clone());
    }
    fresh
}

#[cfg(test)]
mod tests {
    use super::super::headers;
    use super::*;

    #[test]
    fn the_clients_conditions_give_way_to_ours() {
        let mut request =
            headers("if-none-match: \"theirs\"\nrange: bytes=0-1\nif-range: \"x\"\naccept: a/b");
        assert!(ask(
            &mut request,
            Some(&headers("etag: W/\"ours\"\nlast-modified: then"))
        ));
        assert_eq!(
            request,
            headers("if-none-match: W/\"ours\"\nif-modified-since: then\naccept: a/b")
        );
        assert!(!ask(&mut request, Some(&headers("server: x"))));
        assert_eq!(request, headers("accept: a/b"));
    }

    #[test]
    fn a_304_must_speak_of_what_is_stored() {
        let confirms = |stored, new| confirms(&headers(stored), &headers(new));
        assert!(confirms("etag: \"a\"", "etag: \"a\""));
        assert!(confirms("etag: \"a\"", "etag: W/\"a\""));
        assert!(!confirms("etag: \"a\"", "etag: \"b\""));
        assert!(!confirms("last-modified: x", "etag: \"b\""));
        assert!(confirms("etag: \"a\"", ""));
        assert!(!confirms("last-modified: x", "last-modified: y"));
        let (old, new) = (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:38 GMT",
        );
        let of = |date| format!("last-modified: {date}");
        assert!(super::confirms(&headers(&of(new)), &headers(&of(old))));
        assert!(!super::confirms(&headers(&of(old)), &headers(&of(new))));
    }

    #[test]
    fn a_304_replaces_fields_but_not_those_of_the_body() {
        let stored = headers(
            "content-length: 5\ncontent-type: a/b\nlink: <a>\nlink: <b>\nx: 1\nage: 7\ncache-control: max-age=1",
        );
        let new = headers(
            "content-length: 0\ncontent-type: c/d\ncache-control: max-age=9\nlink: <c>\nlink: <d>\nconnection: y\ny: 2\nnew: z",
        );
        let fresh = freshen(&stored, new);
        assert_eq!(
            fresh,
            headers(
                "content-length: 5\ncontent-type: a/b\nx: 1\ncache-control: max-age=9\nlink: <c>\nlink: <d>\nnew: z"
            )
        );
    }
}
