//! What gives way when the near tier is full, and who is told of it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::bounded::{Cause, Eviction};
use larder::{Cache, Evicted, Larder, NearCapacity};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::in_memory;

type Numbers = Cache<u64, u64>;

fn cache(larder: &Larder, eviction: Eviction, capacity: u64) -> Numbers {
    let cache = larder
        .cache(format!("{eviction} {capacity}"))
        .near(NearCapacity::Entries(capacity))
        .eviction(eviction);
    cache.build().unwrap()
}

/// How many of the keys are there when they are asked for, where what is missing is loaded.
async fn hits(cache: &Numbers, keys: impl Iterator<Item = u64>) -> u64 {
    let before = cache.stats();
    for key in keys {
        let loaded = cache.get_or_load(&key, async || Ok::<_, Infallible>(key));
        assert_eq!(*loaded.await.unwrap(), key);
    }
    cache.stats().since(&before).near_hits
}

/// As the trace `loop` of the LIRS paper, with less than its 500 rounds.
const ROUNDS: u64 = 20;

fn around() -> impl Iterator<Item = u64> {
    (0..ROUNDS * 1_011).map(|n| n % 1_011)
}

#[tokio::test]
async fn a_cache_has_exactly_the_hits_of_its_policy() {
    let (larder, _clock) = in_memory().await;
    for (eviction, expected) in [
        (Eviction::Fifo, 0),
        (Eviction::Lifo, 511 * (ROUNDS - 1)),
        (Eviction::Lru, 0),
        (Eviction::Mru, 512 * (ROUNDS - 1)),
        (Eviction::Lfu, 0),
    ] {
        let cache = cache(&larder, eviction, 512);
        assert_eq!(hits(&cache, around()).await, expected, "{eviction}");
    }
}

/// A thread's front would answer by itself, and the engine would evict what is in use.
#[tokio::test]
async fn hits_of_a_hot_key_all_count_as_uses() {
    let (larder, _clock) = in_memory().await;
    for (eviction, stays) in [
        (Eviction::Lru, true),
        (Eviction::Lfu, true),
        (Eviction::Sieve, true),
        (Eviction::S3Fifo, true),
        (Eviction::Fifo, false),
        (Eviction::Mru, false),
    ] {
        let cache = cache(&larder, eviction, 20);
        hits(&cache, std::iter::repeat_n(0, 10_000)).await;
        hits(&cache, (1..20).flat_map(|key| [0, key])).await;
        // 0 was used right before each newcomer.
        let again = hits(&cache, (20..40).flat_map(|key| [0, key])).await;
        assert_eq!(again == 20, stays, "{eviction}: {again}");
    }
}

#[tokio::test]
async fn expired_entries_give_way_first() {
    for eviction in Eviction::ALL.into_iter().skip(1) {
        let (larder, clock) = in_memory().await;
        let cache = cache(&larder, eviction, 3);
        let short = Duration::from_secs(1);
        for key in 0..3 {
            // The one in the middle is no policy's choice.
            let entry = cache.entry(&key);
            let entry = if key == 1 { entry.ttl(short) } else { entry };
            entry.set(key).await.unwrap();
        }
        clock.advance(short);
        cache.set(&3, 3).await.unwrap();
        for key in [0, 2, 3] {
            assert!(cache.get(&key).await.is_some(), "{eviction} lost {key}");
        }
        assert_eq!(cache.near_usage().entries, 3);
    }
}

#[tokio::test]
async fn every_policy_keeps_to_its_capacity() {
    let (larder, _clock) = in_memory().await;
    for eviction in Eviction::ALL {
        // The last has several shards.
        for capacity in [1, 2, 10, 1_000, 66_000] {
            let cache = cache(&larder, eviction, capacity);
            for key in 0..capacity * 5 / 4 {
                cache.set(&key, key).await.unwrap();
            }
            let usage = cache.near_usage();
            // The default engine rounds up to its shards.
            assert!(usage.capacity == capacity || eviction == Eviction::Default);
            assert!(usage.entries <= usage.capacity, "{eviction}: {usage:?}");
            assert!(usage.entries * 10 >= capacity * 8, "{eviction}: {usage:?}");
            cache.resize_near(capacity / 2);
            let usage = cache.near_usage();
            assert!(usage.entries <= usage.capacity, "{eviction}");
        }
        let bytes: Cache<u64, String> = larder
            .cache(format!("{eviction} in bytes"))
            .near(NearCapacity::Bytes(100_000))
            .eviction(eviction)
            .build()
            .unwrap();
        for key in 0..3_000_u64 {
            let len = usize::try_from(key * 37 % 2_000).unwrap();
            bytes.set(&key, "x".repeat(len)).await.unwrap();
            let usage = bytes.near_usage();
            assert!(usage.weight <= 100_000, "{eviction}: {usage:?}");
        }
        assert!(bytes.near_usage().weight > 50_000, "{eviction}");
        let too_large = bytes.set(&1, "x".repeat(200_000)).await;
        assert!(too_large.is_err() && bytes.get(&1).await.is_none());
    }
}

