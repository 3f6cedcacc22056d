//! The larder: one for a process. It owns the way to the server and opens caches.

mod builder;
#[cfg(feature = "metrics")]
mod export;
mod groups;
mod open;

#[cfg(feature = "macros")]
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
#[cfg(feature = "macros")]
use parking_lot::RwLock;
use tokio::time::timeout;

use crate::cache::{CacheBuilder, NearUsage, TenantView};
use crate::config::Config;
use crate::error::Error;
use crate::health::{CacheHealth, Health, NearTrust};
use crate::key::CacheKey;
use crate::space::Shared;
use crate::tenant::{TenantHealth, TenantOptions};
#[cfg(feature = "http")]
use crate::time::Clock;
use crate::value::CacheValue;

use open::{Open, View};

pub use builder::LarderBuilder;

/// How long a close waits for what is under way: a call's remote work at its default timeout, and
/// some more, as a container's grace period of 30 seconds has to do for the rest of the program too.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// A process's caches and their way to the server.
///
/// One is enough for a process; clones are cheap and share everything. When the last clone and the
/// last cache are gone, its connections end; [`close`](Self::close) ends them in an orderly way.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), larder::Error> {
/// use larder::{Cache, Larder};
///
/// let larder = Larder::from_env().await?; // memory, Valkey or Redis
/// let users: Cache<u64, String> = larder.cache("users").build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Larder {
    inner: Arc<Inner>,
    tenant: TenantView,
}

struct Inner {
    config: Config,
    shared: Arc<Shared>,
    /// The open caches by name. They hold `shared` and not this, so nothing holds itself.
    open: Mutex<HashMap<String, Open>>,
    /// Handles of functions that are passed this larder: each a `Cache<K, V>` without a tenant.
    #[cfg(feature = "macros")]
    remembered: RwLock<HashMap<(Remembered, TypeId), Box<dyn Any + Send + Sync>>>,
    #[cfg(feature = "valkey")]
    valkey: Option<Arc<crate::remote::valkey::Valkey>>,
}

/// The place of a function, and the type whose method it is.
#[cfg(feature = "macros")]
pub(crate) type Remembered = (usize, TypeId);

