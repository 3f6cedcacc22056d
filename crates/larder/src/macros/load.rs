//! A call past a miss: the function runs at most once, whatever the cache does.
//!
//! The function's future stays with its caller ([`Call`]), and the cache's loader only drives it. So where
//! the cache gives up on a load, a function that has no error to say so with goes on where it was, instead
//! of beginning again.

use std::borrow::Borrow;
use std::fmt::Display;
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::returns::{Held, Returned, Settles, TakesFailure};
use crate::cache::Cache;
use crate::entry::Entry;
use crate::key::CacheKey;
use crate::load::{LoadError, Loaded};
use crate::value::CacheValue;

/// What the attribute says of one call.
#[derive(Clone, Debug, Default)]
pub struct With {
    /// How long the value is fresh.
    pub ttl: Option<Duration>,
    /// How long past that it may be served.
    pub stale: Option<Duration>,
    /// The TTL of the answer that there is nothing.
    pub negative_ttl: Option<Duration>,
    /// What it has in common with other values.
    pub tags: Vec<String>,
    /// Whether it is loaded anew in any case.
    pub force: bool,
}

impl With {
    pub(super) fn entry<'a, K, V>(&self, cache: &'a Cache<K, V>, key: &'a K) -> Entry<'a, K, V, K>
    where
        K: CacheKey + Clone + 'static,
        V: CacheValue,
    {
        let mut entry = cache.entry(key);
        if let Some(ttl) = self.ttl {
            entry = entry.ttl(ttl);
        }
        if let Some(stale) = self.stale {
            entry = entry.stale(stale);
        }
        if !self.tags.is_empty() {
            entry = entry.tags(&self.tags);
        }
        if self.force {
            entry = entry.force_refresh();
        }
        entry
    }

    pub(super) fn loaded<T, const INNER: u8>(&self, value: Arc<T::Value>) -> Loaded<T::Value>
    where
        T: Held<INNER>,
    {
        let negative = self.negative_ttl.filter(|_| T::is_absent(&value));
        let loaded = Loaded::from(value);
        match negative {
            Some(ttl) => loaded.ttl(ttl),
            None => loaded,
        }
    }

    /// For calls that have no entry of their own.
    pub(super) fn timed<V>(&self, value: Arc<V>) -> Loaded<V> {
        let mut loaded = Loaded::from(value);
        if let Some(ttl) = self.ttl {
            loaded = loaded.ttl(ttl);
        }
        if let Some(stale) = self.stale {
            loaded = loaded.stale(stale);
        }
        loaded
    }
}

/// The fresh value in this process's memory.
#[inline]
pub fn hit<K, V, Q>(cache: &Cache<K, V>, key: &Q) -> Option<Arc<V>>
where
    K: CacheKey + Clone + Borrow<Q> + 'static,
    V: CacheValue,
    Q: CacheKey + ToOwned<Owned = K> + ?Sized,
{
    cache.near_value(key)
}

/// The same, unless it should be loaded anew in the background.
#[inline]
pub fn hit_unless_due<K, V, Q>(cache: &Cache<K, V>, key: &Q) -> Option<Arc<V>>
where
    K: CacheKey + Clone + Borrow<Q> + 'static,
    V: CacheValue,
    Q: CacheKey + ToOwned<Owned = K> + ?Sized,
{
    cache.near_value_unless_due(key)
}

/// A function that was called: not yet run, running, or done.
struct Call<L, F, V> {
    function: Option<L>,
    running: Option<Pin<Box<F>>>,
    /// What it brought, for the case that the cache does not give it back.
    brought: Option<Arc<V>>,
}

