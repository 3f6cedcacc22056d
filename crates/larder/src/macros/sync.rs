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
//! inner one waits like the outer one. And it runs where its caller stands: the runtime of the timers is for
//! this library's own futures, and is left while the function runs ([`Timers::left`]).

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::future::{Future, pending};
use std::io;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::thread;

use tokio::runtime::{Builder, EnterGuard, Handle};

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
    let make = || -> io::Result<Handle> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let handle = runtime.handle().clone();
        let thread = thread::Builder::new().name("larder-timers".to_owned());
        thread.spawn(move || runtime.block_on(pending::<()>()))?;
        Ok(handle)
    };
    let logged = || {
        let tell = |error: &io::Error| {
            tracing::error!(
                target: "larder",
                %error,
                "there is no thread for timers: functions that are not async run without their caches, and \
                 invalidate nothing"
            );
        };
        make().inspect_err(tell).ok()
    };
    TIMERS.get_or_init(logged).as_ref()
}

/// The timers' runtime, entered while a future is polled.
struct Timers {
    runtime: &'static Handle,
    entered: Cell<Option<EnterGuard<'static>>>,
    /// Whether this thread may wait; asked before the runtime was entered.
    may_wait: bool,
}

impl Timers {
    fn enter() -> Option<Self> {
        let (runtime, may_wait) = (timers()?, may_wait());
        Some(Self {
            runtime,
            entered: Cell::new(Some(runtime.enter())),
            may_wait,
        })
    }

    /// Runs `function` where the caller of all this stands: in the caller's runtime, or in none.
    ///
    /// Only within a poll of [`wait_for`](Self::wait_for): the runtime that was entered last is left.
    fn left<T>(&self, function: impl FnOnce() -> T) -> T {
        /// Enters it again, also where the function panics: that is caught, and more is polled.
        struct Back<'a>(&'a Timers);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                self.0.entered.set(Some(self.0.runtime.enter()));
            }
        }
        drop(self.entered.take());
        let _back = Back(self);
        function()
    }

    fn wait_for<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        if self.may_wait {
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
}

/// Waits for `future`; where that is not possible, polls it once. `None`: it was not done.
pub fn wait_for<T>(future: impl Future<Output = T>) -> Option<T> {
    Timers::enter()?.wait_for(future)
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
    let Some(timers) = Timers::enter() else {
        return function();
    };
    // The load of a cache with a server waits for that, before and after the function.
    if cache.has_server() && !timers.may_wait {
        return timers.left(function);
    }
    let (function, brought) = (Cell::new(Some(function)), RefCell::new(None));
    let load = with.entry(cache, key).lookup_or_load_with(|_| async {
        let Some(function) = function.take() else {
            // A loader is called once.
            return std::future::pending().await;
        };
        let value = timers.left(function).split()?.into_shared();
        brought.replace(Some(Arc::clone(&value)));
        Ok(with.loaded::<R::Ok, INNER>(value))
    });
    let found = timers.wait_for(load);
    drop(timers);
    let error = match found {
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