impl Larder {
    /// A larder as the environment configures it: in memory, on Valkey or on Redis. The variables
    /// are in the documentation of [`config`](crate::config).
    ///
    /// A server that cannot be reached is no error: the larder starts without it, says so in
    /// [`health`](Self::health), and uses it as soon as it comes.
    ///
    /// # Errors
    /// Where a variable's value is not allowed, or the server refuses the user, the password or
    /// the database, keeps the user from what larder needs, or is no Valkey or Redis.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn from_env() -> Result<Self, Error> {
        Self::with(Config::from_env()?).await
    }

    /// A larder with `config`.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn with(config: Config) -> Result<Self, Error> {
        Self::builder().config(config).build().await
    }

    /// A larder that keeps everything in the memory of this process.
    ///
    /// # Errors
    /// None in practice: the default configuration is sound.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn in_memory() -> Result<Self, Error> {
        Self::with(Config::builder().build()?).await
    }

    /// Builds a larder of given parts: configuration, remote, clock.
    pub fn builder() -> LarderBuilder {
        LarderBuilder::default()
    }

    /// Opens the cache called `name`, or takes it up where it is open.
    pub fn cache<K, V>(&self, name: impl Into<String>) -> CacheBuilder<K, V>
    where
        K: CacheKey + Clone + 'static,
        V: CacheValue,
    {
        CacheBuilder::new(self.clone(), name.into())
    }

    /// A view of one tenant: caches opened from it hold that tenant's keys.
    ///
    /// With a name that no tenant can have, the caches of the view find nothing, load without
    /// storing, and their writes return the error.
    #[must_use]
    pub fn tenant(&self, name: impl AsRef<str>) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            tenant: self.inner.shared.accounts.tenant(name.as_ref()).map(Some),
        }
    }

    /// Gives a tenant options of its own, in place of those of
    /// [`each`](LarderBuilder::tenants). They hold from now on, in all caches, and can be changed at any time.
    ///
    /// Its first floor or ceiling makes the tenant a place of its own in memory, which begins empty: what
    /// it had near is asked for again, and without a server it is gone. So configure tenants first.
    ///
    /// # Errors
    /// Where the name can be no tenant's or an option is out of its range; and for a tenant that is not
    /// known yet, where more than a thousand others came before it, or 4,095 are configured.
    pub fn configure_tenant(
        &self,
        name: impl AsRef<str>,
        options: TenantOptions,
    ) -> Result<(), Error> {
        let shared = &self.inner.shared;
        let tenant = shared.accounts.configure(name.as_ref(), options)?;
        // What is evicted is dropped while nothing is locked.
        for view in self.views() {
            view.configured(&tenant);
        }
        Ok(())
    }

    /// How each tenant fares in this process, by name: those that were configured, and the first thousand
    /// others that were met. All others together come last.
    pub fn tenants(&self) -> Vec<TenantHealth> {
        let views = self.views();
        let accounts = self.inner.shared.accounts.list().into_iter();
        accounts
            .map(|(tenant, account)| TenantHealth {
                stats: account.counters.snapshot(),
                loading: account.loading(),
                near: tenant.as_ref().and_then(|tenant| {
                    let parts = views.iter().filter_map(|view| view.usage_of(tenant));
                    parts.reduce(NearUsage::and)
                }),
                name: tenant.map(|tenant| tenant.as_str().to_owned()),
            })
            .collect()
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// How both tiers are. Asks the server, for no longer than its timeout.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn health(&self) -> Health {
        let shared = &self.inner.shared;
        let remote = shared.remote.health(shared.deadline()).await;
        let mut caches: Vec<_> = self
            .inner
            .open
            .lock()
            .iter()
            .map(|(name, open)| CacheHealth {
                name: name.clone(),
                near: open.view.usage(),
                stats: open.view.stats(),
            })
            .collect();
        caches.sort_by(|a, b| a.name.cmp(&b.name));
        Health {
            enabled: shared.enabled,
            closed: shared.gate.is_closed(),
            remote,
            near: match shared.recovery {
                Some(_) => shared.watch.health(),
                None => NearTrust::Alone,
            },
            pending_writes: shared
                .recovery
                .as_ref()
                .map_or(0, |recovery| recovery.len()),
            caches,
        }
    }

    /// Closes the larder: waits for what is under way, for ten seconds at most, ends the connections
    /// and empties the memory. Afterwards lookups miss, loaders run without the cache, and writes
    /// return [`Error::Closed`]. Closing again does nothing.
    ///
    /// [`close_within`](Self::close_within) waits for another time, and says what becomes of a load
    /// that takes longer.
    ///
    /// # Cancel safety
    /// As [`close_within`](Self::close_within).
    pub async fn close(&self) {
        self.close_within(CLOSE_PATIENCE).await;
    }

    /// [`close`](Self::close), waiting for at most `patience`; whether everything ended in time.
    ///
    /// A load that takes longer, one that itself awaits the close included, goes on to its end. Its
    /// callers get what it brings, and it is stored nowhere. A write that takes longer ends with an
    /// error; the server may have taken it.
    ///
    /// # Cancel safety
    /// Nothing new is let in from the first poll on. Dropped before its end, the connections stay
    /// until it is called again or the larder is dropped.
    pub async fn close_within(&self, patience: Duration) -> bool {
        let shared = &self.inner.shared;
        shared.sweeper.close();
        let all_ended = timeout(patience, shared.gate.close()).await.is_ok();
        if !all_ended {
            tracing::warn!(
                target: "larder",
                ?patience, unfinished = shared.gate.inside(),
                "the larder closes while loads or writes are still under way"
            );
        }
        // Before the memory is emptied: what lands later must not stay there.
        shared.gate.end();
        shared.remote.close().await;
        self.forget();
        all_ended
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.inner.shared.gate.is_closed()
    }

    /// A handle for raw commands on the larder's own connection; `None` where there is no server.
    #[cfg(feature = "valkey")]
    pub fn remote_client(&self) -> Option<crate::remote::valkey::Client> {
        Some(self.inner.valkey.as_ref()?.client())
    }

    /// Where its tasks run.
    #[cfg(any(feature = "blocking", feature = "http"))]
    pub(crate) fn runtime(&self) -> tokio::runtime::Handle {
        self.inner.shared.runtime.clone()
    }

    /// Where it reads the time.
    #[cfg(feature = "http")]
    pub(crate) fn clock(&self) -> Clock {
        self.inner.shared.clock.clone()
    }

    /// Frees this process's memory of all caches.
    fn forget(&self) {
        for view in self.views() {
            view.forget();
        }
    }

    fn views(&self) -> Vec<Arc<dyn View>> {
        let open = self.inner.open.lock();
        open.values().map(|open| Arc::clone(&open.view)).collect()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn default_ttl(&self, memory_only: bool) -> Duration {
        if memory_only || !self.inner.shared.remote.stores() {
            self.inner.config.memory_ttl
        } else {
            self.inner.config.remote_ttl
        }
    }
}

impl fmt::Debug for Larder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Larder")
            .field("config", &self.inner.config)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
