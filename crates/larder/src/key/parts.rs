//! The parts that stand before the key: prefix, tenant and cache name.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

use super::escape;

/// The longest prefix in bytes, its colon included.
const MAX_PREFIX: usize = 100;
/// The longest tenant, cache name or key in bytes, once escaped.
pub(super) const MAX_PART: usize = 200;

/// What stands before a tenant; as a cache name it would be encoded.
const TENANT: &str = "tenant:";
/// What can stand behind the prefix in place of a cache name.
const RESERVED: [&str; 4] = ["tenant", "lease", "stamp", "bounded"];

/// Whether no tenant and no cache's name stands like this in a stored key.
pub(super) fn is_reserved(part: &str) -> bool {
    RESERVED.contains(&part)
}

/// What each key on the server begins with, so that several programs can share one.
///
/// Two programs are apart if neither's prefix begins with the other's: with `app:` and `app:test:`,
/// clearing everything under the first reaches the second.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Prefix(Arc<str>);

impl Prefix {
    /// Takes `prefix`, and adds a `:` where it does not end with one.
    ///
    /// ```
    /// use larder::key::Prefix;
    ///
    /// assert_eq!(Prefix::new("shop")?.as_str(), "shop:");
    /// assert_eq!(Prefix::new("shop:v2:")?.as_str(), "shop:v2:");
    /// assert!(Prefix::new("shop*").is_err());
    /// # Ok::<(), larder::key::PrefixError>(())
    /// ```
    ///
    /// # Errors
    /// If it is empty, longer than 100 bytes with its colon, or holds anything but ASCII letters,
    /// digits and `-._:/@=,+`.
    pub fn new(prefix: &str) -> Result<Self, PrefixError> {
        if prefix.is_empty() {
            return Err(PrefixError::Empty);
        }
        let colon = if prefix.ends_with(':') { "" } else { ":" };
        let len = prefix.len() + colon.len();
        if len > MAX_PREFIX {
            return Err(PrefixError::TooLong {
                prefix: shortened(prefix),
                len,
                max: MAX_PREFIX,
            });
        }
        let plain = |char| u8::try_from(char).is_ok_and(|byte| escape::KEY.contains(byte));
        if let Some(found) = prefix.chars().find(|char| !plain(*char)) {
            return Err(PrefixError::Character {
                prefix: shortened(prefix),
                found,
            });
        }
        Ok(Self(format!("{prefix}{colon}").into()))
    }

    /// The prefix with its colon.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its length with its colon, in bytes.
    pub(super) fn len(&self) -> u8 {
        // At most `MAX_PREFIX`.
        u8::try_from(self.0.len()).unwrap_or(u8::MAX)
    }
}

impl Default for Prefix {
    /// `cache:`
    fn default() -> Self {
        Self("cache:".into())
    }
}

/// Whose data it is: keys of different tenants never meet, and a tenant can be cleared as a whole.
///
/// A clone is cheap, and so are comparing and hashing it: the text is hashed once, here.
#[derive(Clone)]
pub struct Tenant(Arc<TenantParts>);

struct TenantParts {
    name: Name,
    hash: u64,
    /// Which of its larder's tenants it is. Zero: none in particular.
    number: usize,
}

/// Seeded at random, so that nobody can choose tenants that hash alike.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Tenant {
    /// Takes `tenant`, which may hold any character.
    ///
    /// ```
    /// use larder::key::Tenant;
    ///
    /// let tenant = Tenant::new("acme: eu")?;
    /// assert_eq!(tenant.as_str(), "acme: eu");
    /// assert_eq!(tenant.escaped(), "acme%3A%20eu");
    /// # Ok::<(), larder::key::NameError>(())
    /// ```
    ///
    /// # Errors
    /// If it is empty, or longer than 200 bytes once escaped.
    pub fn new(tenant: &str) -> Result<Self, NameError> {
        Ok(Self(Arc::new(TenantParts {
            name: Name::new(Part::Tenant, TENANT, tenant)?,
            hash: HASHER.hash_one(tenant),
            number: 0,
        })))
    }

    /// The same as one of a larder's tenants.
    pub(crate) fn numbered(&self, number: usize) -> Self {
        Self(Arc::new(TenantParts {
            name: self.0.name.clone(),
            hash: self.0.hash,
            number,
        }))
    }

    #[inline]
    pub(crate) fn number(&self) -> usize {
        self.0.number
    }

    /// The tenant as it was given.
    pub fn as_str(&self) -> &str {
        &self.0.name.given
    }

    /// The tenant as it stands in stored keys.
    pub fn escaped(&self) -> &str {
        self.0.name.escaped(TENANT)
    }

    /// `tenant:<tenant>:`
    pub(super) fn segment(&self) -> &str {
        &self.0.name.segment
    }
}

