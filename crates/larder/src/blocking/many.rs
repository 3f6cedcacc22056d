//! Many keys at once.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::{self, Display};
use std::hash::Hash;
use std::sync::Arc;
use std::vec;

use super::cache::Cache;
use super::runtime::Caller;
use crate::batch::{Batch, BatchError};
use crate::error::Error;
use crate::key::CacheKey;
use crate::load::{LoadError, Loaded};
use crate::outcome::Found;
use crate::value::CacheValue;

impl<K, V> Cache<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// The values under several keys that are there within their TTL, by key: as
    /// [`Cache::get_many`](crate::Cache::get_many). It cannot fail.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let larder = larder::blocking::Larder::in_memory()?;
    /// # let users: larder::blocking::Cache<u64, String> = larder.cache("users").build()?;
    /// users.set_many([(1, "Ann"), (2, "Bob")])?;
    /// let found = users.get_many(&[1, 2, 3]);
    /// assert_eq!(found.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_many<'k, Q>(&self, keys: impl IntoIterator<Item = &'k Q>) -> HashMap<K, Arc<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized + 'k,
    {
        self.read_many(keys, async |keys| self.inner.get_many(keys).await)
    }

    /// [`get_many`](Self::get_many), with source, freshness and age beside each value; also stale ones,
    /// where nothing better can be had.
    pub fn lookup_many<'k, Q>(&self, keys: impl IntoIterator<Item = &'k Q>) -> HashMap<K, Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized + 'k,
    {
        self.read_many(keys, async |keys| self.inner.lookup_many(keys).await)
    }

    fn read_many<'k, Q, T>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
        look_up: impl AsyncFnOnce(Vec<&'k Q>) -> HashMap<K, T>,
    ) -> HashMap<K, T>
    where
        Q: ?Sized + 'k,
    {
        let keys: Vec<_> = keys.into_iter().collect();
        let asked = keys.len();
        self.runtime.read(look_up(keys)).unwrap_or_else(|| {
            for _ in 0..asked {
                self.inner.counters().misses_in_async_task.up();
            }
            HashMap::new()
        })
    }

    /// The values under several keys; those that are not there are loaded with one call: as
    /// [`Cache::get_or_load_many`](crate::Cache::get_or_load_many).
    ///
    /// `loader` runs in the calling thread. It is given the keys that are neither stored nor being
    /// loaded, and returns pairs of a key and its value.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let larder = larder::blocking::Larder::in_memory()?;
    /// # let users: larder::blocking::Cache<u64, String> = larder.cache("users").build()?;
    /// users.set(&1, "Ann")?;
    /// let all = users.get_or_load_many(&[1, 2], |missing: Vec<u64>| {
    ///     Ok::<_, std::io::Error>(missing.into_iter().map(|id| (id, format!("user {id}"))))
    /// })?;
    /// assert_eq!(*all[&1], "Ann");
    /// assert_eq!(*all[&2], "user 2");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Cache::get_or_load_many`](crate::Cache::get_or_load_many), and
    /// [`LoadError::InAsyncTask`].
    pub fn get_or_load_many<'k, Q, L, I, T, E>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
        loader: L,
    ) -> Result<HashMap<K, Arc<V>>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized + 'k,
        L: FnMut(Vec<K>) -> Result<I, E>,
        I: IntoIterator<Item = (K, T)>,
        T: Into<Loaded<V>>,
        E: Display + Send + Sync + 'static,
    {
        self.lookup_or_load_many(keys, loader).into_values()
    }

    /// [`get_or_load_many`](Self::get_or_load_many), with what became of each key: its value with
    /// source, freshness and age, or that there is none, or its error.
    pub fn lookup_or_load_many<'k, Q, L, I, T, E>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
        loader: L,
    ) -> Batch<K, V, E>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized + 'k,
        L: FnMut(Vec<K>) -> Result<I, E>,
        I: IntoIterator<Item = (K, T)>,
        T: Into<Loaded<V>>,
        E: Display + Send + Sync + 'static,
    {
        let keys: Vec<_> = keys.into_iter().collect();
        // Called when the load is polled, which is when it is known what it runs in.
        let loader = &RefCell::new(loader);
        let caller = &Caller::here();
        let load = async |missing| caller.within(|| loader.borrow_mut()(missing));
        let batch = self.inner.lookup_or_load_many(keys.iter().copied(), load);
        self.runtime.run(batch).unwrap_or_else(|refused| {
            let failed = |key: &Q| (key.to_owned(), refused.into());
            let mut batch = Batch::new();
            batch.failed.extend(keys.iter().copied().map(failed));
            batch
        })
    }

    /// The values under very many keys, as they are asked for: as
    /// [`Cache::load_stream`](crate::Cache::load_stream), but an iterator. `keys` is drawn from `size`
    /// at a time; zero counts as one.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let larder = larder::blocking::Larder::in_memory()?;
    /// # let squares: larder::blocking::Cache<u64, u64> = larder.cache("squares").build()?;
    /// let answers = squares.load_iter(0..10_000, 500, |missing: Vec<u64>| {
    ///     Ok::<_, std::io::Error>(missing.into_iter().map(|n| (n, n * n)))
    /// });
    /// for (n, answer) in answers {
    ///     assert_eq!(answer?.as_deref(), Some(&(n * n)));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn load_iter<N, L, I, T, E>(
        &self,
        keys: N,
        size: usize,
        loader: L,
    ) -> LoadIter<'_, K, V, N::IntoIter, L, E>
    where
        N: IntoIterator<Item = K>,
        L: FnMut(Vec<K>) -> Result<I, E>,
        I: IntoIterator<Item = (K, T)>,
        T: Into<Loaded<V>>,
        E: Display + Send + Sync + 'static,
    {
        LoadIter {
            cache: self,
            keys: keys.into_iter(),
            size: size.max(1),
            loader,
            answers: Vec::new().into_iter(),
        }
    }

    /// Stores several values: as [`Cache::set_many`](crate::Cache::set_many).
    ///
    /// # Errors
    /// Where any of them is not stored: which, and why. The others are.
    pub fn set_many<T: Into<Loaded<V>>>(
        &self,
        entries: impl IntoIterator<Item = (K, T)>,
    ) -> Result<(), BatchError<K>> {
        let entries: Vec<_> = entries.into_iter().collect();
        let keys: Vec<K> = entries.iter().map(|(key, _)| key.clone()).collect();
        match self.runtime.run(self.inner.set_many(entries)) {
            Ok(written) => written,
            Err(refused) => refuse((), keys, || refused.into()),
        }
    }

    /// Removes the values under several keys; how many there were: as
    /// [`Cache::remove_many`](crate::Cache::remove_many).
    ///
    /// # Errors
    /// Where any removal is not confirmed: which, and why. The others are done.
    pub fn remove_many<'k, Q>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
    ) -> Result<usize, BatchError<K>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized + 'k,
    {
        let keys: Vec<_> = keys.into_iter().collect();
        let removal = self.inner.remove_many(keys.iter().copied());
        match self.runtime.run(removal) {
            Ok(removed) => removed,
            Err(refused) => {
                let keys = keys.into_iter().map(ToOwned::to_owned).collect();
                refuse(0, keys, || refused.into())
            }
        }
    }
}

