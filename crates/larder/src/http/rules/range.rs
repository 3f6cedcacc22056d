//! RFC 9110 §14: answering with a part of a response that is stored whole.

use std::ops::Range;
use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};

use super::date;

/// What of a body a request is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ranged {
    Whole,
    Part(Range<usize>),
    /// Nothing of it lies within the body.
    Unsatisfiable,
}

/// What of a body of `len` bytes a request is to get. A `Range` that is malformed, of another unit or of
/// several parts is ignored, as it may be.
pub(crate) fn answer(request: &HeaderMap, response: &HeaderMap, len: usize) -> Ranged {
    let mut all = request.get_all(RANGE).iter();
    let Some(range) = all.next().filter(|_| all.next().is_none()) else {
        return Ranged::Whole;
    };
    if !is_of_this(request, response) {
        return Ranged::Whole;
    }
    let Some(range) = range.to_str().ok().and_then(parse) else {
        return Ranged::Whole;
    };
    let range = match range {
        Asked::From(first, last) => {
            first.min(len)..last.map_or(len, |last| last.saturating_add(1).min(len))
        }
        Asked::Last(count) => len.saturating_sub(count)..len,
    };
    if range.is_empty() {
        Ranged::Unsatisfiable
    } else {
        Ranged::Part(range)
    }
}

enum Asked {
    From(usize, Option<usize>),
    Last(usize),
}

fn parse(range: &str) -> Option<Asked> {
    let (unit, range) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", "") => None,
        ("", count) => number(count).map(Asked::Last),
        (first, "") => Some(Asked::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Asked::From(first, Some(last)))
        }
    }
}

/// Digits; more than fits is the greatest.
fn number(digits: &str) -> Option<usize> {
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| digits.parse().unwrap_or(usize::MAX))
}

/// Whether the part is to be one of this response: `If-Range` (§13.1.5), by strong comparison.
fn is_of_this(request: &HeaderMap, response: &HeaderMap) -> bool {
    let Some(condition) = request.get(IF_RANGE) else {
        return true;
    };
    if condition.as_bytes().ends_with(b"\"") {
        let is_strong = !condition.as_bytes().starts_with(b"W/");
        return is_strong && response.get(ETAG) == Some(condition);
    }
    let (Some(theirs), Some(changed)) = (date(request, IF_RANGE), date(response, LAST_MODIFIED))
    else {
        return false;
    };
    // A date says enough where the response was made a second later (RFC 9110 §8.8.2.2).
    let made = date(response, DATE);
    theirs == changed && made.is_some_and(|made| made >= changed + Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::super::headers;
    use super::*;

    fn of(range: &str) -> Ranged {
        answer(&headers(&format!("range: {range}")), &HeaderMap::new(), 10)
    }

    #[test]
    fn a_part_is_cut_to_the_body() {
        assert_eq!(of("bytes=0-0"), Ranged::Part(0..1));
        assert_eq!(of("bytes=2-"), Ranged::Part(2..10));
        assert_eq!(of("Bytes= 2-4"), Ranged::Part(2..5));
        assert_eq!(of("bytes=5-99999999999999999999999"), Ranged::Part(5..10));
        assert_eq!(of("bytes=-3"), Ranged::Part(7..10));
        assert_eq!(of("bytes=-30"), Ranged::Part(0..10));
    }

    #[test]
    fn what_lies_beyond_cannot_be_had() {
        for beyond in [
            "bytes=10-",
            "bytes=10-12",
            "bytes=-0",
            "bytes=99999999999999999999999-",
        ] {
            assert_eq!(of(beyond), Ranged::Unsatisfiable, "{beyond}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_ignored() {
        for ignored in [
            "bytes=4-2",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "lines=1-2",
            "bytes=0-1,3-4",
            "",
            "bytes",
        ] {
            assert_eq!(of(ignored), Ranged::Whole, "{ignored}");
        }
    }

    #[test]
    fn a_part_of_another_response_is_not_given() {
        let of = |condition: &str, response: &str| {
            let request = headers(&format!("range: bytes=0-0\nif-range: {condition}"));
            answer(&request, &headers(response), 10) == Ranged::Part(0..1)
        };
        assert!(of("\"a\"", "etag: \"a\""));
        assert!(!of("\"a\"", "etag: \"b\""));
        assert!(!of("W/\"a\"", "etag: W/\"a\""));
        assert!(!of("\"a\"", ""));
        let then = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert!(of(
            then,
            &format!("last-modified: {then}\ndate: Sun, 06 Nov 1994 08:49:38 GMT")
        ));
        assert!(!of(then, &format!("last-modified: {then}\ndate: {then}")));
        assert!(!of("lately", &format!("last-modified: {then}")));
    }
}
