//! A typed keyspace.

use std::borrow::Borrow;
use std::fmt::{self, Display};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::entry::Entry;
use super::runtime::Runtime;
use super::sweep::Sweep;
use crate::cache::NearUsage;
use crate::error::Error;
use crate::key::CacheKey;
use crate::load::LoadError;
use crate::outcome::Found;
use crate::sampling::{MissRatioCurve, Recording, RecordingError};
use crate::scope::Strength;
use crate::sweep::Removed;
use crate::telemetry::CacheStats;
use crate::value::{CacheValue, IntoValue};

/// [`larder::Cache`](crate::Cache), for programs that are not async.
///
/// Clones are cheap and share everything, also between threads.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::thread;
/// use larder::blocking::{Cache, Larder};
///
/// let larder = Larder::in_memory()?;
/// let users: Cache<u64, String> = larder.cache("users").build()?;
/// users.set(&42, "Ann")?;
/// assert_eq!(users.get(&42).as_deref().map(String::as_str), Some("Ann"));
///
/// // Four threads ask for one key, and it is loaded once.
/// thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| users.get_or_load(&7, || Ok::<_, std::io::Error>("Bob".to_owned())));
///     }
/// });
/// assert_eq!(users.stats().loads, 1);
/// # Ok(())
/// # }
/// ```
pub struct Cache<K: Hash + Eq, V> {
    pub(super) inner: crate::Cache<K, V>,
    pub(super) runtime: Runtime,
}

impl<K: Hash + Eq, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            runtime: self.runtime.clone(),
        }
    }
}

impl<K: Hash + Eq, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

