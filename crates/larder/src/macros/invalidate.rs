//! What is invalidated once a function has succeeded.
//!
//! Everything is decided before the function runs, since that may consume its arguments, and begun in the
//! same poll that ends it. An invalidation that was begun runs to its end, so a caller who leaves then
//! leaves nothing half done.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures_util::future::join_all;

use super::sync::wait_for;
use crate::cache::Cache;
use crate::error::Error;
use crate::global;
use crate::key::CacheKey;
use crate::larder::Larder;
use crate::scope::Strength;
use crate::value::CacheValue;

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// The invalidation of a cached function's value: what the companion `…_invalidate` of a function under
/// [`cached`](macro@crate::cached) returns. It does nothing until it is awaited, or [waited](Self::wait) for.
///
/// Awaited it is a `Result<bool, Error>`: whether there was a value, as [`Cache::remove`]. Once polled it
/// goes on to its end, even where it is dropped.
#[must_use = "nothing is invalidated before this is awaited"]
pub struct Invalidation(Boxed<bool>);

impl Invalidation {
    /// One that cannot be.
    #[doc(hidden)]
    pub fn failed(error: Error) -> Self {
        Self(Box::pin(std::future::ready(Err(error))))
    }

    /// Waits for it on this thread, for programs that are not async.
    ///
    /// # Errors
    /// As [`Cache::remove`]. Within an async task, where nothing may wait for the server:
    /// [`Error::NotAwaited`]; then this process has forgotten the value, and the server is told of it in
    /// the background.
    pub fn wait(self) -> Result<bool, Error> {
        wait_for(self).unwrap_or(Err(Error::NotAwaited))
    }
}

impl Future for Invalidation {
    type Output = Result<bool, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Invalidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalidation").finish_non_exhaustive()
    }
}

/// Of one key.
pub fn one<K, V>(cache: Cache<K, V>, key: K) -> Invalidation
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    Invalidation(Box::pin(async move { cache.remove(&key).await }))
}

/// Of several; whether there was any of them.
pub fn many<K, V>(cache: Cache<K, V>, keys: Vec<K>) -> Invalidation
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    Invalidation(Box::pin(async move {
        let mut any = false;
        let mut failed = None;
        for removed in join_all(keys.iter().map(|key| cache.remove(key))).await {
            match removed {
                Ok(there) => any |= there,
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(any), Err)
    }))
}

/// Something that a function invalidates.
pub struct Task(Boxed<()>);

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

impl Task {
    /// What a companion returns.
    pub fn of(invalidation: Invalidation) -> Self {
        Self(Box::pin(async move { invalidation.await.map(drop) }))
    }

    /// Keys of a cache.
    pub fn keys<K, V>(cache: Cache<K, V>, keys: Vec<K>) -> Self
    where
        K: CacheKey + Clone + 'static,
        V: CacheValue,
    {
        Self::of(many(cache, keys))
    }

    /// Keys of a cache that look like one of these.
    pub fn patterns<K, V>(cache: Cache<K, V>, patterns: Vec<String>) -> Self
    where
        K: CacheKey + Clone + 'static,
        V: CacheValue,
    {
        Self(Box::pin(async move {
            let removals = patterns
                .iter()
                .map(|pattern| cache.remove_matching(pattern));
            let mut done = join_all(removals).await.into_iter();
            done.try_for_each(|removed| removed.map(drop))
        }))
    }

    /// All of a cache.
    pub fn whole<K, V>(cache: Cache<K, V>) -> Self
    where
        K: CacheKey + Clone + 'static,
        V: CacheValue,
    {
        Self(Box::pin(async move { cache.clear().await.map(drop) }))
    }

    /// All that has one of these tags.
    pub fn tags(larder: Option<Larder>, tags: Vec<String>) -> Self {
        Self(Box::pin(async move {
            let larder = larder.ok_or(Error::NotInstalled)?;
            larder.invalidate_tags(tags, Strength::Remove).await
        }))
    }

    /// All that is one of these tenants'.
    pub fn tenants(larder: Option<Larder>, tenants: Vec<String>) -> Self {
        Self(Box::pin(async move {
            let larder = larder.ok_or(Error::NotInstalled)?;
            let views: Vec<_> = tenants.iter().map(|tenant| larder.tenant(tenant)).collect();
            let mut done = join_all(views.iter().map(Larder::clear)).await.into_iter();
            done.try_for_each(|cleared| cleared.map(drop))
        }))
    }
}

/// The larder that is meant where none is passed.
pub fn process_wide() -> Option<Larder> {
    global::handle()
}

/// In which process-wide larder's time it was said that there is none.
#[derive(Debug, Default)]
pub struct Told(AtomicU64);

impl Told {
    /// In none.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Whether it is said already; it is, from then on.
    fn is_said(&self) -> bool {
        self.is_said_in(global::generation())
    }

    fn is_said_in(&self, generation: u64) -> bool {
        self.0.swap(generation + 1, Ordering::Relaxed) == generation + 1
    }
}

/// Does it all at once. What fails is logged: it is tried again by itself where the server could not be
/// reached, and the function has done its work. That there is no larder is logged once.
pub async fn all(function: &'static str, told: &Told, tasks: Vec<Task>) {
    for outcome in join_all(tasks.into_iter().map(|task| task.0)).await {
        if let Err(error) = outcome {
            if matches!(error, Error::NotInstalled) && told.is_said() {
                continue;
            }
            tracing::warn!(
                target: "larder",
                function, %error,
                "a function has succeeded, and not all that it invalidates is invalidated yet"
            );
        }
    }
}

/// The same for a function that is not async. In an async task it does not wait for the server: this process
/// has forgotten the values, and the rest goes on.
pub fn all_blocking(function: &'static str, told: &Told, tasks: Vec<Task>) {
    let _done = wait_for(all(function, told, tasks));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_there_is_no_larder_is_said_once_for_each() {
        let told = Told::new();
        let said = [0, 0, 0, 1, 1].map(|generation| told.is_said_in(generation));
        assert_eq!(said, [false, true, true, false, true]);
    }
}
