//! The stored key: where a value lies on the server.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::escape::{self, KEY};
use super::parts::MAX_PART;
use super::scalar::{Scalar, Sink};
use super::{CacheKey, CacheName, KeyError, Prefix, Tenant, canonical, text};
use crate::bounded::Bounds;

/// What stands before a hash, and nowhere else in a key.
const HASHED: char = '~';
const HASH_LEN: usize = 64;
/// What stands between the prefix and the stored key whose lease it is: in braces, unless it has some.
const LEASE: &str = "lease:";
/// What stands between the prefix and the braces of a partition whose index it is.
const INDEX: &str = "bounded:";

/// The key under which a value is kept: `<prefix>[tenant:<tenant>:]<name>:<key>`.
///
/// Two of them are equal if and only if tenant, cache name and the canonical JSON of the key are
/// (G5). It is printable ASCII without glob characters. In a bounded cache `{<name>:<partition>}`
/// stands in the place of `<name>`; there are no braces but these.
#[derive(Debug, Clone)]
pub struct StoredKey {
    text: Box<str>,
    original: Option<Arc<str>>,
    /// Of the bounded cache that it is in, where that is known.
    bounds: Option<Arc<Bounds>>,
    /// Where the prefix ends, its colon included.
    prefix: u8,
}

impl StoredKey {
    /// Finds the place of `key`. The page of [the module](super) says how.
    ///
    /// ```
    /// use larder::key::{CacheName, Prefix, StoredKey, Tenant};
    ///
    /// let (prefix, users) = (Prefix::new("app")?, CacheName::new("users")?);
    /// let key = StoredKey::new(&prefix, None, &users, &42)?;
    /// assert_eq!(key.as_str(), "app:users:42");
    ///
    /// let key = StoredKey::new(&prefix, Some(&Tenant::new("acme")?), &users, "ann@example.com")?;
    /// assert_eq!(key.as_str(), "app:tenant:acme:users:ann@example.com");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the canonical JSON of the key does not exist (NaN, a map keyed by something else than
    /// scalars, a failing `Serialize`), would be that of another key too (`Some(None)`), or is
    /// longer than 64 KiB or deeper than 128 levels.
    pub fn new<Q: CacheKey + ?Sized>(
        prefix: &Prefix,
        tenant: Option<&Tenant>,
        name: &CacheName,
        key: &Q,
    ) -> Result<Self, KeyError> {
        let place = Place {
            prefix,
            tenant,
            name,
        };
        let readable = |text: String| Self {
            text: text.into(),
            original: None,
            bounds: None,
            prefix: prefix.len(),
        };
        // Whatever the short way refuses, for whatever reason, takes the long one.
        if let Ok(Some(text)) = key.serialize(Scalar::new(&place)) {
            return Ok(readable(text));
        }
        let json = canonical::to_string(key)?;
        Ok(match place.readable(&json) {
            Some(text) => readable(text),
            None => Self {
                original: Some(json.as_str().into()),
                ..readable(place.hashed(&json))
            },
        })
    }

