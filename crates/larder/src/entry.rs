//! One call with its own options.

use std::borrow::Borrow;
use std::fmt::{self, Display};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::TenantView;
use crate::error::Error;
use crate::key::CacheKey;
use crate::load::{Load, LoadError, Loaded};
use crate::near::NearRef;
use crate::options::Call;
use crate::outcome::Found;
#[cfg(feature = "http")]
use crate::outcome::Outcome;
use crate::scope::{WrongTags, tags_of};
use crate::space::{Space, Wanted};
#[cfg(feature = "blocking")]
use crate::telemetry::Counters;
use crate::telemetry::Miss;
use crate::value::{CacheValue, IntoValue};

/// One call on one key, with its own options. Made by [`Cache::entry`](crate::Cache::entry).
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::time::Duration;
/// # let larder = larder::Larder::in_memory().await?;
/// # let users: larder::Cache<u64, String> = larder.cache("users").build()?;
/// users.entry(&42).tenant("acme").ttl(Duration::from_secs(30)).set("Ann").await?;
/// assert!(users.get(&42).await.is_none(), "a tenant's keys are its own");
/// assert!(users.entry(&42).tenant("acme").get().await.is_some());
/// # Ok(())
/// # }
/// ```
#[must_use = "an entry does nothing until one of its calls is awaited"]
pub struct Entry<'a, K: Hash + Eq, V, Q: ?Sized> {
    space: &'a Arc<Space<K, V>>,
    tenant: TenantOf<'a>,
    key: &'a Q,
    call: Call,
    /// The call's own times.
    ttl: Option<Duration>,
    stale: Option<Duration>,
    /// Why the tags of the call cannot be.
    wrong: Option<WrongTags>,
}

/// The cache's own tenant, or the call's.
enum TenantOf<'a> {
    Cache(&'a TenantView),
    Call(TenantView),
}

impl TenantOf<'_> {
    fn view(&self) -> &TenantView {
        match self {
            Self::Cache(tenant) => tenant,
            Self::Call(tenant) => tenant,
        }
    }
}

