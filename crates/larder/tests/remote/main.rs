//! Larders on real servers: what they share, what they send, and what they do when the server is
//! down, slow, full, wrong or lying.

#![cfg(all(feature = "valkey", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

mod hostile;
mod leases;
mod outage;
#[cfg(feature = "testing")]
mod pushes;
mod refusals;
mod sharing;
mod traffic;

use larder::{Cache, Larder, NearCapacity};

type Texts = Cache<u32, String>;

/// A cache that asks the server at each lookup.
fn bare(larder: &Larder) -> Texts {
    larder
        .cache("texts")
        .near(NearCapacity::Off)
        .build()
        .unwrap()
}

async fn get(cache: &Texts, key: u32) -> Option<String> {
    cache.get(&key).await.map(|value| value.to_string())
}
