//! Loads keys before they are asked for.

use std::fmt::{self, Display};
use std::hash::Hash;

use super::cache::Cache;
use super::runtime::Runtime;
use crate::cache::{WarmProgress, Warmed};
use crate::key::CacheKey;
use crate::load::Loaded;
use crate::value::CacheValue;

/// Keys that are to be loaded before they are asked for: made by [`Cache::warm`].
#[must_use = "nothing is loaded until `load` is called"]
pub struct Warm<'a, K: Hash + Eq, V, I> {
    inner: crate::Warm<'a, K, V, I>,
    runtime: &'a Runtime,
}

impl<K, V> Cache<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// Prepares to load all of `keys` that are not there: as [`Cache::warm`](crate::Cache::warm).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let larder = larder::blocking::Larder::in_memory()?;
    /// # let squares: larder::blocking::Cache<u64, u64> = larder.cache("squares").build()?;
    /// let warmed = squares.warm(0..10_000).batch(1_000).load(|missing| {
    ///     Ok::<_, std::io::Error>(missing.into_iter().map(|n| (n, n * n)))
    /// });
    /// assert_eq!(warmed.keys.loaded, 10_000);
    /// # Ok(())
    /// # }
    /// ```
    pub fn warm<I: IntoIterator<Item = K>>(&self, keys: I) -> Warm<'_, K, V, I> {
        Warm {
            inner: self.inner.warm(keys),
            runtime: &self.runtime,
        }
    }
}

impl<'a, K, V, I> Warm<'a, K, V, I>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
    I: IntoIterator<Item = K>,
{
    /// How many keys the loader is given at once: 500 unless said otherwise. Zero counts as one.
    pub fn batch(mut self, size: usize) -> Self {
        self.inner = self.inner.batch(size);
        self
    }

    /// Calls `told` after each batch.
    pub fn on_progress(mut self, told: impl FnMut(WarmProgress) + Send + 'a) -> Self {
        self.inner = self.inner.on_progress(told);
        self
    }

    /// Loads what is not there, one batch after the other, in the calling thread. A batch that fails does
    /// not end it. For several at once, warm parts of the keys in several threads.
    ///
    /// Within an async task nothing is loaded, and
    /// [`first_error`](Warmed::first_error) says so.
    pub fn load<L, B, T, E>(self, loader: L) -> Warmed<E>
    where
        L: Fn(Vec<K>) -> Result<B, E>,
        B: IntoIterator<Item = (K, T)>,
        T: Into<Loaded<V>>,
        E: Display + Send + Sync + 'static,
    {
        let load = self.inner.load(async |missing| loader(missing));
        self.runtime.run(load).unwrap_or_else(|refused| Warmed {
            keys: WarmProgress::default(),
            first_error: Some(refused.into()),
        })
    }
}

impl<K: Hash + Eq, V, I> fmt::Debug for Warm<'_, K, V, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}