    /// Finds the place of `key` in a bounded cache: `<prefix>[tenant:<tenant>:]{<name>:<partition>}:<key>`.
    ///
    /// What stands in braces chooses the slot of a cluster, so that a value, its lease and the index of
    /// its partition share one.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use larder::bounded::{Bounded, Bounds};
    /// use larder::key::{CacheName, Prefix, StoredKey};
    ///
    /// let (prefix, name) = (Prefix::new("app")?, CacheName::new("reports")?);
    /// let bounds = Arc::new(Bounds::new(&prefix, &name, Bounded::lru(1_000))?);
    /// let key = StoredKey::bounded(&bounds, None, &42)?;
    /// assert_eq!(key.as_str(), "app:{reports:0}:42");
    /// assert_eq!(key.lease_key(), "app:lease:app:{reports:0}:42");
    /// assert_eq!(key.index_key().as_deref(), Some("app:bounded:{reports:0}"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn bounded<Q: CacheKey + ?Sized>(
        bounds: &Arc<Bounds>,
        tenant: Option<&Tenant>,
        key: &Q,
    ) -> Result<Self, KeyError> {
        let (prefix, name) = (bounds.prefix(), bounds.name());
        let plain = Self::new(prefix, tenant, name, key)?;
        let tenant = tenant.map_or("", Tenant::segment);
        let before = prefix.as_str().len() + tenant.len();
        // What is before it was put there by `new`.
        let key = plain.text.get(before + name.segment().len()..);
        let key = key.unwrap_or_default();
        let partition = bounds.partition_of(tenant, key).to_string();
        let parts = [
            prefix.as_str(),
            tenant,
            "{",
            name.escaped(),
            ":",
            &partition,
            "}:",
            key,
        ];
        Ok(Self {
            text: parts.concat().into(),
            bounds: Some(Arc::clone(bounds)),
            ..plain
        })
    }

    /// The bounds of the bounded cache that it is in; `None` where it is in none, or where it was found
    /// on the server.
    pub fn bounds(&self) -> Option<&Arc<Bounds>> {
        self.bounds.as_ref()
    }

    /// Where the index of its partition begins, `<prefix>bounded:{<name>:<partition>}`, if it is in a
    /// bounded cache. Each key of the index is this, or this and a colon and a word.
    pub fn index_key(&self) -> Option<String> {
        let tag = tag(&self.text)?;
        let prefix = self.text.get(..self.prefix.into()).unwrap_or_default();
        Some([prefix, INDEX, tag].concat())
    }

    /// In which partition of its bounded cache it is.
    pub(crate) fn partition(&self) -> u16 {
        let number = || {
            let (_, number) = tag(&self.text)?.strip_suffix('}')?.rsplit_once(':')?;
            number.parse().ok()
        };
        number().unwrap_or(0)
    }

    /// Whether a key is of the index of a bounded cache.
    #[cfg(feature = "valkey")]
    pub(crate) fn is_index(prefix: &Prefix, key: &str) -> bool {
        let rest = key.strip_prefix(prefix.as_str());
        rest.is_some_and(|rest| rest.starts_with(INDEX))
    }

    /// Where the stamp of a scope lies. No value does: `stamp` is no cache's name in a stored key.
    pub(crate) fn stamp(prefix: &Prefix, scope: &str) -> Self {
        Self {
            text: [prefix.as_str(), "stamp:", scope].concat().into(),
            original: None,
            bounds: None,
            prefix: prefix.len(),
        }
    }

    /// One that was found on the server, under this prefix.
    pub(crate) fn found(prefix: &Prefix, text: &str) -> Self {
        Self {
            text: text.into(),
            original: None,
            bounds: None,
            prefix: prefix.len(),
        }
    }

    /// The stored key.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The stored key, as it is sent.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Where the lease of this key lies: `<prefix>lease:{<stored key>}`, in a bounded cache without
    /// these braces.
    ///
    /// No value lies there, since `lease` is no cache's name in a stored key; and it shares the
    /// value's slot in a cluster, since the whole stored key is what stands in braces, or the braces
    /// that it has itself are the first.
    ///
    /// ```
    /// let key = larder::key::StoredKey::new(
    ///     &larder::key::Prefix::new("app")?,
    ///     None,
    ///     &larder::key::CacheName::new("users")?,
    ///     &42,
    /// )?;
    /// assert_eq!(key.lease_key(), "app:lease:{app:users:42}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lease_key(&self) -> String {
        let prefix = self.text.get(..self.prefix.into()).unwrap_or_default();
        match tag(&self.text) {
            None => [prefix, LEASE, "{", &self.text, "}"].concat(),
            Some(_) => [prefix, LEASE, &self.text].concat(),
        }
    }

    /// The stored key whose lease lies at `lease_key`; `None` where no lease does.
    pub(crate) fn of_lease_key<'a>(prefix: &str, lease_key: &'a str) -> Option<&'a str> {
        let of = lease_key.strip_prefix(prefix)?.strip_prefix(LEASE)?;
        match of.strip_prefix('{') {
            Some(of) => of.strip_suffix('}').filter(|of| tag(of).is_none()),
            None => (of.starts_with(prefix) && tag(of).is_some()).then_some(of),
        }
    }

    /// The canonical JSON of the key where the stored key has only a hash of it.
    pub fn original(&self) -> Option<&str> {
        self.original.as_deref()
    }
}

