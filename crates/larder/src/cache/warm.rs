//! Loads keys before they are asked for.

use std::fmt::{self, Display};
use std::hash::Hash;

use futures_util::stream::{self, StreamExt};

use super::Cache;
use super::many::pieces;
use crate::key::CacheKey;
use crate::load::{LoadError, Loaded};
use crate::outcome::Source;
use crate::value::CacheValue;

/// How many keys a loader is given at once, unless said otherwise.
const SIZE: usize = 500;

/// Keys that are to be loaded before they are asked for: made by [`Cache::warm`].
#[must_use = "nothing is loaded until `load` is awaited"]
pub struct Warm<'a, K: Hash + Eq, V, I> {
    cache: &'a Cache<K, V>,
    keys: I,
    size: usize,
    concurrency: usize,
    told: Box<dyn FnMut(WarmProgress) + Send + 'a>,
}

/// How far a warming has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarmProgress {
    /// Keys whose values were there already, or were loaded by others.
    pub present: u64,
    /// Keys that were loaded.
    pub loaded: u64,
    /// Keys that the loader brought nothing for.
    pub absent: u64,
    /// Keys whose load failed.
    pub failed: u64,
}

impl WarmProgress {
    /// All keys that are done.
    pub fn done(&self) -> u64 {
        self.present + self.loaded + self.absent + self.failed
    }
}

/// What a warming ended in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Warmed<E> {
    /// How many keys, and what became of them.
    pub keys: WarmProgress,
    /// The first failure, where there was one.
    pub first_error: Option<LoadError<E>>,
}

impl<K, V> Cache<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// Prepares to load all of `keys` that are not there, before anybody asks for them: at the start of
    /// a program, or after a clear. What is there is not loaded again.
    ///
    /// `keys` is drawn from as it goes on, so it may be as long as one likes.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let larder = larder::Larder::in_memory().await?;
    /// # let squares: larder::Cache<u64, u64> = larder.cache("squares").build()?;
    /// let warmed = squares
    ///     .warm(0..10_000)
    ///     .batch(1_000)
    ///     .concurrency(4)
    ///     .on_progress(|so_far| println!("{} keys are warm", so_far.done()))
    ///     .load(|missing| async {
    ///         Ok::<_, std::io::Error>(missing.into_iter().map(|n| (n, n * n)).collect::<Vec<_>>())
    ///     })
    ///     .await;
    /// assert_eq!(warmed.keys.loaded, 10_000);
    /// # Ok(())
    /// # }
    /// ```
    pub fn warm<I: IntoIterator<Item = K>>(&self, keys: I) -> Warm<'_, K, V, I> {
        Warm {
            cache: self,
            keys,
            size: SIZE,
            concurrency: 1,
            told: Box::new(|_| {}),
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
        self.size = size;
        self
    }

    /// How many calls of the loader may be under way at once: one unless said otherwise. Zero counts as
    /// one.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// Calls `told` after each batch.
    pub fn on_progress(mut self, told: impl FnMut(WarmProgress) + Send + 'a) -> Self {
        self.told = Box::new(told);
        self
    }

    /// Loads what is not there, each batch as
    /// [`lookup_or_load_many`](Cache::lookup_or_load_many) does. A batch that fails does not end it.
    ///
    /// # Cancel safety
    /// Dropped, it loads no more. What was loaded is kept.
    pub async fn load<L, F, B, T, E>(self, loader: L) -> Warmed<E>
    where
        L: Fn(Vec<K>) -> F,
        F: Future<Output = Result<B, E>>,
        B: IntoIterator<Item = (K, T)>,
        T: Into<Loaded<V>>,
        E: Display + Send + Sync + 'static,
    {
        let Self {
            cache,
            keys,
            size,
            concurrency,
            mut told,
        } = self;
        let loader = &loader;
        let batches = stream::iter(pieces(keys, size))
            .map(async |piece: Vec<K>| cache.lookup_or_load_many(&piece, loader).await);
        let mut batches = std::pin::pin!(batches.buffer_unordered(concurrency));
        let mut warmed = Warmed {
            keys: WarmProgress::default(),
            first_error: None,
        };
        while let Some(batch) = batches.next().await {
            for found in batch.found.values() {
                let outcome = found.outcome;
                if outcome.source == Source::Loader && !outcome.joined {
                    warmed.keys.loaded += 1;
                } else {
                    warmed.keys.present += 1;
                }
            }
            warmed.keys.absent += batch.absent.len() as u64;
            warmed.keys.failed += batch.failed.len() as u64;
            let first = || batch.failed.into_values().next();
            warmed.first_error = warmed.first_error.or_else(first);
            told(warmed.keys);
        }
        warmed
    }
}

impl<K: Hash + Eq, V, I> fmt::Debug for Warm<'_, K, V, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warm")
            .field("batch", &self.size)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}
