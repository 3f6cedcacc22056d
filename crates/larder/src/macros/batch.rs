//! A function of a list of keys: those that are missing are loaded with one call of it.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use super::load::With;
use super::returns::{Held, TakesFailure};
use crate::cache::Cache;
use crate::key::CacheKey;
use crate::value::CacheValue;

/// A key and its value, as such a function returns them.
#[diagnostic::on_unimplemented(
    message = "a function of a list returns pairs of a key and a value, or says what a value's key is",
    label = "`{Self}` is no pair",
    note = "return a map or a list of pairs, or add `by = |value| value.id`"
)]
pub trait Pair {
    /// The key.
    type Key;
    /// The value, or an `Arc` of it.
    type Item;

    /// Takes it apart.
    fn split(self) -> (Self::Key, Self::Item);
}

impl<K, T> Pair for (K, T) {
    type Key = K;
    type Item = T;

    fn split(self) -> Self {
        self
    }
}

/// What the keys and the values of `C` are in the cache.
type Pairs<C, const INNER: u8> = Vec<(
    <<C as IntoIterator>::Item as Pair>::Key,
    Arc<<<<C as IntoIterator>::Item as Pair>::Item as Held<INNER>>::Value>,
)>;

/// What a function brought, as the cache takes it.
pub fn pairs<C, const INNER: u8>(brought: C) -> Pairs<C, INNER>
where
    C: IntoIterator,
    C::Item: Pair,
    <C::Item as Pair>::Item: Held<INNER>,
{
    let pair = |pair: C::Item| {
        let (key, item) = pair.split();
        (key, item.into_shared())
    };
    brought.into_iter().map(pair).collect()
}

/// The same of values that know their keys.
pub fn pairs_by<C, K, const INNER: u8>(
    brought: C,
    by: impl Fn(&<C::Item as Held<INNER>>::Value) -> K,
) -> Vec<(K, Arc<<C::Item as Held<INNER>>::Value>)>
where
    C: IntoIterator,
    C::Item: Held<INNER>,
{
    let pair = |item: C::Item| {
        let value = item.into_shared();
        (by(&value), value)
    };
    brought.into_iter().map(pair).collect()
}

/// The tags of a value, as the attribute says them.
pub fn tags_by<V, I>(tags: impl Fn(&V) -> I) -> impl Fn(&V) -> Vec<String>
where
    I: IntoIterator,
    I::Item: ToString,
{
    move |value| tags(value).into_iter().map(|tag| tag.to_string()).collect()
}

/// None of a value's own.
pub fn no_tags<V>(_: &V) -> Vec<String> {
    Vec::new()
}

/// The values under `keys`, in their order; `function` is called for those that are missing.
///
/// # Errors
/// The function's own, or what its type makes of the load's failure.
pub async fn load_many<K, V, E, T, L, F, const SHARING: u8>(
    cache: &Cache<K, V>,
    keys: &[K],
    with: &With,
    tags: T,
    mut function: L,
) -> Result<Vec<(K, Arc<V>)>, E>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
    T: Fn(&V) -> Vec<String>,
    L: FnMut(Vec<K>) -> F,
    F: Future<Output = Result<Vec<(K, Arc<V>)>, E>>,
    E: TakesFailure<SHARING> + Display + Send + Sync + 'static,
{
    let loader = |missing| {
        let loading = function(missing);
        async {
            let brought = loading.await?.into_iter();
            let brought = brought.map(|(key, value)| {
                let tags = tags(&value);
                (key, with.timed(value).tags(tags))
            });
            Ok(brought.collect::<Vec<_>>())
        }
    };
    let call = cache.call_tagged(&with.tags);
    let batch = cache.load_many(keys, call, loader).await;
    let found: HashMap<K, Arc<V>> = batch.into_values().map_err(E::of_failure)?;
    let pair = |key: &K| Some((key.clone(), Arc::clone(found.get(key)?)));
    Ok(keys.iter().filter_map(pair).collect())
}