impl<'a, K, V, Q> Entry<'a, K, V, Q>
where
    K: CacheKey + Clone + Borrow<Q> + 'static,
    V: CacheValue,
    Q: CacheKey + ToOwned<Owned = K> + ?Sized,
{
    pub(crate) fn new(space: &'a Arc<Space<K, V>>, tenant: &'a TenantView, key: &'a Q) -> Self {
        Self {
            space,
            tenant: TenantOf::Cache(tenant),
            key,
            call: Call::new(space.options.lifetime),
            ttl: None,
            stale: None,
            wrong: None,
        }
        .timed()
    }

    /// With the times of the call, or else of its tenant, or else of the cache.
    fn timed(mut self) -> Self {
        let tenant = self.tenant.view().as_ref().ok().and_then(Option::as_ref);
        let lifetime = self.space.lifetime_of(tenant);
        self.call.lifetime = lifetime.with(self.ttl, self.stale);
        self
    }

    /// Whose key it is. With a name that no tenant can have, the call finds nothing, loads without
    /// storing, and writes return the error.
    pub fn tenant(mut self, name: impl AsRef<str>) -> Self {
        self.tenant = TenantOf::Call(self.space.shared.accounts.tenant(name.as_ref()).map(Some));
        self.timed()
    }

    /// How long the value that this call stores is fresh. Zero: it is not stored. More than
    /// [`MAX_TTL`](crate::MAX_TTL) is cut to that.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self.call.own_ttl = true;
        self.timed()
    }

    /// How long past its TTL the value that this call stores may be served as stale. More than
    /// [`MAX_TTL`](crate::MAX_TTL) is cut to that.
    pub fn stale(mut self, stale: Duration) -> Self {
        self.stale = Some(stale);
        self.timed()
    }

    /// What the value that this call stores has in common with others, to be invalidated with them:
    /// [`Larder::invalidate_tag`](crate::Larder::invalidate_tag). With a tag that cannot be (see
    /// [`Tag`](crate::key::Tag)), or more than 64, the call loads without storing, and writes
    /// return the error.
    pub fn tags<T: AsRef<str>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        match tags_of(tags) {
            Ok(tags) => self.call.tags = tags,
            Err(error) => self.wrong = Some(error),
        }
        self
    }

    /// Asks the server even where this process has the value: what every process wrote before this
    /// call is seen, if its `set` or `remove` returned `Ok`. The default trusts the cache's
    /// [`Coherence`](crate::Coherence).
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), larder::Error> {
    /// use larder::{Cache, Larder};
    /// use larder::remote::MemoryRemote;
    ///
    /// // Stands for a server that two processes share.
    /// let server = MemoryRemote::new();
    /// let one = Larder::builder().remote(server.clone()).build().await?;
    /// let other = Larder::builder().remote(server).build().await?;
    /// let (ours, theirs): (Cache<u64, u64>, Cache<u64, u64>) =
    ///     (one.cache("stock").build()?, other.cache("stock").build()?);
    ///
    /// ours.set(&42, 7).await?;
    /// let seen = theirs.entry(&42).skip_near().get().await;
    /// assert_eq!(seen.as_deref(), Some(&7));
    /// # Ok(())
    /// # }
    /// ```
    pub fn skip_near(mut self) -> Self {
        // Where there is none, memory is what every process wrote.
        self.call.near = self.space.server.is_none();
        self
    }

    /// Neither looks at the server nor fills it: this process's memory and the loader alone. What is
    /// loaded stays in memory for up to ten seconds, and other processes may load it too.
    /// [`set`](Self::set) and [`remove`](Self::remove) go to the server all the same.
    pub fn skip_remote(mut self) -> Self {
        self.call.remote = false;
        self
    }

    /// Keeps nothing of what this call finds or loads, in either tier.
    pub fn read_only(mut self) -> Self {
        self.call.store = false;
        self
    }

    /// Loads even where a fresh value is at hand, and replaces it in all processes. A load of the key
    /// that is under way in this one counts. Where the load fails, the value that was there is
    /// returned.
    pub fn force_refresh(mut self) -> Self {
        self.call.force = true;
        self
    }

    /// How long past its TTL a stale answer will do for this call, within the value's own stale
    /// window. Zero: no stale answer, and none that the server does not vouch for.
    pub fn max_stale(mut self, most: Duration) -> Self {
        self.call.max_stale = Some(most);
        self
    }

    /// As [`Cache::get`](crate::Cache::get).
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn get(self) -> Option<Arc<V>> {
        Some(self.look_up(Wanted::Fresh).await?.value)
    }

    /// As [`Cache::lookup`](crate::Cache::lookup).
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn lookup(self) -> Option<Found<V>> {
        self.look_up(Wanted::AlsoStale).await
    }

    pub(crate) async fn look_up(self, wanted: Wanted) -> Option<Found<V>> {
        let Ok(at) = self.at() else {
            self.space.counters.missed(Miss::InvalidKey);
            return None;
        };
        self.space.look_up(at, wanted, self.call.clone()).await
    }

    /// What is stored, fresh or stale, for who counts by itself what that comes to.
    #[cfg(feature = "http")]
    pub(crate) async fn peek(self) -> Result<Found<V>, Miss> {
        match self.at() {
            Ok(at) => self.space.peek(at, self.call.clone()).await,
            Err(_) => Err(Miss::InvalidKey),
        }
    }

    /// What this call loads counts as no miss.
    #[cfg(feature = "http")]
    pub(crate) fn uncounted(mut self) -> Self {
        self.call.counts = false;
        self
    }

    /// Counts that a [peek](Self::peek) brought the answer.
    #[cfg(feature = "http")]
    pub(crate) fn count_hit(self, outcome: &Outcome) {
        if let Ok(at) = self.at() {
            self.space
                .count(at.tenant, |counters| counters.answered(outcome));
        }
    }

    /// Counts that it did not.
    #[cfg(feature = "http")]
    pub(crate) fn count_miss(self, why: Miss) {
        match self.at() {
            Ok(at) => self.space.count(at.tenant, |counters| counters.missed(why)),
            Err(_) => self.space.counters.missed(Miss::InvalidKey),
        }
    }

    /// As [`Cache::exists`](crate::Cache::exists).
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn exists(self) -> bool {
        self.get().await.is_some()
    }

    /// As [`Cache::ttl_left`](crate::Cache::ttl_left).
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn ttl_left(self) -> Option<Duration> {
        Some(self.look_up(Wanted::Fresh).await?.outcome.ttl_left)
    }

    /// As [`Cache::set`](crate::Cache::set).
    ///
    /// # Errors
    /// As [`Cache::set`](crate::Cache::set); also where the tenant's name is none.
    ///
    /// # Cancel safety
    /// Once polled, the write goes on to its end even where the future is dropped.
    pub async fn set(self, value: impl IntoValue<V>) -> Result<(), Error> {
        let at = self.at()?;
        self.space
            .set(at, value.into_value(), self.call.clone())
            .await
    }

    /// As [`Cache::remove`](crate::Cache::remove).
    ///
    /// # Errors
    /// As [`Cache::remove`](crate::Cache::remove); also where the tenant's name is none.
    ///
    /// # Cancel safety
    /// Once polled, the removal goes on to its end even where the future is dropped.
    pub async fn remove(self) -> Result<bool, Error> {
        let at = self.at()?;
        self.space.remove(at).await
    }

    /// As [`Cache::get_or_load`](crate::Cache::get_or_load).
    ///
    /// # Errors
    /// As [`Cache::get_or_load`](crate::Cache::get_or_load).
    ///
    /// # Cancel safety
    /// As [`Cache::get_or_load`](crate::Cache::get_or_load).
    pub async fn get_or_load<L, F, E>(self, loader: L) -> Result<Arc<V>, LoadError<E>>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
        E: Display + Send + Sync + 'static,
    {
        Ok(self.lookup_or_load(loader).await?.value)
    }

    /// As [`Cache::lookup_or_load`](crate::Cache::lookup_or_load).
    ///
    /// # Errors
    /// As [`Cache::get_or_load`](crate::Cache::get_or_load).
    ///
    /// # Cancel safety
    /// As [`Cache::get_or_load`](crate::Cache::get_or_load).
    pub async fn lookup_or_load<L, F, E>(self, loader: L) -> Result<Found<V>, LoadError<E>>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
        E: Display + Send + Sync + 'static,
    {
        self.lookup_or_load_with(async |_| Ok(loader().await?.into()))
            .await
    }

    /// [`lookup_or_load`](Self::lookup_or_load) with a loader that is told of its load, and that
    /// says how its value is to be stored.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use larder::{Larder, Load, Loaded};
    ///
    /// # #[derive(Clone, serde::Serialize, serde::Deserialize)]
    /// struct Page { etag: String, body: String }
    ///
    /// /// Asks for the page, unless it still has this tag.
    /// async fn fetch(etag: Option<&str>) -> Result<Option<Page>, std::io::Error> {
    ///     # let body = "Hello".to_owned();
    ///     # Ok((etag != Some("v1")).then(|| Page { etag: "v1".to_owned(), body }))
    ///     // …
    /// }
    ///
    /// let larder = Larder::in_memory().await?;
    /// let pages = larder.cache::<u64, Page>("pages").stale(Duration::from_secs(3600)).build()?;
    /// let page = pages.entry(&7).lookup_or_load_with(async |load: Load<Page>| {
    ///     let known = load.stale().map(|page| page.etag.as_str());
    ///     match fetch(known).await? {
    ///         Some(page) => Ok(Loaded::new(page).ttl(Duration::from_secs(60))),
    ///         None => load.unchanged().ok_or_else(|| std::io::Error::other("never sent")),
    ///     }
    /// }).await?;
    /// assert_eq!(page.body, "Hello");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Cache::get_or_load`](crate::Cache::get_or_load).
    ///
    /// # Cancel safety
    /// As [`Cache::get_or_load`](crate::Cache::get_or_load).
    pub async fn lookup_or_load_with<L, F, E>(self, loader: L) -> Result<Found<V>, LoadError<E>>
    where
        L: FnOnce(Load<V>) -> F,
        F: Future<Output = Result<Loaded<V>, E>>,
        E: Display + Send + Sync + 'static,
    {
        match self.at() {
            Ok(at) => {
                if self.call.near
                    && !self.call.force
                    && let Some((found, stored)) = self.space.near_entry(&at)
                {
                    self.space.slide(&at, &self.call, stored);
                    return Ok(found);
                }
                self.space.fetch(at, self.call.clone(), loader).await
            }
            Err(_) => self.load_unstored(loader).await,
        }
    }

    /// As [`Cache::get_or_spawn`](crate::Cache::get_or_spawn).
    ///
    /// # Errors
    /// As [`Cache::get_or_load`](crate::Cache::get_or_load).
    ///
    /// # Cancel safety
    /// Dropped while it loads, the load goes on in the background.
    pub async fn get_or_spawn<L, F, E>(self, loader: L) -> Result<Arc<V>, LoadError<E>>
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        Ok(self.lookup_or_spawn(loader).await?.value)
    }

    /// [`get_or_spawn`](Self::get_or_spawn), with source, freshness and age beside the value.
    ///
    /// # Errors
    /// As [`Cache::get_or_load`](crate::Cache::get_or_load).
    ///
    /// # Cancel safety
    /// Dropped while it loads, the load goes on in the background.
    pub async fn lookup_or_spawn<L, F, E>(self, loader: L) -> Result<Found<V>, LoadError<E>>
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        self.lookup_or_spawn_with(|_| {
            let loading = loader();
            async { Ok(loading.await?.into()) }
        })
        .await
    }

    /// [`lookup_or_spawn`](Self::lookup_or_spawn) with a loader that is told of its load, and that
    /// says how its value is to be stored: see [`lookup_or_load_with`](Self::lookup_or_load_with).
    ///
    /// # Errors
    /// As [`Cache::get_or_load`](crate::Cache::get_or_load).
    ///
    /// # Cancel safety
    /// Dropped while it loads, the load goes on in the background.
    pub async fn lookup_or_spawn_with<L, F, E>(self, loader: L) -> Result<Found<V>, LoadError<E>>
    where
        L: FnOnce(Load<V>) -> F + Send + 'static,
        F: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        match self.at() {
            Ok(at) => {
                if self.call.near
                    && !self.call.force
                    && let Some((found, stored)) = self.space.near_entry(&at)
                {
                    // What would not be stored would be loaded at each hit.
                    if self.call.store && self.space.is_due(&stored) {
                        self.space.refresh(&at, &self.call, stored, loader);
                    } else {
                        self.space.slide(&at, &self.call, stored);
                    }
                    return Ok(found);
                }
                self.space
                    .fetch_spawned(at, self.call.clone(), loader)
                    .await
            }
            Err(_) => self.load_unstored(loader).await,
        }
    }

    /// For a tenant that cannot be: nothing is looked up, stored or shared.
    async fn load_unstored<L, F, E>(&self, loader: L) -> Result<Found<V>, LoadError<E>>
    where
        L: FnOnce(Load<V>) -> F,
        F: Future<Output = Result<Loaded<V>, E>>,
        E: Display + Send + Sync + 'static,
    {
        if self.call.counts {
            self.space.counters.missed(Miss::InvalidKey);
        }
        self.space.load_alone(loader).await
    }

    #[cfg(feature = "blocking")]
    pub(crate) fn counters(&self) -> &'a Counters {
        &self.space.counters
    }

    fn at(&self) -> Result<NearRef<'_, Q>, Error> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone().into());
        }
        match self.tenant.view() {
            Ok(tenant) => Ok(NearRef::new(tenant.as_ref(), self.key)),
            Err(error) => Err(error.clone().into()),
        }
    }
}

impl<K: Hash + Eq, V, Q: fmt::Debug + ?Sized> fmt::Debug for Entry<'_, K, V, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key)
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}
