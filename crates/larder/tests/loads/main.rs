//! What a cache's options and a call's own do to its loads: how long callers wait, what failures
//! cost, what loaders are told and may answer, and what is loaded before anybody waits for it.

#![cfg(all(feature = "testing", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod circular;
mod counting;
mod failures;
mod limits;
mod options;
mod refresh;
mod sliding;
mod timeouts;
mod told;

use std::fmt;
use std::sync::Arc;

use larder::remote::{MemoryRemote, Remote};
use larder::{Cache, CacheBuilder, Clock, Larder};
use tokio::sync::Notify;

use common::{secs, soon};

type Names = Cache<u32, String>;

/// A larder in memory, and its clock.
async fn in_memory() -> (Larder, Clock) {
    let clock = Clock::manual();
    let larder = Larder::builder().clock(clock.clone()).build();
    (larder.await.unwrap(), clock)
}

/// A larder on a remote, by its clock.
async fn on(remote: impl Remote, clock: &Clock) -> Larder {
    let larder = Larder::builder().remote(remote).clock(clock.clone());
    larder.build().await.unwrap()
}

/// Two larders on one remote, by one clock.
async fn fleet() -> ([Larder; 2], Clock) {
    let clock = Clock::manual();
    let remote = MemoryRemote::with(64 << 20, clock.clone());
    let larders = [on(remote.clone(), &clock).await, on(remote, &clock).await];
    (larders, clock)
}

/// A cache whose values are fresh for a minute, and stale for ten more.
fn names(larder: &Larder) -> CacheBuilder<u32, String> {
    larder.cache("names").ttl(secs(60)).stale(secs(600))
}

async fn get(cache: &Names, key: u32) -> Option<String> {
    cache.get(&key).await.map(|value| value.to_string())
}

/// Lets all tasks of a single-threaded runtime come to a stop.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// A loader's error.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the source is broken")
    }
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
        soon("the load begins", self.0.0.notified()).await;
    }

    fn open(&self) {
        self.0.1.notify_one();
    }
}
