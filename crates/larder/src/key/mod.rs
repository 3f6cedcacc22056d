//! Keys: what may be one, when two are the same, and where their values lie on the server.
//!
//! **A key is its canonical JSON. Two keys are the same key if and only if their canonical JSON is
//! the same.** Rust types, hashes and addresses have no part in it. So every value that serde can
//! write may be a key, without a derive and without a wrapper:
//!
//! ```
//! use larder::key::{AnyKey, CacheName, Prefix, StoredKey, Tenant};
//! use serde::Serialize;
//!
//! #[derive(Serialize, Hash, PartialEq, Eq)]
//! struct Page {
//!     user: u64,
//!     lang: String,
//! }
//!
//! let prefix = Prefix::new("app")?;
//! let acme = Tenant::new("acme")?;
//! let users = CacheName::new("users")?;
//!
//! let key = StoredKey::new(&prefix, Some(&acme), &users, &42)?;
//! assert_eq!(key.as_str(), "app:tenant:acme:users:42");
//!
//! // A number and its text are two keys.
//! assert_eq!(StoredKey::new(&prefix, None, &users, "ann")?.as_str(), "app:users:ann");
//! assert_eq!(StoredKey::new(&prefix, None, &users, "42")?.as_str(), "app:users:%342");
//!
//! // Structured keys lie behind a hash; what they were stays known.
//! let page = Page { user: 42, lang: "en".into() };
//! let key = StoredKey::new(&prefix, None, &users, &page)?;
//! assert!(key.as_str().starts_with("app:users:~"));
//! assert_eq!(key.original(), Some(r#"{"lang":"en","user":42}"#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What follows from it
//!
//! - `String`, `&str` and `Box<str>` of one text are one key; so are `42_u8` and `42_i128`, a UUID
//!   and its hyphenated text, a newtype and its content, a unit variant and its name, a tuple and a
//!   `Vec` of the same elements, a struct and a map of the same fields.
//! - `42`, `"42"` and `42.0` are three keys; so are `"true"` and `true`.
//! - Renaming a field or a variant makes new keys. A field that serde skips is no part of the key.
//! - The order of fields and of a map's entries means nothing, that of an array does. A `HashSet`
//!   is written in an order that changes, so it makes a poor part of a key; a `BTreeSet` is a good
//!   one.
//! - What JSON cannot tell apart is an error, not one key for two values: `Some(None)` and
//!   `Some(())` would be written as `None` is.
//!
//! ```
//! use larder::key::{AnyKey, KeyError};
//! use uuid::Uuid;
//!
//! assert_eq!(AnyKey::new(&("a", 42))?.as_str(), r#"["a",42]"#);
//! assert_eq!(AnyKey::new(&Uuid::nil())?, AnyKey::new("00000000-0000-0000-0000-000000000000")?);
//! assert_eq!(AnyKey::new(&Some(None::<u8>)), Err(KeyError::Ambiguous));
//! # Ok::<(), KeyError>(())
//! ```
//!
//! # Specification
//!
//! For whoever computes stored keys in another language. `docs/key-vectors.json` in the repository
//! holds cases to test with.
//!
//! ## Canonical JSON
//!
//! UTF-8 without spaces between tokens, at most 65,536 bytes, at most 128 levels of nesting.
//!
//! - `null`, `true`, `false`.
//! - Integers: decimal, `-` where negative, no leading zeros, exact up to 128 bits; zero is `0`.
//! - Floating-point numbers, which always hold a `.` or an `e`, so they are never integers: the
//!   fewest significant digits that read back as the same value of its width (32 or 64 bits), and
//!   of those the nearest. Zero is `0.0`, also where negative. From 10⁻⁴ up to but without 10¹⁶ in
//!   magnitude: positional, with at least one digit on each side of the point (`1.0`, `0.0001`).
//!   Else: one digit, a point and the other digits where there are any, `e`, and the exponent
//!   without `+` and leading zeros (`1e16`, `1.5e-7`). NaN and infinities are errors.
//! - Strings: in `"`; `"` and `\` as `\"` and `\\`; U+0008, U+0009, U+000A, U+000C and U+000D as
//!   `\b`, `\t`, `\n`, `\f` and `\r`; other characters below U+0020 as `\u00` and two lowercase
//!   hexadecimal digits; every other character as it is. No Unicode normalisation.
//! - Arrays: `[`, elements in order with `,` between them, `]`. Bytes are an array of numbers.
//! - Objects: `{`, `"name":value` with `,` between them, `}`; sorted by the UTF-8 bytes of the
//!   names before escaping. A name that occurs twice is an error.
//!
//! Rust values become JSON as in `serde_json`: human-readable forms; structs are objects, tuples are
//! arrays, newtypes are their content, `None` and units are `null`; a variant is its name, or an
//! object of one field that has its name and its content. Keys of maps that are integers, booleans,
//! characters or unit variants become strings; those that are no scalars, and floating-point ones,
//! are errors. A `Some` is its content, and an error where that is `null`. Arrays, objects, variants'
//! contents, `Some` and newtypes count as a level each.
//!
//! ## Stored key
//!
//! ```text
//! <prefix>[tenant:<tenant>:]<name>:<key>
//! ```
//!
//! - To *escape* is to replace each byte of the UTF-8 text that is not plain by `%` and two uppercase
//!   hexadecimal digits. Plain are ASCII letters, digits and `-` `.` `_` `@` `/` `+` `=` `,`; in
//!   `<key>` also `:`.
//! - `<prefix>`: 1 to 100 bytes that are plain as in `<key>`, the last one `:`, which is added where
//!   missing.
//! - `<tenant>`, `<name>`: not empty; escaped, at most 200 bytes. Where the text is `tenant`, `lease`,
//!   `stamp` or `bounded`, its first byte is encoded although it is plain: `%74enant`.
//! - `<key>` is made of the canonical JSON:
//!   1. an integer is its digits;
//!   2. a string is its text, escaped; where the text matches `-?[0-9]+`, its first byte is encoded
//!      although it is plain (`"42"` is `%342`, `"-1"` is `%2D1`); the empty string is nothing at all;
//!   3. anything else, and what would take more than 200 bytes, is `~` and the SHA-256 of the
//!      canonical JSON in 64 lowercase hexadecimal digits.
//!
//! The lease of a key, the right to load it, lies at `<prefix>lease:{<stored key>}`.
//!
//! In a [bounded cache](crate::bounded) of `<partitions>` parts, `{<name>:<partition>}` stands in the place of
//! `<name>`, where `<partition>` is the CRC-32 (IEEE) of `[tenant:<tenant>:]` and `<key>`, modulo
//! `<partitions>`; zero where there is one. The lease lies at `<prefix>lease:<stored key>`, and the index under
//! `<prefix>bounded:{<name>:<partition>}` and keys that begin with that and a colon.
//!
//! Why no two places meet: `<tenant>` and `<name>` hold no colon, and no name reads `tenant`,
//! `lease` or `bounded`, so a stored key is taken apart in one way. Braces stand in no part of one, so they
//! are those of a bounded cache. A `~` begins a hash only, digits alone are an
//! integer only, and what is left is undone by decoding.

