//! A near hit allocates nothing.

#![cfg(feature = "json")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::System;

use larder::{Cache, Larder, NearCapacity};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Reads `keys` in turn, and says how many allocations that took.
async fn read(cache: &Cache<String, u64>, keys: &[String], times: usize) -> usize {
    let region = Region::new(COUNTING);
    for key in keys.iter().cycle().take(times) {
        assert!(cache.get(key).await.is_some());
    }
    region.change().allocations
}

// One test, since the counts are those of the whole process. The test harness has a thread that
// allocates now and then: of several runs the least counts.
#[tokio::test]
async fn a_near_hit_allocates_nothing_once_its_thread_is_warm() {
    let larder = Larder::in_memory().await.unwrap();
    let cache = larder.cache("numbers").near(NearCapacity::Entries(10_000));
    let cache: Cache<String, u64> = cache.build().unwrap();
    let keys: Vec<_> = (0..2_000).map(|n| format!("key {n:06}")).collect();
    for key in &keys {
        cache.set(key, 1).await.unwrap();
    }
    // One hot key, which a front answers; some, and too many for that.
    for hot in [1, 50, 2_000] {
        let mut least = usize::MAX;
        for _ in 0..5 {
            least = least.min(read(&cache, &keys[..hot], 200_000).await);
        }
        assert_eq!(least, 0, "{hot} keys");
    }
}