impl PartialEq for StoredKey {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for StoredKey {}

impl Hash for StoredKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for StoredKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// What stands in braces in a stored key, with them: `{<name>:<partition>}`, in a bounded cache only.
fn tag(text: &str) -> Option<&str> {
    let (from, to) = (text.find('{')?, text.find('}')?);
    text.get(from..=to)
}

/// Everything before the key.
struct Place<'a> {
    prefix: &'a Prefix,
    tenant: Option<&'a Tenant>,
    name: &'a CacheName,
}

impl Place<'_> {
    /// All but the key, with room for a key of `len` bytes and no more: turning it into a boxed
    /// text then moves nothing.
    fn with_room(&self, len: usize) -> String {
        let tenant = self.tenant.map_or("", Tenant::segment);
        let parts = [self.prefix.as_str(), tenant, self.name.segment()];
        let mut text =
            String::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>() + len);
        for part in parts {
            text.push_str(part);
        }
        text
    }

    /// The stored key of an integer or a text that is short enough.
    fn readable(&self, json: &str) -> Option<String> {
        if escape::is_integer(json) {
            return Some(self.of_integer(json));
        }
        self.of_text(&text::unescape(json)?)
    }

    fn of_integer(&self, digits: &str) -> String {
        let mut text = self.with_room(digits.len());
        text.push_str(digits);
        text
    }

    fn of_text(&self, key: &str) -> Option<String> {
        if key.len() > MAX_PART {
            return None;
        }
        // G5: `"42"` must not be stored as 42 is.
        let first = escape::is_integer(key);
        let len = KEY.escaped_len(key, first);
        if len > MAX_PART {
            return None;
        }
        let mut text = self.with_room(len);
        if len == key.len() {
            text.push_str(key);
        } else {
            KEY.escape(key, first, &mut text);
        }
        Some(text)
    }

    fn hashed(&self, json: &str) -> String {
        let mut text = self.with_room(HASHED.len_utf8() + HASH_LEN);
        text.push(HASHED);
        for byte in Sha256::digest(json) {
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(digit.into(), 16));
            }
        }
        text
    }
}

