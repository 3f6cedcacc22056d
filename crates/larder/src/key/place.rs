//! What a key on the server says of what lies there: the layout, read backwards.

use std::borrow::Cow;

use super::{CacheKey, KeyError, Prefix, StoredKey, canonical, escape, parts, text};
use crate::unwind::caught;

/// What lies under a key of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    Value(Spot<'a>),
    /// The lease of a value.
    Lease(Spot<'a>),
    /// The stamp of this scope.
    Stamp(&'a str),
}

/// Where a value lies; its parts as they stand in the stored key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot<'a> {
    pub(crate) tenant: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) key: &'a str,
    /// Whether it is in a bounded cache.
    pub(crate) is_bounded: bool,
    /// All of it.
    pub(crate) whole: &'a str,
}

impl<'a> Place<'a> {
    /// `None` for what no larder with this prefix has put there.
    pub(crate) fn of(prefix: &Prefix, key: &'a str) -> Option<Self> {
        let rest = key.strip_prefix(prefix.as_str())?;
        if rest.starts_with("lease:") {
            let of = StoredKey::of_lease_key(prefix.as_str(), key)?;
            return Spot::of(prefix, of).map(Self::Lease);
        }
        if let Some(scope) = rest.strip_prefix("stamp:") {
            return Some(Self::Stamp(scope));
        }
        Spot::of(prefix, key).map(Self::Value)
    }
}

impl<'a> Spot<'a> {
    fn of(prefix: &Prefix, whole: &'a str) -> Option<Self> {
        let rest = whole.strip_prefix(prefix.as_str())?;
        let (tenant, rest) = match rest.strip_prefix("tenant:") {
            Some(rest) => {
                let (tenant, rest) = rest.split_once(':')?;
                (Some(tenant), rest)
            }
            None => (None, rest),
        };
        let (name, key, is_bounded) = match rest.strip_prefix('{') {
            None => {
                let (name, key) = rest.split_once(':')?;
                (name, key, false)
            }
            Some(rest) => {
                let (tag, key) = rest.split_once("}:")?;
                let (name, partition) = tag.rsplit_once(':')?;
                // As it is written, and in no other way.
                let number = partition.parse::<u16>().ok()?;
                (number.to_string() == partition).then_some((name, key, true))?
            }
        };
        let is_name = |part: &str| !part.is_empty() && !parts::is_reserved(part);
        (tenant.is_none_or(is_name) && is_name(name)).then_some(Self {
            tenant,
            name,
            key,
            is_bounded,
            whole,
        })
    }

    /// The key as its owner reads it; `None` where the stored key has only a hash of it.
    pub(crate) fn readable(&self) -> Option<String> {
        if self.key.starts_with('~') {
            return None;
        }
        escape::unescape(self.key)
    }
}

/// What a key reads as: a text is itself, an integer its digits, anything else its canonical JSON.
pub(crate) fn readable<Q: CacheKey + ?Sized>(key: &Q) -> Result<String, KeyError> {
    let json = caught(|| canonical::to_string(key))
        .unwrap_or_else(|message| Err(KeyError::panicked(&message)))?;
    Ok(readable_of(&json).into_owned())
}

/// What the key reads as whose canonical JSON this is.
pub(crate) fn readable_of(json: &str) -> Cow<'_, str> {
    text::unescape(json).unwrap_or(Cow::Borrowed(json))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bounded::{Bounded, Bounds};
    use crate::key::{CacheName, Tenant};

    #[test]
    fn what_was_put_together_is_taken_apart() {
        let prefix = Prefix::new("p:lease").unwrap();
        for tenant in [None, Some("acme"), Some("a:b{c}"), Some("lease")] {
            for name in ["users", "a:b", "tenant", "stamp"] {
                for key in ["", "ann", "a b%é", "42", "-1", "lease:{x}", "~", "a:b:c"] {
                    let tenant = tenant.map(|tenant| Tenant::new(tenant).unwrap());
                    let name = CacheName::new(name).unwrap();
                    let bounded = Bounded::lfu(100).partitions(7);
                    let bounds = Arc::new(Bounds::new(&prefix, &name, bounded).unwrap());
                    let plain = StoredKey::new(&prefix, tenant.as_ref(), &name, key).unwrap();
                    let bounded = StoredKey::bounded(&bounds, tenant.as_ref(), key).unwrap();
                    for (stored, is_bounded) in [(plain, false), (bounded, true)] {
                        let lease = stored.lease_key();
                        let Some(Place::Value(spot)) = Place::of(&prefix, stored.as_str()) else {
                            panic!("{stored}");
                        };
                        assert_eq!(spot.tenant, tenant.as_ref().map(Tenant::escaped));
                        assert_eq!(spot.name, name.escaped());
                        assert_eq!(spot.is_bounded, is_bounded);
                        assert_eq!(spot.readable().as_deref(), Some(key));
                        assert_eq!(Place::of(&prefix, &lease), Some(Place::Lease(spot)));
                    }
                    assert_eq!(readable(key).unwrap(), key);
                }
            }
        }
    }

    #[test]
    fn what_nobody_put_there_has_no_place() {
        let prefix = Prefix::new("p").unwrap();
        for key in [
            "p:",
            "p",
            "q:n:k",
            "p:n",
            "p:tenant:t:k",
            "p:lease:{q:n:k}",
            "p:tenant::n:k",
            "p:tenant:t:lease:k",
            "p:bounded:x",
            "p:bounded:{n:0}",
            "p:bounded:{n:0}:order",
            "p:lease:n",
            "p:lease:p:n:k",
            "p:lease:{p:{n:0}:k}",
            "p:{n}:k",
            "p:{n:}:k",
            "p:{n:01}:k",
            "p:{n:x}:k",
            "p:{:0}:k",
            "p:{stamp:0}:k",
            "p:{n:0}k",
        ] {
            assert_eq!(Place::of(&prefix, key), None, "{key}");
        }
        assert_eq!(Place::of(&prefix, "p:stamp:all"), Some(Place::Stamp("all")));
    }

    #[test]
    fn keys_of_all_kinds_read_as_they_are_written() {
        for (json, reads) in [
            ("42", "42"),
            (r#""a\"b""#, "a\"b"),
            (r#"["a",1]"#, r#"["a",1]"#),
        ] {
            assert_eq!(readable_of(json), reads);
        }
        assert_eq!(readable(&("a", 1)).unwrap(), r#"["a",1]"#);
        assert_eq!(readable(&-7).unwrap(), "-7");
    }
}
