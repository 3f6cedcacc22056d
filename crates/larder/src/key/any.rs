use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::{CacheKey, KeyError, canonical};
use crate::unwind::caught;

/// A key whose type is forgotten; what is left is its canonical JSON.
///
/// It is the same key as the one that it was made of, wherever it is used: alone, in a tuple or as
/// a field. With any serializer but that of this module it is a string that holds the JSON.
///
/// ```
/// use larder::key::{AnyKey, CacheName, Prefix, StoredKey};
///
/// let keys = [AnyKey::new(&42)?, AnyKey::new("42")?, AnyKey::new(&("a", 42))?];
/// assert_eq!(keys[2].as_str(), r#"["a",42]"#);
///
/// let (prefix, users) = (Prefix::new("app")?, CacheName::new("users")?);
/// let stored = StoredKey::new(&prefix, None, &users, &keys[0])?;
/// assert_eq!(stored, StoredKey::new(&prefix, None, &users, &42)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnyKey(Arc<str>);

impl AnyKey {
    /// Forgets the type of `key`.
    ///
    /// # Errors
    /// As for [`StoredKey::new`](super::StoredKey::new).
    pub fn new<Q: CacheKey + ?Sized>(key: &Q) -> Result<Self, KeyError> {
        let json = caught(|| canonical::to_string(key))
            .unwrap_or_else(|message| Err(KeyError::panicked(&message)))?;
        Ok(Self(json.into()))
    }

    /// The canonical JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AnyKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for AnyKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "AnyKey({})", self.0)
    }
}

impl Serialize for AnyKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(canonical::NAME, &*self.0)
    }
}
