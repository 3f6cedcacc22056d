//! How a cache is opened.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Cache;
use crate::bounded::{Bounded, Eviction};
use crate::error::Error;
use crate::key::{CacheKey, CacheName};
use crate::larder::Larder;
use crate::near::{Evicted, NearCapacity};
use crate::options::{Callbacks, Coherence, LOAD_TIMEOUT, Lifetime, Options, Refresh};
use crate::value::CacheValue;
use crate::wire::Codec;

/// Opens a [`Cache`]. Made by [`Larder::cache`].
#[must_use = "a cache is opened by `build()`"]
pub struct CacheBuilder<K, V> {
    larder: Larder,
    name: String,
    ttl: Option<Duration>,
    options: Options,
    callbacks: Callbacks<K, V>,
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
                own_ttl: false,
                own_stale: false,
                codec: Codec::DEFAULT,
                schema: None,
                near: NearCapacity::default(),
                eviction: Eviction::Default,
                coherence: Coherence::default(),
                soft_timeout: None,
                load_timeout: LOAD_TIMEOUT,
                remote_soft_timeout: None,
                pause: Duration::ZERO,
                cached_errors: Vec::new(),
                jitter: 0.0,
                refresh: Refresh::Never,
                sliding: false,
                has_ttl_by: false,
                memory_only: false,
                has_weigher: false,
                has_listener: false,
                has_curve: false,
                bounded: None,
            },
            callbacks: Callbacks::default(),
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
        self.options.own_stale = true;
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
        self.callbacks.weigher = Some(Arc::new(weigh));
        self.options.has_weigher = true;
        self
    }

    /// Which entries give way when the near tier is full. The default suits most workloads;
    /// [`bounded`](crate::bounded) says what the others do, and how to find out which one suits yours.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let larder = larder::Larder::in_memory().await?;
    /// use larder::{Cache, NearCapacity, bounded::Eviction};
    ///
    /// let cache: Cache<u64, String> = larder
    ///     .cache("users")
    ///     .near(NearCapacity::Entries(2))
    ///     .eviction(Eviction::Lru)
    ///     .build()?;
    /// cache.set(&1, "Ann").await?;
    /// cache.set(&2, "Bob").await?;
    /// cache.get(&1).await;
    /// cache.set(&3, "Cid").await?;
    /// assert!(cache.get(&2).await.is_none(), "not used for longer than the other");
    /// # Ok(())
    /// # }
    /// ```
    pub fn eviction(mut self, eviction: Eviction) -> Self {
        self.options.eviction = eviction;
        self
    }

    /// Finds out, while the cache works, how its hit rate in memory would change with the near tier's capacity:
    /// [`Cache::miss_ratio_curve`].
    ///
    /// It follows up to some 16,000 keys, in less than a megabyte, and 10,000 lookups a second, which take 0.3 % of a
    /// core. Where there are more, fewer keys stand for all.
    pub fn miss_ratio_curve(mut self) -> Self {
        self.options.has_curve = true;
        self
    }

    /// Tells of each value that leaves the near tier, and why. The server's value may live on.
    ///
    /// It is called in a task of its own and under no lock, so it may use the cache; it should not
    /// block for long. Up to 4,096 events wait for it. What comes on top of these is dropped, and
    /// counted as [`evictions_untold`](crate::CacheStats::evictions_untold). If it panics, that is logged,
    /// and the next event is delivered.
    ///
    /// What a group's invalidation makes worthless leaves later, when it is replaced, swept or evicted.
    /// Beside a server, a `set` removes the old value before it stores the new one. When the cache itself
    /// is dropped, nothing is told.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let larder = larder::Larder::in_memory().await?;
    /// use larder::{Cache, bounded::Cause};
    ///
    /// let (send, mut events) = tokio::sync::mpsc::unbounded_channel();
    /// let cache: Cache<u64, String> = larder
    ///     .cache("users")
    ///     .on_evicted(move |evicted| {
    ///         let _nobody_listens = send.send(evicted);
    ///     })
    ///     .build()?;
    /// cache.set(&1, "Ann").await?;
    /// cache.remove(&1).await?;
    /// let event = events.recv().await.unwrap();
    /// assert_eq!((event.key, &**event.value, event.cause), (1, "Ann", Cause::Removed));
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_evicted(mut self, tell: impl Fn(Evicted<K, V>) + Send + Sync + 'static) -> Self {
        self.callbacks.on_evicted = Some(Arc::new(tell));
        self.options.has_listener = true;
        self
    }

    /// How long a caller waits for a load before a stale value will do, where there is one within
    /// the stale window. The load goes on, and is stored. Zero means that whoever finds a stale
    /// value gets it at once. The default is to wait.
    ///
    /// It is for callers whose loader runs in a task of its own
    /// ([`get_or_spawn`](Cache::get_or_spawn)), and for all who wait for another caller's load. Who
    /// runs the loader itself ([`get_or_load`](Cache::get_or_load)) waits for it.
    pub fn soft_timeout(mut self, timeout: Duration) -> Self {
        self.options.soft_timeout = Some(timeout);
        self
    }

    /// How long a loader may take. Past it the load fails with
    /// [`LoadError::TimedOut`](crate::LoadError::TimedOut). The default is five minutes; there is always a limit.
    pub fn load_timeout(mut self, timeout: Duration) -> Self {
        self.options.load_timeout = timeout;
        self
    }

    /// How long the server may take to answer before a stale value of this process's memory will
    /// do, where there is one. The default is the configured timeout.
    pub fn remote_soft_timeout(mut self, timeout: Duration) -> Self {
        self.options.remote_soft_timeout = Some(timeout);
        self
    }

    /// How long a key is not loaded again after its load failed, in this process. Until then callers
    /// get what another process has stored meanwhile, a stale value, or the same error. A write of the
    /// key ends it. The default is not to wait.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let larder = larder::Larder::in_memory().await?;
    /// let cache: larder::Cache<u64, String> = larder
    ///     .cache("users")
    ///     .pause_after_failure(Duration::from_secs(5))
    ///     .build()?;
    /// let failed = cache.get_or_load(&7, || async { Err("the database is away") }).await;
    /// assert!(failed.is_err());
    /// let again = cache.get_or_load(&7, || async { Err("not even asked") }).await;
    /// assert_eq!(again.unwrap_err().loader(), Some(&"the database is away"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn pause_after_failure(mut self, pause: Duration) -> Self {
        self.options.pause = pause;
        self
    }

    /// Keeps errors of type `E` for this long, as
    /// [`pause_after_failure`](Self::pause_after_failure) does those of all types, and instead of it.
    /// For "there is no such thing" from a loader; where that is a value, a `None`, see
    /// [`negative_ttl`](Self::negative_ttl).
    pub fn cache_errors<E: 'static>(mut self, ttl: Duration) -> Self {
        self.options.cached_errors.push((TypeId::of::<E>(), ttl));
        self
    }

    /// Shortens each TTL at random by up to this share of it, from 0 to below 1, so that values that
    /// were stored together do not expire together.
    pub fn jitter(mut self, share: f64) -> Self {
        self.options.jitter = share;
        self
    }

    /// Loads values again in the background before their TTL ends. The default is not to. One that
    /// fails leaves the value, and rests for a second.
    pub fn refresh(mut self, refresh: Refresh) -> Self {
        self.options.refresh = refresh;
        self
    }

    /// Lets each hit prolong a value's life: past half of its TTL, it is stored again for the whole
    /// of it, in the background, for all processes. A value that nobody asks for expires. A value with
    /// a TTL of its own keeps that.
    pub fn sliding(mut self) -> Self {
        self.options.sliding = true;
        self
    }

    /// Lets a value say how long it is fresh, where that is another time than the cache's TTL. A
    /// TTL of one call or of the loader goes before.
    pub fn ttl_by(
        mut self,
        ttl_by: impl Fn(&V) -> Option<Duration> + Send + Sync + 'static,
    ) -> Self {
        self.callbacks.ttl_by = Some(Arc::new(ttl_by));
        self.options.has_ttl_by = true;
        self
    }

    /// How the near tiers of several processes stay in step. The default is that the server tells of
    /// changes. Without a server it means nothing.
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
    /// Where the name is empty or too long, a time is too long, a number is out of its range, the codec needs a schema that
    /// cannot be derived, the cache is [`memory_only`](Self::memory_only) without a near tier, or it
    /// is open with other types or options.
    pub fn build(self) -> Result<Cache<K, V>, Error> {
        let (name, options) = self.checked()?;
        self.larder.open(&name, options, None, self.callbacks)
    }

    /// Bounds what the server holds of the cache: at most so many entries, or bytes, and a choice of which
    /// one goes where it is full. It has to be the last word, before [`open`](BoundedBuilder::open).
    ///
    /// ```no_run
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), larder::Error> {
    /// use larder::bounded::Bounded;
    /// # use std::time::Duration;
    ///
    /// let larder = larder::Larder::from_env().await?;
    /// let reports: larder::Cache<u64, String> = larder
    ///     .cache("reports")
    ///     .ttl(Duration::from_secs(3600))
    ///     .bounded(Bounded::lru(10_000))
    ///     .open()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bounded(self, bounded: Bounded) -> BoundedBuilder<K, V> {
        BoundedBuilder {
            builder: self,
            bounded,
        }
    }

    fn checked(&self) -> Result<(CacheName, Options), Error> {
        let name = CacheName::new(&self.name)?;
        let mut options = self.options.clone();
        options.own_ttl = self.ttl.is_some();
        options.lifetime.ttl = self
            .ttl
            .unwrap_or_else(|| self.larder.default_ttl(options.memory_only));
        options.check(&self.name)?;
        Ok((name, options))
    }
}

