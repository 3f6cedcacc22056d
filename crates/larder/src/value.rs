//! What can be a value, and what can be given for one.

use std::sync::Arc;

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

/// What a cache of `V` stores: a `V` or an `Arc<V>`; also a `&str` where `V` is `String`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in a cache of `{V}`",
    label = "neither a `{V}` nor an `Arc<{V}>`",
    note = "the key comes first, then the value: `cache.set(&key, value)`"
)]
pub trait IntoValue<V> {
    /// The value, shared.
    fn into_value(self) -> Arc<V>;
}

impl<V> IntoValue<V> for V {
    fn into_value(self) -> Arc<V> {
        Arc::new(self)
    }
}

impl<V> IntoValue<V> for Arc<V> {
    fn into_value(self) -> Self {
        self
    }
}

impl IntoValue<String> for &str {
    fn into_value(self) -> Arc<String> {
        Arc::new(self.to_owned())
    }
}
