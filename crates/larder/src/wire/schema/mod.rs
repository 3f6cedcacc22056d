mod access;
mod containers;
mod position;
mod shape;
#[cfg(test)]
mod tests;
mod trace;

use std::any::type_name;

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::Codec;

/// Which type a payload was written from: the version that the user declared, and a fingerprint of
/// the type itself. Ordered by version, then fingerprint: see [`SchemaRule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Schema {
    /// The version that the user declared; 0 = none.
    pub version: u32,
    /// See [`Derived`]; 0 = none.
    pub fingerprint: u64,
}

/// What could be learned of a type from its `Deserialize`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Derived {
    /// All of it: the fingerprint stands for the names, order and types of every field and variant
    /// that the type reads.
    Complete(u64),
    /// Not all of it.
    Partial {
        /// Stands only for the type's name.
        fingerprint: u64,
        /// What stood in the way.
        why: String,
    },
}

/// Why a cache cannot have this schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The codec does not describe itself, and the type does not reveal itself.
    #[error(
        "the {codec} codec cannot tell versions of `{type_name}` apart: {why}; declare a version \
         with `.schema(1)`, and raise it whenever the type changes"
    )]
    Undeclared {
        /// The cache's type of values.
        type_name: &'static str,
        /// The codec's name.
        codec: &'static str,
        /// Why the type could not be traced.
        why: String,
    },
    /// Version 0 was declared.
    #[error("`.schema(0)` for `{type_name}`: versions begin at 1, as 0 stands for none declared")]
    Zero {
        /// The cache's type of values.
        type_name: &'static str,
    },
}

impl Schema {
    /// Derives a type's fingerprint from its `Deserialize`, with no macro and no value. It is the
    /// same in every build of every program in which the type reads the same; it changes with the
    /// names, the order and the types of fields and variants, and with the names of structs and
    /// enums, but not with the modules they are in.
    ///
    /// The type is read as a binary codec reads it (`is_human_readable()` is false). It sees what
    /// its `Deserialize` asks for; what it does with the answers it does not see.
    pub fn derive<V: DeserializeOwned>() -> Derived {
        match trace::trace::<V>() {
            Ok(text) => Derived::Complete(fingerprint(&text)),
            Err(why) => Derived::Partial {
                fingerprint: fingerprint(type_name::<V>()),
                why,
            },
        }
    }

    /// The schema of a cache of `V`: derived, with the declared version. Where a version is
    /// declared for a type that cannot be traced, the version alone tells, and the fingerprint is 0.
    ///
    /// # Errors
    /// [`SchemaError::Undeclared`] where the codec does not describe itself, the type cannot be
    /// traced, and no version is declared (G9); [`SchemaError::Zero`].
    pub fn for_cache<V: DeserializeOwned>(
        codec: Codec,
        declared: Option<u32>,
    ) -> Result<Self, SchemaError> {
        let type_name = type_name::<V>();
        if declared == Some(0) {
            return Err(SchemaError::Zero { type_name });
        }
        let fingerprint = match (Self::derive::<V>(), declared) {
            (Derived::Complete(fingerprint), _) => fingerprint,
            (Derived::Partial { .. }, Some(_)) => 0,
            (Derived::Partial { fingerprint, .. }, None) if codec.describes_itself() => fingerprint,
            (Derived::Partial { why, .. }, None) => {
                return Err(SchemaError::Undeclared {
                    type_name,
                    codec: codec.as_str(),
                    why,
                });
            }
        };
        Ok(Self {
            version: declared.unwrap_or(0),
            fingerprint,
        })
    }
}

/// What programs with different schemas may do to each other's values (G9).
#[derive(Debug, Clone, Copy)]
pub struct SchemaRule;

impl SchemaRule {
    /// Whether a program with the schema `mine` may try to decode a value of the schema `theirs`.
    /// Another declared version: never. Another fingerprint: only with a codec that describes
    /// itself, so that a field that was added with a default can be read across versions.
    pub fn readable(codec: Codec, mine: Schema, theirs: Schema) -> bool {
        mine.version == theirs.version
            && (mine.fingerprint == theirs.fingerprint || codec.describes_itself())
    }

    /// Whether a program with the schema `mine` may overwrite, with the fill of a load, a value of
    /// the schema `theirs` that it cannot read. Versions decide, then fingerprints, which is a
    /// total order: programs that take turns overwrite each other at most once, not for ever.
    /// Between equal schemas the value is damaged, and may go.
    ///
    /// Which of two fingerprints is the newer nobody can tell; a program that must win declares a
    /// version.
    pub fn may_replace(mine: Schema, theirs: Schema) -> bool {
        mine >= theirs
    }
}

/// The first eight bytes of the text's SHA-256, never 0.
fn fingerprint(text: &str) -> u64 {
    let hash = Sha256::digest(text.as_bytes());
    let first = hash.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first).max(1)
}
