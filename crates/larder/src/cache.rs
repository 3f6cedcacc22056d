//! A typed keyspace.

mod builder;
mod many;
mod near;
mod warm;

use std::borrow::Borrow;
use std::fmt::{self, Display};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::entry::Entry;
use crate::error::Error;
use crate::key::{CacheKey, NameError, StoredKey, Tenant};
use crate::load::LoadError;
use crate::near::NearRef;
use crate::outcome::Found;
use crate::scope::{Scopes, Strength};
use crate::space::{Space, Wanted};
use crate::sweep::{Pattern, Removed, Sweep};
#[cfg(feature = "blocking")]
use crate::telemetry::Counters;
use crate::telemetry::{CacheStats, Invalidated, Miss};
use crate::value::{CacheValue, IntoValue};

pub use builder::{BoundedBuilder, CacheBuilder};
pub use near::NearUsage;
pub use warm::{Warm, WarmProgress, Warmed};

/// Whose keys: nobody's in particular, a tenant's, or those of a name that cannot be one.
pub(crate) type TenantView = Result<Option<Tenant>, NameError>;

/// A typed keyspace of a [`Larder`](crate::Larder): values of `V` under keys of `K`.
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

    /// A view of one tenant's keys. It shares the near tier, its capacity and the options, save what
    /// [`Larder::configure_tenant`](crate::Larder::configure_tenant) says.
    ///
    /// With a name that no tenant can have (empty, or longer than 200 bytes when escaped) the
    /// view finds nothing, loads without storing, and its writes return the error.
    #[must_use]
    pub fn tenant(&self, name: impl AsRef<str>) -> Self {
        Self {
            space: Arc::clone(&self.space),
            tenant: self.space.shared.accounts.tenant(name.as_ref()).map(Some),
        }
    }

    /// One call with its own options: tenant, times, which tiers are asked, and how stale an answer may
    /// be.
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
    /// ([`Coherence`](crate::Coherence)). [`lookup`](Self::lookup) returns stale values too, and
    /// says so.
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
        let at = NearRef::new(tenant.as_ref(), key);
        if !self.space.options.sliding
            && let Some(stored) = self.space.near_hit(&at)
        {
            self.space
                .count(at.tenant, |counters| counters.near_hits.up());
            return Some(stored.value);
        }
        // Boxed, so that the future of a hit stays small.
        let found = Box::pin(self.entry(key).look_up(Wanted::Fresh)).await?;
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
    /// fails or panics), or the server did not confirm it ([`Error::Pending`]). Then what the server
    /// held before is removed as soon as it can be, and the value may be served from this process's
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
    /// before is stored, in any process (G2). Other processes may serve it from their memory until
    /// they are told, at most a second later, or as their [`Coherence`](crate::Coherence) says.
    ///
    /// # Errors
    /// Where the server did not confirm the removal ([`Error::Pending`]). This process does not serve
    /// the value any more; the server may hold it until it can be reached.
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

    /// Removes every value whose key looks like `pattern`, for all tenants; seen from a
    /// [`tenant`](Self::tenant), the tenant's. `*` stands for any characters, none included, `?` for
    /// exactly one (a Unicode scalar value), and everything else for itself.
    ///
    /// Matched is what the key reads, not how it is stored: of a text the text itself, however long; of an
    /// integer its digits; of anything else its canonical JSON, such as `["team",7]`.
    ///
    /// After it returned `Ok`, no call of this process gets one of these values, and no load of such a
    /// key that began before is stored, in any process (G2). Others may serve them from their memory until
    /// they are told, as with [`remove`](Self::remove). Values that are stored while it runs may be removed
    /// too.
    ///
    /// It looks through all keys of the server, in small steps that hold nobody up, several times: some
    /// seconds where there are millions. To remove together what belongs together, tags are the better
    /// way: [`Larder::invalidate_tag`](crate::Larder::invalidate_tag) is one write. A pattern of nothing
    /// but `*` is [`clear`](Self::clear).
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), larder::Error> {
    /// let larder = larder::Larder::in_memory().await?;
    /// let pages: larder::Cache<String, String> = larder.cache("pages").build()?;
    /// pages.set("team:7:home", "…").await?;
    /// pages.set("team:8:home", "…").await?;
    ///
    /// let removed = pages.remove_matching("team:7:*").await?;
    /// assert_eq!(removed.values, 1);
    /// assert!(!pages.exists("team:7:home").await);
    /// assert!(pages.exists("team:8:home").await);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Pattern`] where the pattern is empty or longer than 1,024 bytes. Where the server cannot
    /// be reached in between, the whole cache is invalidated instead, which is one write: if that
    /// cannot be written either it waits for the server, as [`Error::Pending`], and this process believes
    /// none of its values until then.
    ///
    /// # Cancel safety
    /// Once polled, it goes on to its end even where the future is dropped.
    pub async fn remove_matching(&self, pattern: impl AsRef<str>) -> Result<Removed, Error> {
        let tenant = self.tenant.as_ref().map_err(Clone::clone)?.as_ref();
        let pattern = Pattern::new(pattern.as_ref())?;
        if pattern.is_all() {
            self.clear().await?;
            return Ok(Removed {
                is_whole: true,
                ..Removed::default()
            });
        }
        self.space.remove_matching(tenant, pattern).await
    }

    /// The value under `key`, loaded where there is none.
    ///
    /// However many callers ask at once, one load runs, and all share what it brings (G1): the value,
    /// or the error. Beside a server that is so for all processes: who comes second waits for what the
    /// first one stores. Where the load fails and a stale value is at hand within the cache's stale
    /// window, that is returned; [`lookup_or_load`](Self::lookup_or_load) tells.
    ///
    /// `loader` runs in the caller's own task and may borrow. It runs at most once, whatever the
    /// cache does, and not at all where the value is there or another caller is loading.
    ///
    /// # Errors
    /// What the loader brings: its error, shared in an `Arc` by all who waited, or its panic. Also
    /// where it takes too long, would wait for itself, or too much is being loaded:
    /// [`LoadError`] says which. Never because of the server.
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
        if let Some(value) = self.near_value(key) {
            return Ok(value);
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

    /// Invalidates everything in this cache, for all tenants; seen from a [`tenant`](Self::tenant),
    /// what is the tenant's. It is one write, however much there is, and the [`Sweep`] that is returned
    /// frees the server's memory in the background: see [`Larder::clear`](crate::Larder::clear).
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), larder::Error> {
    /// let larder = larder::Larder::in_memory().await?;
    /// let users: larder::Cache<u64, String> = larder.cache("users").build()?;
    /// users.set(&42, "Ann").await?;
    /// let _sweep = users.clear().await?;
    /// assert!(users.get(&42).await.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Larder::clear`](crate::Larder::clear).
    ///
    /// # Cancel safety
    /// As [`Larder::clear`](crate::Larder::clear).
    pub async fn clear(&self) -> Result<Sweep, Error> {
        self.invalidate(Strength::Remove).await?;
        let tenant = self.tenant.as_ref().map_err(Clone::clone)?;
        if tenant.is_none() {
            self.space.near_clear();
        }
        let range = self.space.range(tenant.as_ref());
        Ok(self.space.sweep(range))
    }

    /// [`clear`](Self::clear), in the strength that is given and without a sweep.
    ///
    /// # Errors
    /// As [`Larder::invalidate_tag`](crate::Larder::invalidate_tag).
    ///
    /// # Cancel safety
    /// As [`Larder::invalidate_tag`](crate::Larder::invalidate_tag).
    pub async fn invalidate(&self, strength: Strength) -> Result<(), Error> {
        let tenant = self.tenant.as_ref().map_err(Clone::clone)?;
        let shared = &self.space.shared;
        let of = |scopes: &Scopes| vec![scopes.cache(tenant.as_ref(), &self.space.name)];
        shared.invalidate(Invalidated::Cache, of, strength).await
    }

    /// Whether anything is stored at all: the larder may be switched off.
    #[cfg(feature = "http")]
    pub(crate) fn is_enabled(&self) -> bool {
        self.space.shared.enabled
    }

    /// Whether there is more than this process's memory.
    #[cfg(feature = "macros")]
    pub(crate) fn has_server(&self) -> bool {
        self.space.server.is_some()
    }

    /// Where the value of `key` lies, or would lie, on the server.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), larder::Error> {
    /// let larder = larder::Larder::in_memory().await?;
    /// let users: larder::Cache<u64, String> = larder.cache("users").build()?;
    /// assert_eq!(users.tenant("acme").stored_key(&42)?.as_str(), "cache:tenant:acme:users:42");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Where the key, or the name of the tenant, cannot be stored.
    pub fn stored_key<Q>(&self, key: &Q) -> Result<StoredKey, Error>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let tenant = self.tenant.as_ref().map_err(Clone::clone)?;
        Ok(self.space.stored_key(&NearRef::new(tenant.as_ref(), key))?)
    }

    /// The same cache, of another tenant or of none.
    #[cfg(feature = "macros")]
    pub(crate) fn viewed(&self, tenant: TenantView) -> Self {
        Self {
            space: Arc::clone(&self.space),
            tenant,
        }
    }

    #[cfg(feature = "blocking")]
    pub(crate) fn counters(&self) -> &Counters {
        &self.space.counters
    }

    /// What this cache has counted in this process, for all tenants.
    pub fn stats(&self) -> CacheStats {
        self.space.counters.snapshot()
    }
}