impl<L, F, V> Call<L, F, V>
where
    L: FnOnce() -> F,
    F: Future,
{
    fn new(function: L) -> Self {
        Self {
            function: Some(function),
            running: None,
            brought: None,
        }
    }

    /// Never done where it is done already: it ran to its end, or it panicked.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Taken out first: what panics is not there any more.
        let running = match self.function.take() {
            Some(function) => Some(Box::pin(function())),
            None => self.running.take(),
        };
        let Some(mut running) = running else {
            return Poll::Pending;
        };
        let polled = running.as_mut().poll(cx);
        if polled.is_pending() {
            self.running = Some(running);
        }
        polled
    }

    fn is_over(&self) -> bool {
        self.function.is_none() && self.running.is_none()
    }

    /// As a loader: its value is shared with the cache.
    async fn load<R, const OUTER: u8, const INNER: u8>(
        &mut self,
        with: &With,
    ) -> Result<Loaded<V>, R::Error>
    where
        F: Future<Output = R>,
        R: Returned<OUTER>,
        R::Ok: Held<INNER, Value = V>,
    {
        let returned = poll_fn(|cx| self.poll(cx)).await;
        let value = returned.split()?.into_shared();
        self.brought = Some(Arc::clone(&value));
        Ok(with.loaded::<R::Ok, INNER>(value))
    }

    /// What is left to do where the cache has no answer.
    async fn settle<R, const OUTER: u8, const INNER: u8, const SHARING: u8>(
        mut self,
        error: LoadError<R::Error>,
    ) -> R
    where
        F: Future<Output = R>,
        R: Settles<OUTER, SHARING>,
        R::Ok: Held<INNER, Value = V>,
    {
        if let Some(value) = self.brought {
            return R::ok(Held::of(value));
        }
        let message = match &error {
            LoadError::Panicked(message) if self.is_over() => Some(Arc::clone(message)),
            _ => None,
        };
        if let Some(failed) = R::failed(error) {
            return failed;
        }
        if let Some(message) = message {
            // This call's own panic, which was caught on its way.
            resume_unwind(Box::new(message.to_string()));
        }
        poll_fn(|cx| self.poll(cx)).await
    }
}

/// The value under `key`, or what `function` returns, which then is in the cache.
pub async fn load<R, K, V, L, F, const OUTER: u8, const INNER: u8, const SHARING: u8>(
    cache: Cache<K, V>,
    key: K,
    with: With,
    function: L,
) -> R
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
    L: FnOnce() -> F,
    F: Future<Output = R>,
    R: Settles<OUTER, SHARING>,
    R::Ok: Held<INNER, Value = V>,
    R::Error: Display + Send + Sync + 'static,
{
    let mut call = Call::new(function);
    let found = {
        let (call, with) = (&mut call, &with);
        let entry = with.entry(&cache, &key);
        entry
            .lookup_or_load_with(move |_| call.load::<R, OUTER, INNER>(with))
            .await
    };
    match found {
        Ok(found) => R::ok(Held::of(found.value)),
        Err(error) => call.settle::<R, OUTER, INNER, SHARING>(error).await,
    }
}

/// The same with a function that owns what it needs and runs in a task of its own: it can take longer than
/// its caller waits, and replace a value before that expires. What it returns must be a `Result`, since
/// such a load may take too long or end with its runtime, and beginning again would run it twice.
///
/// # Errors
/// The function's own, or what its type makes of the load's failure.
pub async fn load_spawned<T, E, K, V, L, F, const INNER: u8, const SHARING: u8>(
    cache: Cache<K, V>,
    key: K,
    with: With,
    function: L,
) -> Result<T, E>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
    L: FnOnce() -> F + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Held<INNER, Value = V>,
    E: TakesFailure<SHARING> + Display + Send + Sync + 'static,
{
    let told = with.clone();
    let entry = with.entry(&cache, &key);
    let found = entry.lookup_or_spawn_with(move |_| async move {
        let value = function().await?.into_shared();
        Ok(told.loaded::<T, INNER>(value))
    });
    match found.await {
        Ok(found) => Ok(Held::of(found.value)),
        Err(error) => Err(E::of_failure(error)),
    }
}
