//! A blocking larder's thread ends with it. A program of its own, since threads are counted.

#![cfg(all(feature = "blocking", target_os = "linux"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::time::{Duration, Instant};

use larder::blocking::{Cache, Larder};

/// How many threads of larders there are now.
fn threads() -> usize {
    let mut count = 0;
    for task in fs::read_dir("/proc/self/task").unwrap() {
        // A thread may end while it is looked at.
        let name = fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default();
        // The kernel keeps 15 bytes of a name.
        count += usize::from(name.trim() == "larder-blocking");
    }
    count
}

/// A thread takes its name when it runs, and the kernel lists it until a moment after its end.
fn eventually(expected: usize, when: &str) {
    let began = Instant::now();
    while threads() != expected {
        assert!(began.elapsed() < Duration::from_secs(10), "{when}");
        std::thread::yield_now();
    }
}

#[test]
fn a_larder_has_one_thread_until_it_is_closed_or_dropped() {
    assert_eq!(threads(), 0);
    let larder = Larder::in_memory().unwrap();
    let cache: Cache<u32, u32> = larder.cache("numbers").build().unwrap();
    eventually(1, "a larder is open");
    larder.close().unwrap();
    eventually(0, "it is closed");
    assert_eq!(cache.get(&1), None);

    let larder = Larder::in_memory().unwrap();
    let cache: Cache<u32, u32> = larder.cache("numbers").build().unwrap();
    eventually(1, "another one is open");
    drop(larder);
    cache.set(&1, 1).unwrap();
    assert_eq!(threads(), 1, "the cache needs it");
    drop(cache);
    eventually(0, "the last handle is dropped");
}
