use serde::ser;

/// Why a value cannot be a cache key.
///
/// Nothing here depends on the server: the same key fails alike everywhere, so an error is a fault
/// in the program or in the input that it used as a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A `Some` whose content is itself written as `null`, as `Some(None)` and `Some(())` are.
    #[error(
        "cannot use this cache key: it holds a `Some` whose content is written as `null`, which \
         is also how `None` is written; use an enum that names the two cases"
    )]
    Ambiguous,
    /// The canonical JSON of the key is longer than a key may be.
    #[error(
        "cannot use this cache key: its canonical JSON takes at least {len} bytes, and at most \
         {max} are allowed; use an identifier or a digest of the data as the key"
    )]
    TooLong {
        /// The length in bytes at which writing stopped; the whole may be longer.
        len: usize,
        /// The most bytes that are allowed.
        max: usize,
    },
    /// The key is nested more deeply than a key may be.
    #[error(
        "cannot use this cache key: it is nested more than {max} levels deep; use an identifier \
         or a digest of the data as the key"
    )]
    TooDeep {
        /// The most levels that are allowed.
        max: usize,
    },
    /// A floating-point number that is NaN or infinite.
    #[error(
        "cannot use this cache key: it holds a NaN or an infinite number, and only finite numbers \
         are allowed"
    )]
    NotFinite,
    /// A map whose keys are neither strings, integers, booleans, characters nor unit variants.
    #[error(
        "cannot use this cache key: it holds a map that is keyed by {found}; strings, integers, \
         booleans, characters and unit variants are allowed"
    )]
    MapKey {
        /// What stood in place of a string.
        found: &'static str,
    },
    /// An object with two fields of one name.
    #[error(
        "cannot use this cache key: an object in it has two fields named {name:?}, and each name \
         is allowed once"
    )]
    DuplicateField {
        /// The name that occurs twice.
        name: String,
    },
    /// The key's own `Serialize` failed.
    #[error("cannot use this cache key: serializing it failed: {message}")]
    Serialize {
        /// What the key's `Serialize` said.
        message: String,
    },
}

impl KeyError {
    pub(crate) fn panicked(message: &str) -> Self {
        Self::Serialize {
            message: format!("it panicked: {message}"),
        }
    }
}

impl ser::Error for KeyError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Serialize {
            message: message.to_string(),
        }
    }
}
