//! The larder: one for a process.

use std::time::Duration;

use tokio::runtime::Handle;

use super::builder::CacheBuilder;
use super::runtime::Runtime;
use super::sweep::Sweep;
use crate::config::Config;
use crate::error::Error;
use crate::health::Health;
use crate::key::CacheKey;
use crate::remote::Remote;
use crate::scope::Strength;
use crate::sweep::Erased;
use crate::tenant::{TenantHealth, TenantOptions};
use crate::time::Clock;
use crate::value::CacheValue;

/// [`larder::Larder`](crate::Larder), for programs that are not async.
///
/// ```
/// # fn main() -> Result<(), larder::Error> {
/// use larder::blocking::{Cache, Larder};
///
/// let larder = Larder::from_env()?; // memory, Valkey or Redis
/// let users: Cache<u64, String> = larder.cache("users").build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Larder {
    inner: crate::Larder,
    runtime: Runtime,
}

impl Larder {
    /// As [`Larder::from_env`](crate::Larder::from_env), on a thread of its own.
    ///
    /// # Errors
    /// As [`Larder::from_env`](crate::Larder::from_env); where the system has no thread, and
    /// [`Error::InAsyncTask`].
    pub fn from_env() -> Result<Self, Error> {
        Self::with(Config::from_env()?)
    }

    /// As [`Larder::with`](crate::Larder::with).
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn with(config: Config) -> Result<Self, Error> {
        Self::builder().config(config).build()
    }

    /// As [`Larder::in_memory`](crate::Larder::in_memory).
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn in_memory() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Builds a larder of given parts: configuration, remote, clock, runtime.
    pub fn builder() -> LarderBuilder {
        LarderBuilder::default()
    }

    /// A blocking handle of an async larder. It runs where that one was built: that runtime has to be
    /// running while calls are made.
    pub fn wrap(larder: crate::Larder) -> Self {
        let runtime = Runtime::given(larder.runtime());
        Self::of(larder, runtime)
    }

    pub(super) fn of(inner: crate::Larder, runtime: Runtime) -> Self {
        Self { inner, runtime }
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    #[cfg(feature = "json")]
    pub(super) fn any(&self, cache: crate::AnyCache) -> super::AnyCache {
        super::AnyCache::new(cache, self.runtime.clone())
    }

    /// The async larder behind this one, for the parts of a program that are async. It works while this
    /// handle, or a clone or a cache of it, is there.
    pub fn as_async(&self) -> &crate::Larder {
        &self.inner
    }

    /// Opens the cache called `name`, or takes it up where it is open.
    pub fn cache<K, V>(&self, name: impl Into<String>) -> CacheBuilder<K, V>
    where
        K: CacheKey + Clone + 'static,
        V: CacheValue,
    {
        CacheBuilder::new(self.inner.cache(name), self.runtime.clone())
    }

    /// A view of one tenant: as [`Larder::tenant`](crate::Larder::tenant).
    #[must_use]
    pub fn tenant(&self, name: impl AsRef<str>) -> Self {
        Self::of(self.inner.tenant(name), self.runtime.clone())
    }

    /// As [`Larder::configure_tenant`](crate::Larder::configure_tenant).
    ///
    /// # Errors
    /// As [`Larder::configure_tenant`](crate::Larder::configure_tenant).
    pub fn configure_tenant(
        &self,
        name: impl AsRef<str>,
        options: TenantOptions,
    ) -> Result<(), Error> {
        self.inner.configure_tenant(name, options)
    }

    /// As [`Larder::tenants`](crate::Larder::tenants).
    pub fn tenants(&self) -> Vec<TenantHealth> {
        self.inner.tenants()
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        self.inner.config()
    }

    /// How both tiers are: as [`Larder::health`](crate::Larder::health).
    ///
    /// # Errors
    /// [`Error::InAsyncTask`] alone.
    pub fn health(&self) -> Result<Health, Error> {
        Ok(self.runtime.run(self.inner.health())?)
    }

    /// Closes the larder, as [`Larder::close`](crate::Larder::close), and ends its own thread.
    ///
    /// # Errors
    /// [`Error::InAsyncTask`] alone: the larder stays open then.
    pub fn close(&self) -> Result<(), Error> {
        self.runtime.run(self.inner.close())?;
        self.runtime.end();
        Ok(())
    }

    /// Closes the larder, as [`Larder::close_within`](crate::Larder::close_within), and ends its own
    /// thread; whether everything ended in time.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn close_within(&self, patience: Duration) -> Result<bool, Error> {
        let all_ended = self.runtime.run(self.inner.close_within(patience))?;
        self.runtime.end();
        Ok(all_ended)
    }

