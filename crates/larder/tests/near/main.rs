//! The near tier: its times, its bounds, and what it keeps apart.

#![cfg(all(feature = "testing", feature = "valkey", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod eviction;
mod front;
mod lifetimes;
mod removed;
mod sampling;

use larder::{Clock, Larder};

/// A larder in memory, and its clock.
async fn in_memory() -> (Larder, Clock) {
    let clock = Clock::manual();
    let larder = Larder::builder().clock(clock.clone()).build().await;
    (larder.unwrap(), clock)
}