mod any;
mod canonical;
mod compound;
mod error;
mod escape;
mod layout;
mod parts;
mod place;
mod scalar;
mod text;

use std::hash::Hash;

use serde::Serialize;

pub use any::AnyKey;
pub use error::KeyError;
pub use layout::StoredKey;
pub use parts::{CacheName, NameError, Part, Prefix, PrefixError, Tag, Tenant};
pub(crate) use place::{Place, Spot, readable, readable_of};

/// The longest canonical JSON of a key, in bytes.
const MAX_CANONICAL: usize = 64 * 1024;
/// The deepest nesting of a key, in levels.
const MAX_DEPTH: usize = 128;

/// What may be a key: all that serde can write and that can be compared and hashed.
///
/// It is implemented for every such type; there is nothing to implement or to derive but
/// `Serialize`, `Hash`, `PartialEq` and `Eq`:
///
/// ```
/// #[derive(serde::Serialize, Hash, PartialEq, Eq)]
/// struct Page {
///     user: u64,
///     lang: String,
/// }
///
/// fn takes_a_key<K: larder::key::CacheKey + ?Sized>(_: &K) {}
/// takes_a_key(&Page { user: 42, lang: "en".into() });
/// takes_a_key(&(42, "en"));
/// takes_a_key("ann@example.com");
/// ```
///
/// `Hash` and `Eq` find the value in this process, the canonical JSON in all others. They must agree:
/// values that are equal have the same canonical JSON, and values that are not have different ones.
/// Derived implementations do, unless fields are skipped.
///
/// A floating-point number has no `Eq`, so it is no key by itself:
///
/// ```compile_fail,E0277
/// fn takes_a_key<K: larder::key::CacheKey + ?Sized>(_: &K) {}
/// takes_a_key(&1.5);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a cache key",
    label = "a key must implement `Serialize`, `Hash` and `Eq`, and be `Send` and `Sync`",
    note = "for a type of your own: `#[derive(serde::Serialize, Hash, PartialEq, Eq)]`",
    note = "floating-point numbers have no `Eq`: use an integer (cents, millimetres) or the text",
    note = "maps and sets that hash have no `Hash`: use `BTreeMap` or `BTreeSet`"
)]
pub trait CacheKey: Serialize + Hash + Eq + Send + Sync {}

impl<T: Serialize + Hash + Eq + Send + Sync + ?Sized> CacheKey for T {}
