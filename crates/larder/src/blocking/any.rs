//! Caches whose values may be of any type, chosen at each call.

use std::fmt::Display;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::larder::Larder;
use super::loader::in_thread;
use super::runtime::{Caller, Runtime};
use crate::any::AnyLoadError;
use crate::error::Error;
use crate::key::CacheKey;
use crate::load::LoadError;
use crate::outcome::Found;
use crate::telemetry::CacheStats;

/// [`larder::AnyCache`](crate::AnyCache), for programs that are not async.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let larder = larder::blocking::Larder::in_memory()?;
/// let cache = larder.persistent()?;
/// cache.set("limit", &10_u32)?;
/// assert_eq!(cache.get::<u32, _>("limit"), Some(10));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AnyCache {
    inner: crate::AnyCache,
    runtime: Runtime,
}

impl Larder {
    /// As [`Larder::memory`](crate::Larder::memory).
    ///
    /// # Errors
    /// As [`Larder::memory`](crate::Larder::memory).
    pub fn memory(&self) -> Result<AnyCache, Error> {
        Ok(self.any(self.as_async().memory()?))
    }

    /// As [`Larder::persistent`](crate::Larder::persistent).
    ///
    /// # Errors
    /// As [`Larder::persistent`](crate::Larder::persistent).
    pub fn persistent(&self) -> Result<AnyCache, Error> {
        Ok(self.any(self.as_async().persistent()?))
    }
}

impl AnyCache {
    pub(super) fn new(inner: crate::AnyCache, runtime: Runtime) -> Self {
        Self { inner, runtime }
    }

    /// A view of one tenant's keys.
    #[must_use]
    pub fn tenant(&self, name: impl AsRef<str>) -> Self {
        Self::new(self.inner.tenant(name), self.runtime.clone())
    }

    /// The same cache, whose writes live for `ttl`: as [`AnyCache::ttl`](crate::AnyCache::ttl).
    #[must_use]
    pub fn ttl(&self, ttl: Duration) -> Self {
        Self::new(self.inner.ttl(ttl), self.runtime.clone())
    }

    /// The value under `key`, if there is one of this type within its TTL.
    pub fn get<V: DeserializeOwned, Q: CacheKey + ?Sized>(&self, key: &Q) -> Option<V> {
        self.read(self.inner.get(key)).flatten()
    }

    /// The value under `key` with its source, freshness and age; also a stale one.
    pub fn lookup<V: DeserializeOwned, Q: CacheKey + ?Sized>(&self, key: &Q) -> Option<Found<V>> {
        self.read(self.inner.lookup(key)).flatten()
    }

    /// Whether there is a value within its TTL, of whatever type.
    pub fn exists<Q: CacheKey + ?Sized>(&self, key: &Q) -> bool {
        self.read(self.inner.exists(key)).unwrap_or_default()
    }

    /// How much longer the value is fresh.
    pub fn ttl_left<Q: CacheKey + ?Sized>(&self, key: &Q) -> Option<Duration> {
        self.read(self.inner.ttl_left(key)).flatten()
    }

    fn read<T>(&self, look_up: impl Future<Output = T>) -> Option<T> {
        let read = self.runtime.read(look_up);
        if read.is_none() {
            self.inner.counters().misses_in_async_task.up();
        }
        read
    }

    /// Stores `value` under `key`: as [`AnyCache::set`](crate::AnyCache::set).
    ///
    /// # Errors
    /// As [`AnyCache::set`](crate::AnyCache::set), and [`Error::InAsyncTask`].
    pub fn set<V, Q>(&self, key: &Q, value: &V) -> Result<(), Error>
    where
        V: Serialize + ?Sized,
        Q: CacheKey + ?Sized,
    {
        self.runtime.run(self.inner.set(key, value))?
    }

    /// Removes the value under `key`; whether there was one.
    ///
    /// # Errors
    /// As [`AnyCache::remove`](crate::AnyCache::remove), and [`Error::InAsyncTask`].
    pub fn remove<Q: CacheKey + ?Sized>(&self, key: &Q) -> Result<bool, Error> {
        self.runtime.run(self.inner.remove(key))?
    }

    /// The value under `key`, loaded where there is none: as
    /// [`AnyCache::get_or_load`](crate::AnyCache::get_or_load). The loader runs in the calling thread.
    ///
    /// # Errors
    /// As [`AnyCache::get_or_load`](crate::AnyCache::get_or_load), and [`LoadError::InAsyncTask`].
    pub fn get_or_load<V, Q, L, E>(
        &self,
        key: &Q,
        loader: L,
    ) -> Result<V, LoadError<AnyLoadError<E>>>
    where
        V: Serialize + DeserializeOwned,
        Q: CacheKey + ?Sized,
        L: FnOnce() -> Result<V, E>,
        E: Display + Send + Sync + 'static,
    {
        let caller = Caller::here();
        let loader = async || caller.within(loader);
        let load = self.inner.get_or_load(key, loader);
        self.runtime.run(load)?
    }

    /// [`get_or_load`](Self::get_or_load), with source, freshness and age beside the value.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    pub fn lookup_or_load<V, Q, L, E>(
        &self,
        key: &Q,
        loader: L,
    ) -> Result<Found<V>, LoadError<AnyLoadError<E>>>
    where
        V: Serialize + DeserializeOwned,
        Q: CacheKey + ?Sized,
        L: FnOnce() -> Result<V, E>,
        E: Display + Send + Sync + 'static,
    {
        let caller = Caller::here();
        let loader = async || caller.within(loader);
        let load = self.inner.lookup_or_load(key, loader);
        self.runtime.run(load)?
    }

    /// [`get_or_load`](Self::get_or_load) with a loader that owns what it needs and runs in a thread of
    /// its own: see [`Cache::get_or_spawn`](super::Cache::get_or_spawn).
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    pub fn get_or_spawn<V, Q, L, E>(
        &self,
        key: &Q,
        loader: L,
    ) -> Result<V, LoadError<AnyLoadError<E>>>
    where
        V: Serialize + DeserializeOwned + Send + 'static,
        Q: CacheKey + ?Sized,
        L: FnOnce() -> Result<V, E> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        let handle = self.runtime.handle().clone();
        let load = self.inner.get_or_spawn(key, || in_thread(handle, loader));
        self.runtime.run(load)?
    }

    /// [`get_or_spawn`](Self::get_or_spawn), with source, freshness and age beside the value.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    pub fn lookup_or_spawn<V, Q, L, E>(
        &self,
        key: &Q,
        loader: L,
    ) -> Result<Found<V>, LoadError<AnyLoadError<E>>>
    where
        V: Serialize + DeserializeOwned + Send + 'static,
        Q: CacheKey + ?Sized,
        L: FnOnce() -> Result<V, E> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        let handle = self.runtime.handle().clone();
        let load = self
            .inner
            .lookup_or_spawn(key, || in_thread(handle, loader));
        self.runtime.run(load)?
    }

    /// What this cache has counted in this process.
    pub fn stats(&self) -> CacheStats {
        self.inner.stats()
    }
}
