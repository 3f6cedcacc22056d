//! Functions that are not async, and the cache, which is.
//!
//! A hit is answered in any place. What comes after a miss depends on where the caller stands:
//!
//! - On a plain thread, and in `spawn_blocking`, it waits as an async caller does. The thread itself drives
//!   the load; its timers are those of a small runtime, which is made once.
//! - In an async task nothing may wait. A load that waits for nobody is driven to its end at once, which is
//!   so for caches in memory whose key no other call is loading. Else the function runs by itself, once, and
//!   stores nothing.
//!
//! [`wait`](crate::wait) says where a thread may wait.
//!
//! A function may call another one that is cached: it runs within a poll, but not within tokio's, so the
//! inner one waits like the outer one.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::future::{Future, pending};
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::thread;

use tokio::runtime::{Builder, Handle};

use super::load::With;
use super::returns::{Held, Settles};
use crate::cache::Cache;
use crate::key::CacheKey;
use crate::load::LoadError;
use crate::value::CacheValue;
use crate::wait::{block_on, may_wait};

/// The runtime of the timers. `None`: the system gave no thread for it.
fn timers() -> Option<&'static Handle> {
    static TIMERS: OnceLock<Option<Handle>> = OnceLock::new();
    let make = || {
        let runtime = Builder::new_current_thread().enable_time().build().ok()?;
        let handle = runtime.handle().clone();
        let thread = thread::Builder::new().name("larder-timers".to_owned());
        thread
            .spawn(move || runtime.block_on(pending::<()>()))
            .ok()?;
        Some(handle)
    };
    TIMERS.get_or_init(make).as_ref()
}

/// Waits for `future`; where that is not possible, polls it once. `None`: it was not done.
pub fn wait_for<T>(future: impl Future<Output = T>) -> Option<T> {
    let timers = timers()?;
    let may_wait = may_wait();
    let mut future = pin!(future);
    let _timers = timers.enter();
    if may_wait {
        return Some(block_on(future));
    }
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// The value under `key`, or what `function` returns, which then is in the cache where that was possible.
pub fn load_blocking<R, K, V, L, const OUTER: u8, const INNER: u8, const SHARING: u8>(
    cache: &Cache<K, V>,
    key: &K,
    with: &With,
    function: L,
) -> R
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
    L: FnOnce() -> R,
    R: Settles<OUTER, SHARING>,
    R::Ok: Held<INNER, Value = V>,
    R::Error: Display + Send + Sync + 'static,
{
    // The load of a cache with a server waits for that, before and after the function.
    if cache.has_server() && !(timers().is_some() && may_wait()) {
        return function();
    }
    let (function, brought) = (Cell::new(Some(function)), RefCell::new(None));
    let load = with.entry(cache, key).lookup_or_load_with(|_| async {
        let Some(function) = function.take() else {
            // A loader is called once.
            return std::future::pending().await;
        };
        let value = function().split()?.into_shared();
        brought.replace(Some(Arc::clone(&value)));
        Ok(with.loaded::<R::Ok, INNER>(value))
    });
    let error = match wait_for(load) {
        Some(Ok(found)) => return R::ok(Held::of(found.value)),
        Some(Err(error)) => Some(error),
        None => None,
    };
    settle::<R, V, L, OUTER, INNER, SHARING>(error, function.into_inner(), brought.into_inner())
}

/// What is left to do where the cache has no answer.
fn settle<R, V, L, const OUTER: u8, const INNER: u8, const SHARING: u8>(
    error: Option<LoadError<R::Error>>,
    function: Option<L>,
    brought: Option<Arc<V>>,
) -> R
where
    L: FnOnce() -> R,
    R: Settles<OUTER, SHARING>,
    R::Ok: Held<INNER, Value = V>,
{
    if let Some(value) = brought {
        return R::ok(Held::of(value));
    }
    let message = match &error {
        Some(LoadError::Panicked(message)) => message.to_string(),
        _ => "a cached function's load ended without an answer".to_owned(),
    };
    if let Some(failed) = error.and_then(R::failed) {
        return failed;
    }
    match function {
        Some(function) => function(),
        // It ran and has no error to say so with: it panicked, and that was caught on its way.
        None => resume_unwind(Box::new(message)),
    }
}