/// Opens a [`Cache`] whose part on the server is bounded. Made by [`CacheBuilder::bounded`].
#[must_use = "a cache is opened by `open()`"]
pub struct BoundedBuilder<K, V> {
    builder: CacheBuilder<K, V>,
    bounded: Bounded,
}

impl<K, V> BoundedBuilder<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// Opens the cache, or gives another handle of it where it is open already. Asks the server whether
    /// others have opened it with other bounds. Without a server this process's memory keeps to the bounds,
    /// in place of [`near`](CacheBuilder::near) and [`eviction`](CacheBuilder::eviction).
    ///
    /// A server that cannot be reached is no error: it is asked again before the first value is read or
    /// written. What others have opened otherwise then misses, and its writes return the error.
    ///
    /// # Errors
    /// As [`CacheBuilder::build`], and [`Error::Bounded`] where a number is out of its range, or the cache was
    /// opened with other bounds before, by whichever program.
    ///
    /// # Cancel safety
    /// Dropped before its end, the server may know of the bounds, and the cache is not open.
    pub async fn open(self) -> Result<Cache<K, V>, Error> {
        let Self { builder, bounded } = self;
        let (name, mut options) = builder.checked()?;
        options.bounded = Some(bounded);
        if !builder.larder.has_remote(&options) {
            // Memory is the only tier there is, and keeps the bounds.
            options.near = bounded.in_memory();
            options.eviction = bounded.eviction().into();
        }
        // Before the server is asked, which might change what others have.
        if let Some(opened) = builder.larder.opened(&name, &options) {
            return opened;
        }
        let bounds = builder.larder.bounds(&name, &options, bounded).await?;
        builder
            .larder
            .open(&name, options, bounds, builder.callbacks)
    }
}

impl<K, V> fmt::Debug for BoundedBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedBuilder")
            .field("builder", &self.builder)
            .field("bounded", &self.bounded)
            .finish()
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

impl<K, T> CacheBuilder<K, Option<T>>
where
    K: CacheKey + Clone + 'static,
    Option<T>: CacheValue,
{
    /// How long it is remembered that there is nothing: the TTL of `None`. It takes the place of
    /// [`ttl_by`](Self::ttl_by).
    pub fn negative_ttl(self, ttl: Duration) -> Self {
        self.ttl_by(move |value| value.is_none().then_some(ttl))
    }
}
