//! RFC 9111 §4.1: which requests share a response.

use std::fmt::Write;

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderName, VARY};

use super::list;

/// The fields of the request that `Vary` nominates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Nominated {
    /// Each request is unlike all others.
    All,
    /// Those of these fields; in order, each once.
    Fields(Vec<HeaderName>),
}

impl Nominated {
    pub(crate) fn by(response: &HeaderMap) -> Self {
        let mut fields = Vec::new();
        for member in list(response, VARY) {
            match member.parse::<HeaderName>() {
                Ok(field) if member != "*" => fields.push(field),
                // What cannot be a field may stand for any.
                _ => return Self::All,
            }
        }
        fields.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        fields.dedup();
        Self::Fields(fields)
    }
}

/// What a request has in these fields, as a part of a key: what differs in a byte differs, since the origin
/// may tell it apart. Of `Accept-Encoding` alone it is known what means the same. Lines begin by a newline
/// and values by a colon, which the encoded values do not have.
pub(crate) fn variant(fields: &[HeaderName], request: &HeaderMap) -> String {
    let mut variant = String::new();
    for field in fields {
        variant.push('\n');
        variant.push_str(field.as_str());
        if let Some(codings) = (*field == ACCEPT_ENCODING)
            .then(|| codings(request))
            .flatten()
        {
            variant.push(':');
            variant.push_str(&codings);
            continue;
        }
        for line in request.get_all(field) {
            variant.push(':');
            encode(line.as_bytes(), &mut variant);
        }
    }
    variant
}

/// What a request says in `Accept-Encoding`, written in one way: order, case, empty members, space around
/// commas and semicolons, and how many lines there are mean nothing. `None` where it says nothing, or
/// something that is no list of codings.
fn codings(request: &HeaderMap) -> Option<String> {
    let mut members = Vec::new();
    for line in request.get_all(ACCEPT_ENCODING) {
        let line = line
            .to_str()
            .ok()
            .filter(|line| line.chars().all(is_of_codings))?;
        for member in line.split(',') {
            let parts = member.split(';').map(|part| part.trim_matches([' ', '\t']));
            let member = parts.collect::<Vec<_>>().join(";").to_ascii_lowercase();
            members.push(member);
        }
    }
    if members.is_empty() {
        return None;
    }
    members.retain(|member| !member.is_empty());
    members.sort();
    members.dedup();
    Some(members.join(","))
}

fn is_of_codings(char: char) -> bool {
    char.is_ascii_alphanumeric() || "-._*+;=, \t".contains(char)
}

/// Writes bytes so that no two values are written alike, and none has a colon or a newline.
fn encode(bytes: &[u8], into: &mut String) {
    for byte in bytes {
        match byte {
            b' '..=b'~' if !b"%:".contains(byte) => into.push(char::from(*byte)),
            _ => {
                let _ = write!(into, "%{byte:02x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::headers;
    use super::*;

    fn names(names: &[&'static str]) -> Vec<HeaderName> {
        names.iter().copied().map(HeaderName::from_static).collect()
    }

    #[test]
    fn vary_nominates_fields_in_any_order() {
        let by = |lines| Nominated::by(&headers(lines));
        assert_eq!(
            by("vary: B, a\nvary: b"),
            Nominated::Fields(names(&["a", "b"]))
        );
        assert_eq!(by(""), Nominated::Fields(Vec::new()));
        assert_eq!(by("vary: a, *"), Nominated::All);
        assert_eq!(by("vary: a b"), Nominated::All);
    }

    #[test]
    fn what_means_the_same_is_the_same() {
        let of = |lines| variant(&names(&["accept-encoding", "x"]), &headers(lines));
        assert_eq!(
            of("accept-encoding: gzip, br;q=0.5"),
            of("accept-encoding: br; q=0.5\naccept-encoding: GZIP")
        );
        assert_eq!(
            of("accept-encoding: ,gzip,"),
            of("accept-encoding: gzip , gzip")
        );
        assert_ne!(of("x: a, b"), of("x: b, a"));
        assert_ne!(of("x: a"), of("x: A"));
        assert_ne!(of("accept-encoding: x"), of("x: x"));
    }

    #[test]
    fn what_differs_in_a_byte_differs() {
        let of = |value: &[u8]| {
            let mut request = HeaderMap::new();
            request.insert("x", http::HeaderValue::from_bytes(value).unwrap());
            request.insert(
                ACCEPT_ENCODING,
                http::HeaderValue::from_bytes(value).unwrap(),
            );
            (
                variant(&names(&["x"]), &request),
                variant(&names(&["accept-encoding"]), &request),
            )
        };
        for (one, other) in [
            (&b"Ren\xe9"[..], &b"Ren\xe8"[..]),
            (b"Ren\xe9", b"Ren%e9"),
            (b"d e", b"de"),
            (b"\"a, b\"", b"b\", \"a"),
            (b"a:", b"a"),
        ] {
            assert_ne!(of(one).0, of(other).0);
            assert_ne!(of(one).1, of(other).1);
        }
        for (one, other) in [(&b"a,"[..], &b"a"[..]), (b"a, b", b"b, a"), (b"A", b"a")] {
            assert_ne!(of(one).0, of(other).0);
        }
        let lines = |lines| variant(&names(&["x"]), &headers(lines));
        assert_ne!(lines("x: a\nx: b"), lines("x: a:b"));
        assert_ne!(lines("x: a\nx: b"), lines("x: a, b"));
    }

    fn of_absent() -> String {
        variant(&names(&["x"]), &HeaderMap::new())
    }

    #[test]
    fn absent_is_unlike_empty() {
        assert_ne!(of_absent(), variant(&names(&["x"]), &headers("x:")));
    }
}
