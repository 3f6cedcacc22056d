//! RFC 9110 §13: answering a client that has a copy.

use http::HeaderMap;
use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG,
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};

use super::validation::opaque;
use super::{date, list};

/// Whether a request has conditions that only the origin may evaluate (RFC 9111 §4.3.2).
pub(crate) fn is_for_the_origin(request: &HeaderMap) -> bool {
    request.contains_key(IF_MATCH) || request.contains_key(IF_UNMODIFIED_SINCE)
}

/// Whether a client's copy is what the response would bring it: it gets a 304.
pub(crate) fn has_copy(request: &HeaderMap, response: &HeaderMap) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        // It goes before dates (§13.1.3).
        let ours = response.get(ETAG).map(|tag| opaque(tag.as_bytes()));
        let mut theirs = list(request, IF_NONE_MATCH);
        return theirs.any(|tag| tag == "*" || Some(opaque(tag.as_bytes())) == ours);
    }
    let Some(since) = date(request, IF_MODIFIED_SINCE) else {
        return false;
    };
    // Where nothing says when it changed, it did no later than it was made (RFC 9111 §4.3.2).
    let changed = if response.contains_key(LAST_MODIFIED) {
        date(response, LAST_MODIFIED)
    } else {
        date(response, DATE)
    };
    changed.is_some_and(|changed| changed <= since)
}

/// Removes what a 304 has no use for.
pub(crate) fn without_body(response: &mut HeaderMap) {
    for name in [
        CONTENT_ENCODING,
        CONTENT_LANGUAGE,
        CONTENT_LENGTH,
        CONTENT_RANGE,
        CONTENT_TYPE,
    ] {
        response.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::super::headers;
    use super::*;

    fn copy(request: &str, response: &str) -> bool {
        has_copy(&headers(request), &headers(response))
    }

    #[test]
    fn tags_are_compared_weakly() {
        assert!(copy("if-none-match: \"a\"", "etag: \"a\""));
        assert!(copy("if-none-match: \"x,y\", W/\"a\"", "etag: \"a\""));
        assert!(copy("if-none-match: \"a\"", "etag: W/\"a\""));
        assert!(copy("if-none-match: *", "x: y"));
        assert!(!copy("if-none-match: \"a\"", "etag: \"b\""));
        assert!(!copy("if-none-match: \"a\"", ""));
    }

    #[test]
    fn tags_go_before_dates() {
        let dates = "last-modified: Sun, 06 Nov 1994 08:49:37 GMT";
        let since = "if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT";
        assert!(copy(since, dates));
        assert!(!copy(
            &format!("{since}\nif-none-match: \"b\""),
            &format!("{dates}\netag: \"a\"")
        ));
    }

    #[test]
    fn dates_that_cannot_be_read_are_no_copy() {
        let since = "if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT";
        assert!(!copy(
            "if-modified-since: lately",
            "last-modified: Sun, 06 Nov 1994 08:49:37 GMT"
        ));
        assert!(!copy(
            since,
            "last-modified: lately\ndate: Sun, 06 Nov 1994 08:49:37 GMT"
        ));
        assert!(!copy(since, "last-modified: Sun, 06 Nov 1994 08:49:38 GMT"));
        assert!(copy(since, "date: Sun, 06 Nov 1994 08:49:37 GMT"));
    }
}
