//! The load path: one load for all, whatever fails, whoever leaves, and whatever is removed
//! meanwhile.

#![cfg(all(feature = "testing", feature = "valkey", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

mod cancel;
mod close;
mod failures;
mod falsy;
mod invalidate;
mod one_load;
mod panics;

use std::sync::Arc;

use larder::{Cache, Larder};
use tokio::sync::Notify;

use common::FaultyRemote;

/// A cache in memory.
async fn in_memory() -> Cache<u32, String> {
    let larder = Larder::in_memory().await.unwrap();
    larder.cache("flights").build().unwrap()
}

/// A larder on a stub.
async fn on(stub: &FaultyRemote) -> Larder {
    Larder::builder()
        .remote(stub.clone())
        .build()
        .await
        .unwrap()
}

/// A cache on a stub.
async fn cache_on(stub: &FaultyRemote) -> Cache<u32, String> {
    on(stub).await.cache("flights").build().unwrap()
}

/// A loader that says when it has begun, and goes on when told to.
#[derive(Clone, Default)]
struct Gate(Arc<(Notify, Notify)>);

impl Gate {
    /// The loader's side.
    async fn pass(&self) {
        self.0.0.notify_one();
        self.0.1.notified().await;
    }

    /// Waits until the loader has begun.
    async fn begun(&self) {
        common::soon("the load begins", self.0.0.notified()).await;
    }

    fn open(&self) {
        self.0.1.notify_one();
    }
}

/// Lets all tasks of a single-threaded runtime come to a stop.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
