//! How a cache is opened.

use std::fmt;
use std::time::Duration;

use super::cache::Cache;
use super::runtime::Runtime;
use crate::bounded::{Bounded, Eviction};
use crate::error::Error;
use crate::key::CacheKey;
use crate::near::{Evicted, NearCapacity};
use crate::options::{Coherence, Refresh};
use crate::value::CacheValue;
use crate::wire::Codec;

/// Opens a [`Cache`]. Made by [`Larder::cache`](super::Larder::cache).
///
/// ```
/// # fn main() -> Result<(), larder::Error> {
/// use std::time::Duration;
/// use larder::blocking::{Cache, Larder};
///
/// let larder = Larder::in_memory()?;
/// let users: Cache<u64, String> = larder
///     .cache("users")
///     .ttl(Duration::from_secs(300))
///     .stale(Duration::from_secs(60))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a cache is opened by `build()`"]
pub struct CacheBuilder<K, V> {
    inner: crate::CacheBuilder<K, V>,
    runtime: Runtime,
}

/// Setters that hand on to those of the async builder.
macro_rules! options {
    ($($name:ident($($arg:ident: $type:ty)?);)+) => {$(
        #[doc = concat!(
            "As [`CacheBuilder::", stringify!($name), "`](crate::CacheBuilder::", stringify!($name), ")."
        )]
        pub fn $name(mut self $(, $arg: $type)?) -> Self {
            self.inner = self.inner.$name($($arg)?);
            self
        }
    )+};
}

impl<K, V> CacheBuilder<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    pub(super) fn new(inner: crate::CacheBuilder<K, V>, runtime: Runtime) -> Self {
        Self { inner, runtime }
    }

    options! {
        ttl(ttl: Duration);
        stale(stale: Duration);
        near(capacity: NearCapacity);
        weigher(weigh: impl Fn(&K, &V) -> u64 + Send + Sync + 'static);
        eviction(eviction: Eviction);
        miss_ratio_curve();
        soft_timeout(timeout: Duration);
        load_timeout(timeout: Duration);
        remote_soft_timeout(timeout: Duration);
        pause_after_failure(pause: Duration);
        jitter(share: f64);
        refresh(refresh: Refresh);
        sliding();
        ttl_by(ttl_by: impl Fn(&V) -> Option<Duration> + Send + Sync + 'static);
        coherence(coherence: Coherence);
        memory_only();
        codec(codec: Codec);
        schema(version: u32);
    }

    /// As [`CacheBuilder::on_evicted`](crate::CacheBuilder::on_evicted). It is called where nothing may
    /// wait, so what it asks of a blocking cache is an error; it may hand the event to a thread.
    pub fn on_evicted(mut self, tell: impl Fn(Evicted<K, V>) + Send + Sync + 'static) -> Self {
        self.inner = self.inner.on_evicted(tell);
        self
    }

    /// As [`CacheBuilder::cache_errors`](crate::CacheBuilder::cache_errors).
    pub fn cache_errors<E: 'static>(mut self, ttl: Duration) -> Self {
        self.inner = self.inner.cache_errors::<E>(ttl);
        self
    }

    /// Opens the cache, or gives another handle of it where it is open already.
    ///
    /// # Errors
    /// As [`CacheBuilder::build`](crate::CacheBuilder::build).
    pub fn build(self) -> Result<Cache<K, V>, Error> {
        Ok(Cache::new(self.inner.build()?, self.runtime))
    }

    /// As [`CacheBuilder::bounded`](crate::CacheBuilder::bounded).
    pub fn bounded(self, bounded: Bounded) -> BoundedBuilder<K, V> {
        BoundedBuilder {
            inner: self.inner.bounded(bounded),
            runtime: self.runtime,
        }
    }
}

impl<K, T> CacheBuilder<K, Option<T>>
where
    K: CacheKey + Clone + 'static,
    Option<T>: CacheValue,
{
    /// As [`CacheBuilder::negative_ttl`](crate::CacheBuilder::negative_ttl).
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.inner = self.inner.negative_ttl(ttl);
        self
    }
}

impl<K, V> fmt::Debug for CacheBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

/// Opens a [`Cache`] whose part on the server is bounded. Made by [`CacheBuilder::bounded`].
#[must_use = "a cache is opened by `open()`"]
pub struct BoundedBuilder<K, V> {
    inner: crate::BoundedBuilder<K, V>,
    runtime: Runtime,
}

impl<K, V> BoundedBuilder<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// Opens the cache, or gives another handle of it where it is open already.
    ///
    /// # Errors
    /// As [`BoundedBuilder::open`](crate::BoundedBuilder::open), and [`Error::InAsyncTask`].
    pub fn open(self) -> Result<Cache<K, V>, Error> {
        let cache = self.runtime.run(self.inner.open())??;
        Ok(Cache::new(cache, self.runtime))
    }
}

impl<K, V> fmt::Debug for BoundedBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}
