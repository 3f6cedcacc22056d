//! A typed keyspace, and how it is opened.

use std::borrow::Borrow;
use std::fmt::{self, Display};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::entry::Entry;
use crate::error::Error;
use crate::key::{CacheKey, CacheName, NameError, Tenant};
use crate::larder::Larder;
use crate::load::LoadError;
use crate::near::{Engine, NearCapacity, NearRef};
use crate::options::{Coherence, Lifetime, Options, Weigher};
use crate::outcome::Found;
use crate::space::{Space, Wanted};
use crate::telemetry::{CacheStats, Miss};
use crate::value::{CacheValue, IntoValue};
use crate::wire::Codec;

/// Whose keys: nobody's in particular, a tenant's, or those of a name that cannot be one.
pub(crate) type TenantView = Result<Option<Tenant>, NameError>;

/// A typed keyspace of a [`Larder`]: values of `V` under keys of `K`.
///
/// Clones are cheap and share everything. [`tenant`](Self::tenant) gives a view of one tenant's
/// keys; a view and its keys are apart from all others (G5).
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use larder::{Cache, Larder};
///
/// let larder = Larder::in_memory().await?;
/// let users: Cache<u64, String> = larder.cache("users").ttl(Duration::from_secs(300)).build()?;
///
/// users.set(&42, "Ann").await?;
/// assert_eq!(users.get(&42).await.as_deref().map(String::as_str), Some("Ann"));
///
/// let user = users.get_or_load(&7, || async { Ok::<_, std::io::Error>("Bob".to_owned()) }).await?;
/// assert_eq!(*user, "Bob");
///
/// assert!(users.remove(&42).await?);
/// assert!(users.get(&42).await.is_none());
/// # Ok(())
/// # }
/// ```
pub struct Cache<K: Hash + Eq, V> {
    space: Arc<Space<K, V>>,
    tenant: TenantView,
}

impl<K: Hash + Eq, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self {
            space: Arc::clone(&self.space),
            tenant: self.tenant.clone(),
        }
    }
}

impl<K: Hash + Eq, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.space.name.as_str())
            .field("tenant", &self.tenant)
            .field("options", &self.space.options)
            .finish_non_exhaustive()
    }
}

