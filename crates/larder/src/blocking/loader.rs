//! Where loaders run that own what they need: in threads of the runtime that are there for waiting.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::load::Chain;
use crate::wait::may_wait;

/// Runs `loader` in a thread of its own. It belongs to the loads that the caller of this future runs in,
/// and a panic in it is one of the future's.
pub(super) async fn in_thread<T: Send + 'static>(
    handle: Handle,
    loader: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (chain, loader) = (Chain::current(), Arc::new(Mutex::new(Some(loader))));
    let taken = Arc::clone(&loader);
    let thread = handle.spawn_blocking(move || {
        // Taken before it runs, so that the lock is not held meanwhile.
        let loader = taken.lock().take();
        loader.map(|loader| chain.within(loader))
    });
    match thread.await {
        Ok(Some(brought)) => return brought,
        Ok(None) => {}
        Err(ended) => {
            if let Ok(panic) = ended.try_into_panic() {
                resume_unwind(panic);
            }
        }
    }
    // The runtime has ended, as it has after `close`. Then the caller's own thread is left, if it is one
    // that polls this; a task of the runtime is about to be dropped.
    let loader = loader.lock().take();
    match loader.filter(|_| may_wait()) {
        Some(loader) => loader(),
        None => pending().await,
    }
}