impl PartialEq for Tenant {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for Tenant {}

impl Hash for Tenant {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

/// The name of a cache: caches of different names share nothing.
///
/// A clone is cheap.
#[derive(Clone)]
pub struct CacheName(Arc<Name>);

impl CacheName {
    /// Takes `name`, which may hold any character.
    ///
    /// ```
    /// use larder::key::CacheName;
    ///
    /// assert_eq!(CacheName::new("users")?.escaped(), "users");
    /// assert_eq!(CacheName::new("users:v2")?.escaped(), "users%3Av2");
    /// # Ok::<(), larder::key::NameError>(())
    /// ```
    ///
    /// # Errors
    /// If it is empty, or longer than 200 bytes once escaped.
    pub fn new(name: &str) -> Result<Self, NameError> {
        Name::new(Part::CacheName, "", name).map(|name| Self(Arc::new(name)))
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0.given
    }

    /// The name as it stands in stored keys.
    pub fn escaped(&self) -> &str {
        self.0.escaped("")
    }

    /// `<name>:`
    pub(super) fn segment(&self) -> &str {
        &self.0.segment
    }
}

impl PartialEq for CacheName {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for CacheName {}

impl Hash for CacheName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// A tag: what values of any cache can have in common, to be invalidated together.
///
/// A clone is cheap.
#[derive(Clone)]
pub struct Tag(Arc<Name>);

impl Tag {
    /// Takes `tag`, which may hold any character.
    ///
    /// # Errors
    /// If it is empty, or longer than 200 bytes once escaped.
    pub fn new(tag: &str) -> Result<Self, NameError> {
        Name::new(Part::Tag, "", tag).map(|name| Self(Arc::new(name)))
    }

    /// The tag as it was given.
    pub fn as_str(&self) -> &str {
        &self.0.given
    }

    /// The tag as it stands in stored keys.
    pub fn escaped(&self) -> &str {
        self.0.escaped("")
    }
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Tag {}

/// A tenant, a cache name or a tag, escaped once and for all.
#[derive(Clone)]
struct Name {
    given: Box<str>,
    /// What precedes it in a stored key, the escaped name and a colon.
    segment: Box<str>,
}

impl Name {
    fn new(part: Part, before: &str, given: &str) -> Result<Self, NameError> {
        if given.is_empty() {
            return Err(NameError::Empty { part });
        }
        let reserved = RESERVED.contains(&given);
        let len = escape::NAME.escaped_len(given, reserved);
        if len > MAX_PART {
            return Err(NameError::TooLong {
                part,
                value: shortened(given),
                len,
                max: MAX_PART,
            });
        }
        let mut segment = String::with_capacity(before.len() + len + 1);
        segment.push_str(before);
        escape::NAME.escape(given, reserved, &mut segment);
        segment.push(':');
        Ok(Self {
            given: given.into(),
            segment: segment.into(),
        })
    }

    fn escaped(&self, before: &str) -> &str {
        let end = self.segment.len() - 1; // the colon
        self.segment.get(before.len()..end).unwrap_or_default()
    }
}

macro_rules! shown_as_given {
    ($($type:ident)*) => {
        $(impl fmt::Display for $type {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        })*
    };
}

shown_as_given! { Prefix Tenant CacheName Tag }

impl fmt::Debug for Tenant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Tenant").field(&self.as_str()).finish()
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Tag").field(&self.as_str()).finish()
    }
}

impl fmt::Debug for CacheName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("CacheName").field(&self.as_str()).finish()
    }
}

/// As much of `value` as an error message needs.
fn shortened(value: &str) -> String {
    const SHOWN: usize = 40;
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// Why a text cannot be the prefix of stored keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrefixError {
    /// There is nothing in it.
    #[error(
        "cannot use an empty prefix for stored keys: ASCII letters, digits and `-._:/@=,+` are \
         allowed, at least one"
    )]
    Empty,
    /// It holds something else than what is allowed.
    #[error(
        "cannot use {prefix:?} as the prefix of stored keys: {found:?} stands in it, and only \
         ASCII letters, digits and `-._:/@=,+` are allowed"
    )]
    Character {
        /// The prefix, shortened if long.
        prefix: String,
        /// The first character in it that is not allowed.
        found: char,
    },
    /// It is too long.
    #[error(
        "cannot use {prefix:?} as the prefix of stored keys: it takes {len} bytes with its colon, \
         and at most {max} are allowed"
    )]
    TooLong {
        /// The prefix, shortened.
        prefix: String,
        /// Its length in bytes, its colon included.
        len: usize,
        /// The most bytes that are allowed.
        max: usize,
    },
}

/// Which part of a stored key a [`NameError`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// The tenant.
    Tenant,
    /// The name of the cache.
    CacheName,
    /// A tag.
    Tag,
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Tenant => "tenant",
            Self::CacheName => "cache name",
            Self::Tag => "tag",
        })
    }
}

/// Why a text cannot be a tenant or a cache name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is nothing in it.
    #[error("cannot use an empty text as a {part}: any text of at least one character is allowed")]
    Empty {
        /// Which part was to be named.
        part: Part,
    },
    /// It is too long.
    #[error(
        "cannot use {value:?} as a {part}: it takes {len} bytes once escaped, and at most {max} \
         are allowed (ASCII letters, digits and `-._@/+=,` take one byte each, every other byte \
         three)"
    )]
    TooLong {
        /// Which part was to be named.
        part: Part,
        /// The text, shortened if long.
        value: String,
        /// Its length in bytes once escaped.
        len: usize,
        /// The most bytes that are allowed.
        max: usize,
    },
}
