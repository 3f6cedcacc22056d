//! What can be a value.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Whatever serde can write and read back: no implementation is to be written.
///
/// `None`, empty strings and lists, zero and `false` are values like any other: cached, they are
/// hits.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    label = "needs `Serialize + DeserializeOwned + Send + Sync + 'static`",
    note = "derive `serde::Serialize` and `serde::Deserialize` on it; it may hold no borrowed data"
)]
pub trait CacheValue: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> CacheValue for V {}
