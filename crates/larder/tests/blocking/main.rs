//! The API for programs that are not async: from threads it waits, from async tasks it refuses.

#![cfg(all(feature = "blocking", feature = "valkey", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

mod api;
mod global;
mod loads;
mod runtimes;
mod tasks;

use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use larder::blocking::{Cache, Larder};
use larder::remote::MemoryRemote;

use common::BOUND;

/// A cache behind which a store lies, so that calls have something to wait for.
fn on_a_store() -> (Larder, Cache<u32, String>) {
    let larder = Larder::builder()
        .remote(MemoryRemote::new())
        .build()
        .unwrap();
    let cache = larder.cache("names").build().unwrap();
    (larder, cache)
}

fn in_memory() -> Cache<u32, String> {
    Larder::in_memory().unwrap().cache("names").build().unwrap()
}

/// A loader that cannot fail.
#[expect(clippy::unnecessary_wraps, reason = "it is a loader")]
fn ann() -> Result<String, Infallible> {
    Ok("Ann".to_owned())
}

/// A loader that says when it has begun, and goes on when told to.
struct Gate {
    begun: Receiver<()>,
    open: Sender<()>,
}

/// The loader's side of a gate.
struct Pass {
    begins: Sender<()>,
    opened: Mutex<Receiver<()>>,
}

fn gate() -> (Gate, Pass) {
    let ((begins, begun), (open, opened)) = (channel(), channel());
    let opened = Mutex::new(opened);
    (Gate { begun, open }, Pass { begins, opened })
}

impl Gate {
    /// Waits until the loader has begun.
    fn begun(&self) {
        self.begun.recv_timeout(BOUND).unwrap();
    }

    fn open(&self) {
        self.open.send(()).unwrap();
    }
}

impl Pass {
    fn pass(&self) {
        self.begins.send(()).unwrap();
        self.opened.lock().unwrap().recv_timeout(BOUND).unwrap();
    }
}