/// All keys fail alike.
fn refuse<K, T>(done: T, keys: Vec<K>, error: impl Fn() -> Error) -> Result<T, BatchError<K>> {
    let of = keys.len();
    let failed = keys.into_iter().map(|key| (key, error())).collect();
    BatchError::of(done, failed, of)
}

/// A key, and its value, `None` where the loader brought nothing, or its error.
type Answer<K, V, E> = (K, Result<Option<Found<V>>, LoadError<E>>);

/// The answers of [`Cache::load_iter`].
#[must_use = "nothing is loaded until answers are asked for"]
pub struct LoadIter<'a, K: Hash + Eq, V, N, L, E> {
    cache: &'a Cache<K, V>,
    keys: N,
    size: usize,
    loader: L,
    /// Of the piece that was loaded last, what was not yet taken.
    answers: vec::IntoIter<Answer<K, V, E>>,
}

impl<K, V, N, L, I, T, E> Iterator for LoadIter<'_, K, V, N, L, E>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
    N: Iterator<Item = K>,
    L: FnMut(Vec<K>) -> Result<I, E>,
    I: IntoIterator<Item = (K, T)>,
    T: Into<Loaded<V>>,
    E: Display + Send + Sync + 'static,
{
    type Item = Answer<K, V, E>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(answer) = self.answers.next() {
                return Some(answer);
            }
            let piece: Vec<K> = self.keys.by_ref().take(self.size).collect();
            if piece.is_empty() {
                return None;
            }
            let batch = self.cache.lookup_or_load_many(&piece, &mut self.loader);
            self.answers = batch.into_answers().collect::<Vec<_>>().into_iter();
        }
    }
}

impl<K: Hash + Eq, V, N, L, E> fmt::Debug for LoadIter<'_, K, V, N, L, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadIter")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