#[tokio::test]
async fn a_cache_opened_with_another_policy_is_another_cache() {
    let (larder, _clock) = in_memory().await;
    let builder = || larder.cache::<u64, u64>("numbers");
    builder().eviction(Eviction::Lru).build().unwrap();
    builder().eviction(Eviction::Lru).build().unwrap();
    let error = builder().eviction(Eviction::Mru).build().unwrap_err();
    assert!(error.to_string().contains("eviction lru"), "{error}");
}

#[test]
fn threads_that_share_a_cache_find_their_own_writes_and_keep_to_its_capacity() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (larder, _clock) = in_memory().await;
        for eviction in Eviction::ALL {
            let cache = cache(&larder, eviction, 100);
            let tasks = (0..8_u64).map(|task| {
                let cache = cache.clone();
                tokio::spawn(async move {
                    for turn in 0..2_000 {
                        let key = (task * 7 + turn * turn) % 150;
                        let loaded = cache.get_or_load(&key, async || Ok::<_, Infallible>(key));
                        assert_eq!(*loaded.await.unwrap(), key);
                        match turn % 50 {
                            0 => assert!(cache.remove(&key).await.is_ok()),
                            1 => cache.resize_near(50 + turn % 100),
                            _ => {}
                        }
                    }
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap();
            }
            cache.resize_near(60);
            let usage = cache.near_usage();
            assert!(usage.entries <= 60, "{eviction}: {usage:?}");
            let mut held = 0;
            for key in 0..150 {
                held += u64::from(cache.exists(&key).await);
            }
            assert_eq!(held, usage.entries, "{eviction}");
        }
    });
}

/// A cache of three entries that tells, and what it told.
fn telling(larder: &Larder, eviction: Eviction) -> (Numbers, UnboundedReceiver<Evicted<u64, u64>>) {
    let (send, events) = unbounded_channel();
    let cache = larder
        .cache(format!("{eviction} telling"))
        .near(NearCapacity::Entries(3))
        .eviction(eviction)
        .on_evicted(move |evicted| send.send(evicted).unwrap())
        .build();
    (cache.unwrap(), events)
}

#[tokio::test]
async fn each_value_that_leaves_is_told_once_with_the_cause() {
    for eviction in Eviction::ALL {
        let (larder, clock) = in_memory().await;
        let (cache, mut events) = telling(&larder, eviction);
        let told = async |events: &mut UnboundedReceiver<Evicted<u64, u64>>| {
            let Evicted {
                key, value, cause, ..
            } = events.recv().await.unwrap();
            (key, *value, cause)
        };
        cache.set(&1, 10).await.unwrap();
        cache.set(&1, 11).await.unwrap();
        assert_eq!(
            told(&mut events).await,
            (1, 10, Cause::Replaced),
            "{eviction}"
        );
        cache.remove(&1).await.unwrap();
        assert_eq!(
            told(&mut events).await,
            (1, 11, Cause::Removed),
            "{eviction}"
        );
        let short = Duration::from_secs(1);
        cache.entry(&2).ttl(short).set(20).await.unwrap();
        clock.advance(short);
        cache.set(&2, 21).await.unwrap();
        assert_eq!(
            told(&mut events).await,
            (2, 20, Cause::Expired),
            "{eviction}"
        );
        cache.clear().await.unwrap();
        assert_eq!(
            told(&mut events).await,
            (2, 21, Cause::Cleared),
            "{eviction}"
        );
        let acme = cache.tenant("acme");
        for key in 0..4 {
            acme.set(&key, key).await.unwrap();
        }
        let event = events.recv().await.unwrap();
        assert_eq!(event.cause, Cause::Capacity, "{eviction}");
        assert_eq!(event.key, *event.value);
        assert_eq!(
            event.tenant.as_ref().map(larder::key::Tenant::as_str),
            Some("acme")
        );
        assert!(acme.get(&event.key).await.is_none());
        cache.resize_near(1);
        for _ in 0..2 {
            assert_eq!(told(&mut events).await.2, Cause::Capacity, "{eviction}");
        }
        assert!(events.try_recv().is_err());
        assert_eq!(cache.stats().evictions_untold, 0);
    }
}

