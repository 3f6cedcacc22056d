//! Where loaders run that own what they need: each in a thread of its own. A pool's threads may all be taken
//! by those who wait for these loaders.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::load::Chain;
use crate::wait::may_wait;

/// Runs `loader` in a thread of its own, in the context of the larder's runtime. It belongs to the loads that
/// the caller of this future runs in, and a panic in it is one of the future's.
pub(super) async fn in_thread<T: Send + 'static>(
    handle: Handle,
    loader: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (chain, loader) = (Chain::current(), Arc::new(Mutex::new(Some(loader))));
    let taken = Arc::clone(&loader);
    if has_ended(&handle) {
        return in_place(&loader).await;
    }
    let (tell, told) = oneshot::channel();
    let thread = thread::Builder::new().name("larder-loader".to_owned());
    let started = thread.spawn(move || {
        let _entered = handle.enter();
        // Taken before it runs, so that the lock is not held meanwhile.
        let Some(loader) = taken.lock().take() else {
            return;
        };
        // Nothing of it is looked at after a panic, which goes on where it is waited for.
        let ran = catch_unwind(AssertUnwindSafe(|| chain.within(loader)));
        // Who waited for it may have gone.
        let _told = tell.send(ran);
    });
    if started.is_ok()
        && let Ok(ran) = told.await
    {
        return ran.unwrap_or_else(|panic| resume_unwind(panic));
    }
    in_place(&loader).await
}

/// The system has no thread, or the runtime has ended, as it has after `close`. Then the caller's own thread is
/// left, if it is one that polls this; a task of the runtime is about to be dropped.
async fn in_place<T>(loader: &Mutex<Option<impl FnOnce() -> T>>) -> T {
    let loader = loader.lock().take();
    match loader.filter(|_| may_wait()) {
        Some(loader) => loader(),
        None => pending().await,
    }
}

/// Whether nothing that is waited for there comes any more: its tasks are over before they begin.
fn has_ended(handle: &Handle) -> bool {
    let task = handle.spawn(async {}).now_or_never();
    matches!(task, Some(Err(_)))
}
