//! How a cache is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Cache;
use crate::error::Error;
use crate::key::{CacheKey, CacheName};
use crate::larder::Larder;
use crate::near::NearCapacity;
use crate::options::{Coherence, Lifetime, Options, Weigher};
use crate::value::CacheValue;
use crate::wire::Codec;

/// Opens a [`Cache`]. Made by [`Larder::cache`].
#[must_use = "a cache is opened by `build()`"]
pub struct CacheBuilder<K, V> {
    larder: Larder,
    name: String,
    ttl: Option<Duration>,
    options: Options,
    weigher: Option<Weigher<K, V>>,
}

impl<K, V> CacheBuilder<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    pub(crate) fn new(larder: Larder, name: String) -> Self {
        Self {
            larder,
            name,
            ttl: None,
            options: Options {
                lifetime: Lifetime {
                    ttl: Duration::ZERO,
                    stale: Duration::ZERO,
                },
                codec: Codec::DEFAULT,
                schema: None,
                near: NearCapacity::default(),
                coherence: Coherence::default(),
                memory_only: false,
                has_weigher: false,
            },
            weigher: None,
        }
    }

    /// How long a value is fresh, to the millisecond; parts of one are rounded up.
    ///
    /// The default is the configuration's: one for caches with a remote tier, another for those
    /// in memory. Zero means that nothing is stored.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long past its TTL a value may be served where nothing better can be had: the loader
    /// failed, or the server is away. It is then declared as stale (G4). The default is zero.
    pub fn stale(mut self, stale: Duration) -> Self {
        self.options.lifetime.stale = stale;
        self
    }

    /// How much is kept in the memory of this process. The default is 64 MiB.
    pub fn near(mut self, capacity: NearCapacity) -> Self {
        self.options.near = capacity;
        self
    }

    /// Says what a value weighs in bytes, for a near tier whose capacity is in bytes. The default
    /// is its encoded length, which costs an encoding where there is no remote tier.
    ///
    /// A value for which it panics is not kept in memory; where there is no server, a `set` of it is
    /// an error.
    pub fn weigher(mut self, weigh: impl Fn(&K, &V) -> u64 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Arc::new(weigh));
        self.options.has_weigher = true;
        self
    }

    /// How the near tiers of several processes stay in step.
    pub fn coherence(mut self, coherence: Coherence) -> Self {
        self.options.coherence = coherence;
        self
    }

    /// Keeps values in the memory of this process only, whatever the backend.
    pub fn memory_only(mut self) -> Self {
        self.options.memory_only = true;
        self
    }

    /// How values are encoded for the server. The default is JSON.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.options.codec = Some(codec);
        self
    }

    /// Declares the version of the values' schema: count it up with each change of what values
    /// mean. Programs with different versions never read each other's values, and the older one
    /// does not overwrite the newer one's (G9).
    pub fn schema(mut self, version: u32) -> Self {
        self.options.schema = Some(version);
        self
    }

    /// Opens the cache, or gives another handle of it where it is open already.
    ///
    /// # Errors
    /// Where the name is empty or too long, a time is too long, the codec needs a schema that
    /// cannot be derived, the cache is [`memory_only`](Self::memory_only) without a near tier, or it
    /// is open with other types or options.
    pub fn build(self) -> Result<Cache<K, V>, Error> {
        let name = CacheName::new(&self.name)?;
        let mut options = self.options;
        options.lifetime.ttl = self
            .ttl
            .unwrap_or_else(|| self.larder.default_ttl(options.memory_only));
        options.check(&self.name)?;
        self.larder.open(&name, options, self.weigher)
    }
}

impl<K, V> fmt::Debug for CacheBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