#[tokio::test]
async fn what_the_sweep_frees_is_told_as_expired() {
    for eviction in [Eviction::Default, Eviction::Lru] {
        let (larder, clock) = in_memory().await;
        let (cache, mut events) = telling(&larder, eviction);
        cache.set(&1, 10).await.unwrap();
        clock.advance(larder::MAX_TTL);
        // Nobody asks for it again.
        assert_eq!(events.recv().await.unwrap().cause, Cause::Expired);
    }
}

#[tokio::test]
async fn a_listener_that_panics_hears_of_the_next_and_harms_nobody() {
    for eviction in [Eviction::Default, Eviction::Fifo] {
        let (larder, _clock) = in_memory().await;
        let (send, mut events) = unbounded_channel();
        let cache: Numbers = larder
            .cache("numbers")
            .eviction(eviction)
            .on_evicted(move |evicted| {
                send.send(evicted.key).unwrap();
                assert!(evicted.key != 1, "as this test wants it");
            })
            .build()
            .unwrap();
        for key in 0..3 {
            cache.set(&key, key).await.unwrap();
            cache.remove(&key).await.unwrap();
        }
        for key in 0..3 {
            assert_eq!(events.recv().await, Some(key));
        }
        cache.set(&1, 1).await.unwrap();
        assert_eq!(*cache.get(&1).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_listener_may_use_its_own_cache() {
    for eviction in [Eviction::Default, Eviction::Lru] {
        let (larder, _clock) = in_memory().await;
        let (send, mut back) = unbounded_channel();
        let handle = Arc::new(std::sync::OnceLock::<Numbers>::new());
        let own = Arc::clone(&handle);
        let cache = larder
            .cache("numbers")
            .near(NearCapacity::Entries(1))
            .eviction(eviction)
            .on_evicted(move |_| {
                let usage = own.get().unwrap().near_usage();
                send.send(usage.entries).unwrap();
            });
        let cache: Numbers = cache.build().unwrap();
        handle.set(cache.clone()).unwrap();
        for key in 0..10 {
            cache.set(&key, key).await.unwrap();
        }
        for _ in 0..9 {
            assert!(back.recv().await.unwrap() <= 1);
        }
    }
}

/// G6: the queue is bounded, and what it has no room for is counted.
#[tokio::test]
async fn events_that_nobody_takes_are_dropped_and_counted() {
    for eviction in [Eviction::Default, Eviction::Lru] {
        let (larder, _clock) = in_memory().await;
        let heard = Arc::new(AtomicU64::new(0));
        let hearing = Arc::clone(&heard);
        let cache: Numbers = larder
            .cache("numbers")
            .near(NearCapacity::Entries(1))
            .eviction(eviction)
            .on_evicted(move |_| {
                hearing.fetch_add(1, Ordering::Relaxed);
            })
            .build()
            .unwrap();
        // Nothing here lets the only thread go to the task that delivers.
        let values: HashMap<u64, u64> = (0..10_001).map(|key| (key, key)).collect();
        for (key, value) in &values {
            let set = cache.set(key, *value);
            futures_now(set).unwrap();
        }
        let untold = cache.stats().evictions_untold;
        assert!(untold > 0);
        while heard.load(Ordering::Relaxed) + cache.stats().evictions_untold < 10_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(heard.load(Ordering::Relaxed), 10_000 - untold);
    }
}

/// The answer of what has nothing to wait for.
fn futures_now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(answer) => answer,
        std::task::Poll::Pending => panic!("it waits"),
    }
}