impl<K, V> Cache<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    pub(super) fn new(inner: crate::Cache<K, V>, runtime: Runtime) -> Self {
        Self { inner, runtime }
    }

    /// The async cache behind this one, for the parts of a program that are async. It works while this
    /// handle, or another one of the larder, is there.
    pub fn as_async(&self) -> &crate::Cache<K, V> {
        &self.inner
    }

    /// A view of one tenant's keys: as [`Cache::tenant`](crate::Cache::tenant).
    #[must_use]
    pub fn tenant(&self, name: impl AsRef<str>) -> Self {
        Self::new(self.inner.tenant(name), self.runtime.clone())
    }

    /// One call with its own options: as [`Cache::entry`](crate::Cache::entry).
    pub fn entry<'a, Q>(&'a self, key: &'a Q) -> Entry<'a, K, V, Q>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        Entry::new(self.inner.entry(key), &self.runtime)
    }

    /// The value under `key`, if there is one within its TTL: as [`Cache::get`](crate::Cache::get). It
    /// cannot fail.
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        // A hit waits for nothing, and need not know where it is asked for.
        self.inner.near_value(key).or_else(|| self.entry(key).get())
    }

    /// The value under `key` with its source, freshness and age; also a stale one, where nothing better
    /// can be had.
    pub fn lookup<Q>(&self, key: &Q) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        self.entry(key).lookup()
    }

    /// Whether [`get`](Self::get) would return a value.
    pub fn exists<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        self.get(key).is_some()
    }

    /// How much longer the value under `key` is fresh; `None` where [`get`](Self::get) would return
    /// nothing.
    pub fn ttl_left<Q>(&self, key: &Q) -> Option<Duration>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        self.entry(key).ttl_left()
    }

    /// Stores `value` under `key`: as [`Cache::set`](crate::Cache::set).
    ///
    /// # Errors
    /// As [`Cache::set`](crate::Cache::set), and [`Error::InAsyncTask`].
    pub fn set<Q>(&self, key: &Q, value: impl IntoValue<V>) -> Result<(), Error>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        self.entry(key).set(value)
    }

    /// Removes the value under `key`; whether there was one: as [`Cache::remove`](crate::Cache::remove).
    ///
    /// # Errors
    /// As [`Cache::remove`](crate::Cache::remove), and [`Error::InAsyncTask`].
    pub fn remove<Q>(&self, key: &Q) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        self.entry(key).remove()
    }

    /// Removes every value whose key looks like `pattern`: as
    /// [`Cache::remove_matching`](crate::Cache::remove_matching).
    ///
    /// # Errors
    /// As [`Cache::remove_matching`](crate::Cache::remove_matching), and [`Error::InAsyncTask`].
    pub fn remove_matching(&self, pattern: impl AsRef<str>) -> Result<Removed, Error> {
        self.runtime.run(self.inner.remove_matching(pattern))?
    }

    /// The value under `key`, loaded where there is none: as
    /// [`Cache::get_or_load`](crate::Cache::get_or_load).
    ///
    /// `loader` runs in the calling thread and may borrow. It runs at most once, and not at all where the
    /// value is there or another thread or process is loading it: then this one waits.
    ///
    /// # Errors
    /// As [`Cache::get_or_load`](crate::Cache::get_or_load), and [`LoadError::InAsyncTask`].
    #[inline]
    pub fn get_or_load<Q, L, E>(&self, key: &Q, loader: L) -> Result<Arc<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce() -> Result<V, E>,
        E: Display + Send + Sync + 'static,
    {
        match self.inner.near_value(key) {
            Some(value) => Ok(value),
            None => self.entry(key).get_or_load(loader),
        }
    }

    /// [`get_or_load`](Self::get_or_load), with source, freshness and age beside the value.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    pub fn lookup_or_load<Q, L, E>(&self, key: &Q, loader: L) -> Result<Found<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce() -> Result<V, E>,
        E: Display + Send + Sync + 'static,
    {
        self.entry(key).lookup_or_load(loader)
    }

    /// [`get_or_load`](Self::get_or_load) with a loader that owns what it needs and runs in a thread of
    /// its own: once begun it runs to its end and is stored. So a stale value can be returned while it
    /// takes its time ([`soft_timeout`](super::CacheBuilder::soft_timeout)), its callers do not wait past
    /// [`load_timeout`](super::CacheBuilder::load_timeout), and it can refresh a value in the background.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    pub fn get_or_spawn<Q, L, E>(&self, key: &Q, loader: L) -> Result<Arc<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce() -> Result<V, E> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        self.entry(key).get_or_spawn(loader)
    }

    /// [`get_or_spawn`](Self::get_or_spawn), with source, freshness and age beside the value.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    pub fn lookup_or_spawn<Q, L, E>(&self, key: &Q, loader: L) -> Result<Found<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce() -> Result<V, E> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        self.entry(key).lookup_or_spawn(loader)
    }

    /// Invalidates everything in this cache: as [`Cache::clear`](crate::Cache::clear).
    ///
    /// # Errors
    /// As [`Cache::clear`](crate::Cache::clear), and [`Error::InAsyncTask`].
    pub fn clear(&self) -> Result<Sweep, Error> {
        let sweep = self.runtime.run(self.inner.clear())??;
        Ok(Sweep::new(sweep, self.runtime.clone()))
    }

    /// As [`Cache::invalidate`](crate::Cache::invalidate).
    ///
    /// # Errors
    /// As [`clear`](Self::clear).
    pub fn invalidate(&self, strength: Strength) -> Result<(), Error> {
        self.runtime.run(self.inner.invalidate(strength))?
    }

    /// What this cache has counted in this process, for all tenants.
    pub fn stats(&self) -> CacheStats {
        self.inner.stats()
    }

    /// As [`Cache::resize_near`](crate::Cache::resize_near).
    pub fn resize_near(&self, capacity: u64) {
        self.inner.resize_near(capacity);
    }

    /// How much the near tier holds.
    pub fn near_usage(&self) -> NearUsage {
        self.inner.near_usage()
    }

    /// As [`Cache::miss_ratio_curve`](crate::Cache::miss_ratio_curve).
    pub fn miss_ratio_curve(&self) -> Option<MissRatioCurve> {
        self.inner.miss_ratio_curve()
    }

    /// As [`Cache::record`](crate::Cache::record).
    ///
    /// # Errors
    /// As [`Cache::record`](crate::Cache::record).
    pub fn record(&self, share: f64, most: usize) -> Result<Recording, RecordingError> {
        self.inner.record(share, most)
    }
}