/// Gives `None` for what is stored as a hash.
impl Sink for &Place<'_> {
    type Ok = Option<String>;

    fn text(self, text: &str) -> Result<Option<String>, KeyError> {
        Ok(self.of_text(text))
    }

    fn integer(self, digits: &str) -> Result<Option<String>, KeyError> {
        Ok(Some(self.of_integer(digits)))
    }

    fn boolean(self, _: bool) -> Result<Option<String>, KeyError> {
        Ok(None)
    }

    fn canonical(self, json: &str) -> Result<Option<String>, KeyError> {
        Ok(self.readable(json))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounded::Bounded;

    fn stored<Q: CacheKey + ?Sized>(key: &Q) -> StoredKey {
        let prefix = Prefix::new("p").unwrap();
        StoredKey::new(&prefix, None, &CacheName::new("n").unwrap(), key).unwrap()
    }

    #[test]
    fn a_readable_key_is_written_once_in_its_exact_size() {
        let (prefix, name) = (Prefix::new("p").unwrap(), CacheName::new("n").unwrap());
        let place = Place {
            prefix: &prefix,
            tenant: None,
            name: &name,
        };
        for text in [
            place.of_integer("42"),
            place.of_text("ann").unwrap(),
            place.of_text("a b").unwrap(),
            place.of_text("42").unwrap(),
            place.hashed("null"),
        ] {
            assert_eq!(text.len(), text.capacity(), "{text}");
        }
    }

    #[test]
    fn the_short_way_and_the_long_one_lead_to_the_same_place() {
        let (prefix, name) = (Prefix::new("p").unwrap(), CacheName::new("n").unwrap());
        let place = Place {
            prefix: &prefix,
            tenant: None,
            name: &name,
        };
        let long = "a".repeat(200);
        for text in [
            "",
            "a",
            "42",
            "-1",
            "-",
            "a\"b\\",
            "\0\n\u{1}",
            "é~%{}",
            "null",
            &long,
        ] {
            let json = canonical::to_string(text).unwrap();
            assert_eq!(place.readable(&json).unwrap(), stored(text).as_str());
            assert_eq!(stored(&Some(text)), stored(text));
        }
        assert_eq!(stored(&Some(42)), stored(&42));
    }

    #[test]
    fn a_lease_leads_back_to_its_key_and_no_value_key_looks_like_one() {
        let prefix = Prefix::new("p:lease").unwrap();
        let long = "k".repeat(201);
        for tenant in [None, Some("lease"), Some("tenant"), Some("lease:{")] {
            for name in ["lease", "lease:{", "tenant", "n"] {
                for key in ["", "lease", "lease:{p:lease:n:k}", "}", "k", &long] {
                    let tenant = tenant.map(|tenant| Tenant::new(tenant).unwrap());
                    let name = CacheName::new(name).unwrap();
                    let key = StoredKey::new(&prefix, tenant.as_ref(), &name, key).unwrap();
                    let lease = key.lease_key();
                    let of = |key| StoredKey::of_lease_key(prefix.as_str(), key);
                    assert_eq!(of(&lease), Some(key.as_str()));
                    assert_eq!(of(key.as_str()), None);
                    assert!(!key.as_str().starts_with("p:lease:lease:"), "{key}");
                    assert!(!key.as_str().contains(['{', '}']), "{key}");
                }
            }
        }
    }

    #[test]
    fn a_lease_in_a_bounded_cache_leads_back_and_shares_the_slot() {
        let prefix = Prefix::new("p:lease").unwrap();
        let long = "k".repeat(201);
        let bounded = Bounded::lru(1_000).partitions(16);
        for tenant in [None, Some("lease"), Some("bounded"), Some("lease:{")] {
            for name in ["lease", "lease:{", "bounded", "n:1}"] {
                let name = CacheName::new(name).unwrap();
                let bounds = Arc::new(Bounds::new(&prefix, &name, bounded).unwrap());
                for key in ["", "lease", "lease:{p:lease:n:k}", "}", "{n:0}:k", &long] {
                    let tenant = tenant.map(|tenant| Tenant::new(tenant).unwrap());
                    let key = StoredKey::bounded(&bounds, tenant.as_ref(), key).unwrap();
                    let lease = key.lease_key();
                    let of = |key| StoredKey::of_lease_key(prefix.as_str(), key);
                    assert_eq!(of(&lease), Some(key.as_str()));
                    assert_eq!(of(key.as_str()), None);
                    let slot = tag(key.as_str()).unwrap();
                    let index = key.index_key().unwrap();
                    for one in [&lease, &index] {
                        assert_eq!(tag(one).unwrap(), slot);
                    }
                    assert!(slot.len() > 2, "an empty tag chooses no slot");
                    assert_eq!(key.as_str().matches(['{', '}']).count(), 2, "{key}");
                    assert_eq!(of(&index), None);
                }
            }
        }
    }

    #[test]
    fn a_key_over_200_bytes_is_hashed() {
        for (readable, hashed) in [
            ("a".repeat(200), "a".repeat(201)),
            ("~".repeat(66) + "aa", "~".repeat(67)),
            ("1".repeat(198), "1".repeat(199)),
        ] {
            assert_eq!(stored(&readable).as_str().len(), "p:n:".len() + 200);
            assert_eq!(stored(&readable).original(), None);
            let key = stored(&hashed);
            assert_eq!(key.as_str().len(), "p:n:~".len() + 64);
            assert_eq!(key.original(), Some(format!("\"{hashed}\"").as_str()));
        }
    }
}