impl<K, V> Cache<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    pub(crate) fn new(space: Arc<Space<K, V>>, tenant: TenantView) -> Self {
        Self { space, tenant }
    }

    /// A view of one tenant's keys. It shares the near tier, its capacity and the options.
    ///
    /// With a name that no tenant can have (empty, or longer than 200 bytes when escaped) the
    /// view finds nothing, loads without storing, and its writes return the error.
    #[must_use]
    pub fn tenant(&self, name: impl AsRef<str>) -> Self {
        Self {
            space: Arc::clone(&self.space),
            tenant: Tenant::new(name.as_ref()).map(Some),
        }
    }

    /// One call with its own options: tenant, TTL, stale window.
    pub fn entry<'a, Q>(&'a self, key: &'a Q) -> Entry<'a, K, V, Q>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        Entry::new(&self.space, &self.tenant, key)
    }

    /// The value under `key`, if there is one within its TTL.
    ///
    /// From memory where it is there, else from the server. It cannot fail: a cache that is in
    /// trouble misses (G3), and [`stats`](Self::stats) count why. It never returns a stale value,
    /// so while the server is away it misses once the trust in a near entry has ended
    /// ([`Coherence`]). [`lookup`](Self::lookup) returns stale values too, and says so.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    #[inline]
    pub async fn get<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let Ok(tenant) = &self.tenant else {
            self.space.counters.missed(Miss::InvalidKey);
            return None;
        };
        let at = NearRef {
            tenant: tenant.as_ref(),
            key,
        };
        if let Some(stored) = self.space.near_hit(&at) {
            self.space.counters.near_hits.up();
            return Some(stored.value);
        }
        // Boxed, so that the future of a hit stays small.
        let found = Box::pin(self.space.look_up(at, Wanted::Fresh)).await?;
        Some(found.value)
    }

    /// The value under `key` with its source, freshness and age; also a stale one, where nothing
    /// better can be had.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn lookup<Q>(&self, key: &Q) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        self.entry(key).lookup().await
    }

    /// Whether [`get`](Self::get) would return a value.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn exists<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        self.get(key).await.is_some()
    }

    /// How much longer the value under `key` is fresh; `None` where [`get`](Self::get) would
    /// return nothing.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn ttl_left<Q>(&self, key: &Q) -> Option<Duration>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        self.entry(key).ttl_left().await
    }

    /// Stores `value` under `key`, in the server and in memory, for the cache's TTL.
    ///
    /// Loads of the key that began before are not stored after it (G2).
    ///
    /// # Errors
    /// Where the value does not count as stored: the key or the value cannot be (its `Serialize`
    /// fails or panics), or the server did not confirm it. While the server is away the value may be served from this process's
    /// memory for up to ten seconds.
    ///
    /// # Cancel safety
    /// Once polled, the write goes on to its end even where the future is dropped.
    pub async fn set<Q>(&self, key: &Q, value: impl IntoValue<V>) -> Result<(), Error>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        self.entry(key).set(value).await
    }

    /// Removes the value under `key`; whether there was one.
    ///
    /// After it returned `Ok`, no call of this process gets the old value, and no load that began
    /// before is stored (G2). Other processes may serve it from their memory until their trust in
    /// it ends ([`Coherence`]).
    ///
    /// # Errors
    /// Where the server did not confirm the removal. This process has forgotten the value all the
    /// same; the server may still hold it.
    ///
    /// # Cancel safety
    /// Once polled, the removal goes on to its end even where the future is dropped.
    pub async fn remove<Q>(&self, key: &Q) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        self.entry(key).remove().await
    }

    /// The value under `key`, loaded where there is none.
    ///
    /// However many callers ask at once, one load runs in this process, and all share what it
    /// brings (G1): the value, or the error. Where the load fails and a stale value is at hand
    /// within the cache's stale window, that is returned; [`lookup_or_load`](Self::lookup_or_load) tells.
    ///
    /// `loader` runs in the caller's own task and may borrow. It runs at most once, whatever the
    /// cache does, and not at all where the value is there or another caller is loading.
    ///
    /// # Errors
    /// Only what the loader brings: its error, shared in an `Arc` by all who waited, or its panic.
    ///
    /// # Cancel safety
    /// Dropped while it loads, the load ends there; one of the callers who wait takes over with
    /// its own loader (G8). For a load that goes on, see [`get_or_spawn`](Self::get_or_spawn).
    pub async fn get_or_load<Q, L, F, E>(&self, key: &Q, loader: L) -> Result<Arc<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
        E: Display + Send + Sync + 'static,
    {
        if let Ok(tenant) = &self.tenant
            && let at = (NearRef {
                tenant: tenant.as_ref(),
                key,
            })
            && let Some(stored) = self.space.near_hit(&at)
        {
            self.space.counters.near_hits.up();
            return Ok(stored.value);
        }
        let found = Box::pin(self.entry(key).lookup_or_load(loader)).await?;
        Ok(found.value)
    }

    /// [`get_or_load`](Self::get_or_load), with source, freshness and age beside the value.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Cancel safety
    /// As [`get_or_load`](Self::get_or_load).
    pub async fn lookup_or_load<Q, L, F, E>(
        &self,
        key: &Q,
        loader: L,
    ) -> Result<Found<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
        E: Display + Send + Sync + 'static,
    {
        self.entry(key).lookup_or_load(loader).await
    }

    /// [`get_or_load`](Self::get_or_load) with a loader that owns what it needs and runs in a
    /// task of its own: once begun it runs to its end and is stored, even where all its callers
    /// have left.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Cancel safety
    /// Dropped while it loads, the load goes on in the background.
    pub async fn get_or_spawn<Q, L, F, E>(&self, key: &Q, loader: L) -> Result<Arc<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        self.entry(key).get_or_spawn(loader).await
    }

    /// [`get_or_spawn`](Self::get_or_spawn), with source, freshness and age beside the value.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Cancel safety
    /// Dropped while it loads, the load goes on in the background.
    pub async fn lookup_or_spawn<Q, L, F, E>(
        &self,
        key: &Q,
        loader: L,
    ) -> Result<Found<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        self.entry(key).lookup_or_spawn(loader).await
    }

    /// What this cache has counted in this process, for all tenants.
    pub fn stats(&self) -> CacheStats {
        self.space.counters.snapshot()
    }

    /// Changes the near tier's capacity, in its own unit: entries or bytes. What no longer fits is
    /// evicted. Without a near tier it does nothing.
    pub fn resize_near(&self, capacity: u64) {
        if let Some(near) = self.space.near_tier() {
            near.resize(capacity);
        }
    }

    /// How much the near tier holds.
    pub fn near_usage(&self) -> NearUsage {
        self.space.near_usage()
    }
}

/// How much a near tier holds. Weights are in the unit of its capacity: entries or bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearUsage {
    /// Entries held, expired ones that were not yet swept included.
    pub entries: u64,
    /// Their weight.
    pub weight: u64,
    /// The weight that they may have.
    pub capacity: u64,
    /// The heaviest entry that is taken.
    pub largest: u64,
}

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
