//! The rules of HTTP caching, as plain functions of requests, responses and times: no lock, no I/O.
//!
//! | file | rules |
//! |---|---|
//! | `directives` | RFC 9111 §5.2: `Cache-Control` of requests and responses, `Pragma` |
//! | `targeted` | RFC 9213: `CDN-Cache-Control` and the like |
//! | `storing` | RFC 9111 §3: what may be stored, and on which terms |
//! | `freshness` | RFC 9111 §4.2: lifetime, age, heuristics |
//! | `serving` | RFC 9111 §4 and §5.2.1, RFC 5861: whether a stored response suits a request |
//! | `vary` | RFC 9111 §4.1: which requests share a response |
//! | `validation` | RFC 9111 §4.3, §3.2: asking the origin whether a response still stands |
//! | `conditional` | RFC 9110 §13: answering a client that has a copy |
//! | `range` | RFC 9110 §14: answering with a part |
//! | `invalidation` | RFC 9111 §4.4: what an unsafe method invalidates |
//! | `hops` | RFC 9110 §7.6.1: what ends at each hop |
//! | `status` | RFC 9211: `Cache-Status` |
//!
//! # Why not a library
//!
//! `http-cache-semantics` 3.0 was looked at. It takes directives by their exact case, so `No-Store` is
//! stored; it splits quoted arguments at their commas; a 304 makes one line of a field that had several; of
//! the three forms of dates it reads one; and it knows neither targeted fields, ranges,
//! `must-understand`, nor the `Cache-Status` of what it decides. Where little would be left, the rules
//! are written here, each beside its tests. Dates are read by `httpdate`.

pub(super) mod conditional;
pub(super) mod directives;
pub(super) mod freshness;
pub(super) mod hops;
pub(super) mod invalidation;
pub(super) mod range;
pub(super) mod serving;
pub(super) mod status;
pub(super) mod storing;
pub(super) mod targeted;
pub(super) mod validation;
pub(super) mod vary;

use std::ops::Range;
use std::time::SystemTime;

use http::header::{AsHeaderName, HeaderMap};

/// A field's date, in any of the three forms; `None` where it is none, or stands there more than once.
fn date(headers: &HeaderMap, name: impl AsHeaderName) -> Option<SystemTime> {
    let mut all = headers.get_all(name).iter();
    let only = all.next().filter(|_| all.next().is_none())?;
    httpdate::parse_http_date(only.to_str().ok()?.trim()).ok()
}

/// Where the members of a line of a list are, and whether a quote is open at its end: commas within quotes
/// separate nothing.
fn members(line: &[u8]) -> (Vec<Range<usize>>, bool) {
    let mut members = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in line.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                members.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.push(start..line.len());
    (members, quoted)
}

/// Whether a line of a field has a quote that does not end: what is behind it may be anything.
fn has_open_quote(headers: &HeaderMap, name: impl AsHeaderName) -> bool {
    let mut lines = headers.get_all(name).into_iter();
    lines.any(|line| members(line.as_bytes()).1)
}

/// The members of a field that is a list.
fn list(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = String> {
    headers.get_all(name).into_iter().flat_map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let members = members(text.as_bytes()).0.into_iter().filter_map(|part| {
            // Commas and quotes are ASCII, so these are boundaries of characters.
            let member = text.get(part)?.trim_matches([' ', '\t']);
            (!member.is_empty()).then(|| member.to_owned())
        });
        members.collect::<Vec<_>>()
    })
}

/// Headers as a test writes them: `name: value` lines.
#[cfg(test)]
pub(super) fn headers(lines: &str) -> HeaderMap {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let parse = |line: &str| {
        let (name, value) = line.split_once(':').expect("a colon");
        let name: http::HeaderName = name.trim().parse().expect("a name");
        (
            name,
            http::HeaderValue::from_bytes(value.trim().as_bytes()).expect("a value"),
        )
    };
    lines.map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_within_quotes_separate_nothing() {
        let headers = headers("x: a=\"b, c\\\", d\" , ,e\nx: f");
        let members: Vec<_> = list(&headers, "x").collect();
        assert_eq!(members, ["a=\"b, c\\\", d\"", "e", "f"]);
    }

    #[test]
    fn a_date_has_three_forms_and_stands_there_once() {
        for form in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert!(
                date(&headers(&format!("date: {form}")), "date").is_some(),
                "{form}"
            );
        }
        for bad in [
            "date: 0",
            "date: yesterday",
            "date: Sun, 06 Nov 1994 08:49:37 +0100",
            "date: Sun, 06 Nov 1994 08:49:37 GMT\ndate: Sun, 06 Nov 1994 08:49:38 GMT",
        ] {
            assert!(date(&headers(bad), "date").is_none(), "{bad}");
        }
    }
}