    /// Whether the larder was closed.
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// As [`Larder::invalidate_tag`](crate::Larder::invalidate_tag).
    ///
    /// ```
    /// # fn main() -> Result<(), larder::Error> {
    /// let larder = larder::blocking::Larder::in_memory()?;
    /// let users: larder::blocking::Cache<u64, String> = larder.cache("users").build()?;
    /// users.entry(&42).tags(["team:7"]).set("Ann")?;
    ///
    /// larder.invalidate_tag("team:7")?;
    /// assert!(users.get(&42).is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Larder::invalidate_tag`](crate::Larder::invalidate_tag), and [`Error::InAsyncTask`].
    pub fn invalidate_tag(&self, tag: impl AsRef<str>) -> Result<(), Error> {
        self.runtime.run(self.inner.invalidate_tag(tag))?
    }

    /// As [`Larder::invalidate_tags`](crate::Larder::invalidate_tags).
    ///
    /// # Errors
    /// As [`invalidate_tag`](Self::invalidate_tag).
    pub fn invalidate_tags<T: AsRef<str>>(
        &self,
        tags: impl IntoIterator<Item = T>,
        strength: Strength,
    ) -> Result<(), Error> {
        self.runtime
            .run(self.inner.invalidate_tags(tags, strength))?
    }

    /// As [`Larder::invalidate`](crate::Larder::invalidate).
    ///
    /// # Errors
    /// As [`invalidate_tag`](Self::invalidate_tag).
    pub fn invalidate(&self, strength: Strength) -> Result<(), Error> {
        self.runtime.run(self.inner.invalidate(strength))?
    }

    /// As [`Larder::clear`](crate::Larder::clear).
    ///
    /// ```
    /// # fn main() -> Result<(), larder::Error> {
    /// let larder = larder::blocking::Larder::in_memory()?;
    /// let users: larder::blocking::Cache<u64, String> = larder.cache("users").build()?;
    /// users.set(&42, "Ann")?;
    ///
    /// let sweep = larder.clear()?;
    /// assert!(users.get(&42).is_none());
    /// sweep.finished()?; // for who wants to wait for the server's memory too
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`invalidate_tag`](Self::invalidate_tag).
    pub fn clear(&self) -> Result<Sweep, Error> {
        let sweep = self.runtime.run(self.inner.clear())??;
        Ok(Sweep::new(sweep, self.runtime.clone()))
    }

    /// As [`Larder::clear_untenanted`](crate::Larder::clear_untenanted).
    ///
    /// # Errors
    /// As [`invalidate_tag`](Self::invalidate_tag).
    pub fn clear_untenanted(&self) -> Result<Sweep, Error> {
        let sweep = self.runtime.run(self.inner.clear_untenanted())??;
        Ok(Sweep::new(sweep, self.runtime.clone()))
    }

    /// As [`Larder::sweep`](crate::Larder::sweep).
    pub fn sweep(&self) -> Sweep {
        Sweep::new(self.inner.sweep(), self.runtime.clone())
    }

    /// As [`Larder::erase`](crate::Larder::erase).
    ///
    /// # Errors
    /// As [`Larder::erase`](crate::Larder::erase), and [`Error::InAsyncTask`].
    pub fn erase(&self) -> Result<Erased, Error> {
        self.runtime.run(self.inner.erase())?
    }
}

/// Builds a [`Larder`] of given parts.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // A program that has a runtime of its own, whose threads serve the cache as well.
/// let runtime = tokio::runtime::Runtime::new()?;
/// let larder = larder::blocking::Larder::builder().runtime(runtime.handle().clone()).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "a larder is built by `build()`"]
pub struct LarderBuilder {
    inner: crate::LarderBuilder,
    runtime: Option<Handle>,
}

impl LarderBuilder {
    /// The runtime that serves connections and timers, in place of a thread of the larder's own. It has to
    /// be running while calls are made: one of a single thread does so only while that thread is in its
    /// `block_on`. Its time and I/O drivers have to be enabled.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// As [`LarderBuilder::config`](crate::LarderBuilder::config).
    pub fn config(mut self, config: Config) -> Self {
        self.inner = self.inner.config(config);
        self
    }

    /// As [`LarderBuilder::remote`](crate::LarderBuilder::remote).
    pub fn remote(mut self, remote: impl Remote) -> Self {
        self.inner = self.inner.remote(remote);
        self
    }

    /// As [`LarderBuilder::clock`](crate::LarderBuilder::clock).
    pub fn clock(mut self, clock: Clock) -> Self {
        self.inner = self.inner.clock(clock);
        self
    }

    /// As [`LarderBuilder::tenants`](crate::LarderBuilder::tenants).
    pub fn tenants(mut self, each: TenantOptions) -> Self {
        self.inner = self.inner.tenants(each);
        self
    }

    /// Builds the larder, and waits for the end of the first attempt to connect.
    ///
    /// # Errors
    /// As [`Larder::from_env`].
    pub fn build(self) -> Result<Larder, Error> {
        let runtime = match self.runtime {
            Some(handle) => Runtime::given(handle),
            None => Runtime::own()?,
        };
        let inner = runtime.run(self.inner.build())??;
        Ok(Larder { inner, runtime })
    }
}
