//! RFC 9111 §4.1: which requests share a response.

use http::HeaderMap;
use http::header::{ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, HeaderName, VARY};

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

/// What a request has in these fields, as a part of a key. Lines end by a newline, which no value has.
pub(crate) fn variant(fields: &[HeaderName], request: &HeaderMap) -> String {
    let mut variant = String::new();
    for field in fields {
        variant.push('\n');
        variant.push_str(field.as_str());
        if !request.contains_key(field) {
            continue;
        }
        variant.push(':');
        // Empty members, white space, and how many lines there are mean nothing.
        let mut members: Vec<_> = list(request, field).collect();
        if [ACCEPT_ENCODING, ACCEPT_LANGUAGE, ACCEPT_CHARSET].contains(field) {
            // Nor does the order, nor the case: what is wanted more has a greater `q`.
            for member in &mut members {
                member.make_ascii_lowercase();
                member.retain(|char| !" \t".contains(char));
            }
            members.sort();
            members.dedup();
        }
        variant.push_str(&members.join(","));
    }
    variant
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
        assert_eq!(of("x: a, b"), of("x: a\nx: b"));
        assert_ne!(of("x: a, b"), of("x: b, a"));
        assert_ne!(of("x: a"), of("x: A"));
        assert_ne!(of("accept-encoding: x"), of("x: x"));
    }

    fn of_absent() -> String {
        variant(&names(&["x"]), &HeaderMap::new())
    }

    #[test]
    fn absent_is_unlike_empty() {
        assert_ne!(of_absent(), variant(&names(&["x"]), &headers("x:")));
    }
}
