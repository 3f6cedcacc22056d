//! One call with its own options.

use std::borrow::Borrow;
use std::fmt::{self, Display};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::loader::in_thread;
use super::runtime::{Caller, Runtime};
use crate::error::Error;
use crate::key::CacheKey;
use crate::load::{Load, LoadError, Loaded};
use crate::outcome::Found;
use crate::space::Wanted;
use crate::value::{CacheValue, IntoValue};

/// One call with its own options. Made by [`Cache::entry`](super::Cache::entry).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use larder::blocking::{Cache, Larder};
///
/// let larder = Larder::in_memory()?;
/// let users: Cache<u64, String> = larder.cache("users").build()?;
/// let user = users
///     .entry(&42)
///     .tenant("acme")
///     .tags(["team:7"])
///     .ttl(Duration::from_secs(30))
///     .get_or_load(|| Ok::<_, std::io::Error>("Ann".to_owned()))?;
/// assert_eq!(*user, "Ann");
/// assert!(users.get(&42).is_none(), "it is the tenant's");
/// # Ok(())
/// # }
/// ```
#[must_use = "an entry does nothing until one of its calls is made"]
pub struct Entry<'a, K: Hash + Eq, V, Q: ?Sized> {
    inner: crate::Entry<'a, K, V, Q>,
    runtime: &'a Runtime,
}

/// Setters that hand on to those of the async entry.
macro_rules! options {
    ($($name:ident($($arg:ident: $type:ty)?);)+) => {$(
        #[doc = concat!("As [`Entry::", stringify!($name), "`](crate::Entry::", stringify!($name), ").")]
        pub fn $name(mut self $(, $arg: $type)?) -> Self {
            self.inner = self.inner.$name($($arg)?);
            self
        }
    )+};
}

impl<'a, K, V, Q> Entry<'a, K, V, Q>
where
    K: CacheKey + Clone + Borrow<Q> + 'static,
    V: CacheValue,
    Q: CacheKey + ToOwned<Owned = K> + ?Sized,
{
    pub(super) fn new(inner: crate::Entry<'a, K, V, Q>, runtime: &'a Runtime) -> Self {
        Self { inner, runtime }
    }

    options! {
        tenant(name: impl AsRef<str>);
        ttl(ttl: Duration);
        stale(stale: Duration);
        skip_near();
        skip_remote();
        read_only();
        force_refresh();
        max_stale(most: Duration);
    }

    /// As [`Entry::tags`](crate::Entry::tags).
    pub fn tags<T: AsRef<str>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.inner = self.inner.tags(tags);
        self
    }

    /// As [`Cache::get`](super::Cache::get).
    pub fn get(self) -> Option<Arc<V>> {
        Some(self.look_up(Wanted::Fresh)?.value)
    }

    /// As [`Cache::lookup`](super::Cache::lookup).
    pub fn lookup(self) -> Option<Found<V>> {
        self.look_up(Wanted::AlsoStale)
    }

    /// As [`Cache::exists`](super::Cache::exists).
    pub fn exists(self) -> bool {
        self.get().is_some()
    }

    /// As [`Cache::ttl_left`](super::Cache::ttl_left).
    pub fn ttl_left(self) -> Option<Duration> {
        Some(self.look_up(Wanted::Fresh)?.outcome.ttl_left)
    }

    fn look_up(self, wanted: Wanted) -> Option<Found<V>> {
        let counters = self.inner.counters();
        let Some(found) = self.runtime.read(self.inner.look_up(wanted)) else {
            counters.misses_in_async_task.up();
            return None;
        };
        found
    }

    /// As [`Cache::set`](super::Cache::set).
    ///
    /// # Errors
    /// As [`Cache::set`](super::Cache::set); also where the tenant's name is none.
    pub fn set(self, value: impl IntoValue<V>) -> Result<(), Error> {
        self.runtime.run(self.inner.set(value))?
    }

    /// As [`Cache::remove`](super::Cache::remove).
    ///
    /// # Errors
    /// As [`Cache::remove`](super::Cache::remove); also where the tenant's name is none.
    pub fn remove(self) -> Result<bool, Error> {
        self.runtime.run(self.inner.remove())?
    }

    /// As [`Cache::get_or_load`](super::Cache::get_or_load).
    ///
    /// # Errors
    /// As [`Cache::get_or_load`](super::Cache::get_or_load).
    pub fn get_or_load<L, E>(self, loader: L) -> Result<Arc<V>, LoadError<E>>
    where
        L: FnOnce() -> Result<V, E>,
        E: Display + Send + Sync + 'static,
    {
        Ok(self.lookup_or_load(loader)?.value)
    }

    /// [`get_or_load`](Self::get_or_load), with source, freshness and age beside the value.
    ///
    /// # Errors
    /// As [`Cache::get_or_load`](super::Cache::get_or_load).
    pub fn lookup_or_load<L, E>(self, loader: L) -> Result<Found<V>, LoadError<E>>
    where
        L: FnOnce() -> Result<V, E>,
        E: Display + Send + Sync + 'static,
    {
        self.lookup_or_load_with(|_| Ok(loader()?.into()))
    }

    /// [`lookup_or_load`](Self::lookup_or_load) with a loader that is told of its load, and that says
    /// how its value is to be stored: see
    /// [`Entry::lookup_or_load_with`](crate::Entry::lookup_or_load_with).
    ///
    /// # Errors
    /// As [`Cache::get_or_load`](super::Cache::get_or_load).
    pub fn lookup_or_load_with<L, E>(self, loader: L) -> Result<Found<V>, LoadError<E>>
    where
        L: FnOnce(Load<V>) -> Result<Loaded<V>, E>,
        E: Display + Send + Sync + 'static,
    {
        let caller = Caller::here();
        let loader = async |load| caller.within(|| loader(load));
        self.runtime.run(self.inner.lookup_or_load_with(loader))?
    }

    /// As [`Cache::get_or_spawn`](super::Cache::get_or_spawn).
    ///
    /// # Errors
    /// As [`Cache::get_or_load`](super::Cache::get_or_load).
    pub fn get_or_spawn<L, E>(self, loader: L) -> Result<Arc<V>, LoadError<E>>
    where
        L: FnOnce() -> Result<V, E> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        Ok(self.lookup_or_spawn(loader)?.value)
    }

    /// [`get_or_spawn`](Self::get_or_spawn), with source, freshness and age beside the value.
    ///
    /// # Errors
    /// As [`Cache::get_or_load`](super::Cache::get_or_load).
    pub fn lookup_or_spawn<L, E>(self, loader: L) -> Result<Found<V>, LoadError<E>>
    where
        L: FnOnce() -> Result<V, E> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        self.lookup_or_spawn_with(|_| Ok(loader()?.into()))
    }

    /// [`lookup_or_spawn`](Self::lookup_or_spawn) with a loader that is told of its load, and that
    /// says how its value is to be stored.
    ///
    /// # Errors
    /// As [`Cache::get_or_load`](super::Cache::get_or_load).
    pub fn lookup_or_spawn_with<L, E>(self, loader: L) -> Result<Found<V>, LoadError<E>>
    where
        L: FnOnce(Load<V>) -> Result<Loaded<V>, E> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        let handle = self.runtime.handle().clone();
        let loader = |load| in_thread(handle, move || loader(load));
        self.runtime.run(self.inner.lookup_or_spawn_with(loader))?
    }
}

impl<K: Hash + Eq, V, Q: fmt::Debug + ?Sized> fmt::Debug for Entry<'_, K, V, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}
