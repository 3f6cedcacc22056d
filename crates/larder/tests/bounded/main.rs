//! Bounded caches on real servers and in memory.

#![cfg(all(feature = "testing", feature = "valkey"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

mod caches;
mod healing;
mod model;
mod random;
mod store;
mod traces;

use larder::bounded::ServerEviction;
use larder::testing::bounded_conformance;
use larder_servers::Kind;

use common::{on_each_server, start};
use store::connect;

on_each_server!(the_promises_of_a_remote_hold_in_bounded_caches);

async fn the_promises_of_a_remote_hold_in_bounded_caches(kind: Kind) {
    let server = start(kind);
    for eviction in [
        ServerEviction::Fifo,
        ServerEviction::Lru,
        ServerEviction::Lfu,
    ] {
        let kept = bounded_conformance(async || connect(&server).await, eviction).await;
        kept.unwrap_or_else(|broken| panic!("{eviction:?}: {broken}"));
    }
}
