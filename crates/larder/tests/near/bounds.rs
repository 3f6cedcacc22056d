//! G6: how much the near tier holds.

use larder::bounded::Eviction;
use larder::{Cache, CacheBuilder, Config, Error, Larder, NearCapacity};
use larder_servers::Kind;

use super::common::{Runs, always, larder, on_each_server, start};
use super::in_memory;

on_each_server!(
    what_is_too_large_for_memory_is_served_from_the_server,
    a_cache_without_a_near_tier_asks_each_time,
);

type Texts = Cache<u32, String>;

fn texts(larder: &Larder, near: NearCapacity) -> CacheBuilder<u32, String> {
    let name = format!("texts {near:?}");
    larder.cache(name).near(near)
}

#[tokio::test]
async fn a_capacity_in_entries_holds() {
    let (larder, _clock) = in_memory().await;
    for capacity in [1, 2, 10, 1_000, 10_000] {
        let cache = texts(&larder, NearCapacity::Entries(capacity))
            .build()
            .unwrap();
        for key in 0..3 * u32::try_from(capacity).unwrap() {
            cache.set(&key, key.to_string()).await.unwrap();
            // What was set last is there.
            assert_eq!(
                *cache.get(&key).await.unwrap(),
                key.to_string(),
                "{capacity}"
            );
            assert!(cache.near_usage().entries <= capacity, "{capacity}");
        }
        let usage = cache.near_usage();
        // A shard may be full before the others are.
        assert!(usage.entries * 10 >= capacity * 8, "{usage:?}");
        assert_eq!((usage.weight, usage.capacity), (usage.entries, capacity));
        assert!(usage.largest >= 1, "{usage:?}");
        let mut held = 0;
        for key in 0..3 * u32::try_from(capacity).unwrap() {
            held += u64::from(cache.exists(&key).await);
        }
        assert_eq!(held, usage.entries, "{capacity}");
    }
}

#[tokio::test]
async fn a_capacity_in_bytes_holds() {
    let (larder, _clock) = in_memory().await;
    let capacity = 1 << 20;
    let cache = texts(&larder, NearCapacity::Bytes(capacity))
        .build()
        .unwrap();
    for key in 0..5_000 {
        let len = 100 + (key as usize * 37) % 2_000;
        cache.set(&key, "x".repeat(len)).await.unwrap();
        let usage = cache.near_usage();
        assert!(usage.weight <= capacity, "{usage:?}");
    }
    let usage = cache.near_usage();
    assert!(usage.weight > capacity / 2, "{usage:?}");
    assert!(usage.entries * NearCapacity::ENTRY_OVERHEAD < usage.weight);
}

#[tokio::test]
async fn a_resize_takes_effect_at_once() {
    let (larder, _clock) = in_memory().await;
    let cache = texts(&larder, NearCapacity::Entries(100)).build().unwrap();
    let fill = async || {
        for key in 0..1_000 {
            cache.set(&key, key.to_string()).await.unwrap();
        }
    };
    fill().await;
    cache.resize_near(10);
    assert!(cache.near_usage().entries <= 10);
    assert_eq!(cache.near_usage().capacity, 10);
    fill().await;
    assert!((1..=10).contains(&cache.near_usage().entries));
    cache.resize_near(500);
    fill().await;
    let entries = cache.near_usage().entries;
    assert!((400..=500).contains(&entries), "{entries}");
    cache.resize_near(0);
    assert_eq!(cache.near_usage().entries, 0);
    let error = cache.set(&1, String::new()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 0, .. }), "{error}");
    cache.resize_near(100);
    cache.set(&1, String::new()).await.unwrap();
    assert!(cache.exists(&1).await);
}

#[tokio::test]
async fn what_a_resize_evicts_is_counted() {
    for eviction in Eviction::ALL {
        let (larder, _clock) = in_memory().await;
        let cache = texts(&larder, NearCapacity::Entries(1_000)).eviction(eviction);
        let cache = cache.build().unwrap();
        for key in 0..900_u32 {
            cache.set(&key, "x".to_owned()).await.unwrap();
        }
        // One that is replaced is not evicted.
        cache.set(&1, "y".to_owned()).await.unwrap();
        let evicted = cache.stats().near_evicted;
        cache.resize_near(10);
        let left = cache.near_usage().entries;
        let by_resize = cache.stats().near_evicted - evicted;
        assert_eq!((evicted, by_resize), (0, 900 - left), "{eviction}");
    }
}

#[tokio::test]
async fn in_memory_what_is_too_large_is_an_error_and_replaces_nothing_silently() {
    let (larder, _clock) = in_memory().await;
    let cache = texts(&larder, NearCapacity::Bytes(100_000))
        .build()
        .unwrap();
    cache.set(&1, "small".to_owned()).await.unwrap();
    let largest = cache.near_usage().largest;
    let error = cache.set(&1, "x".repeat(200_000)).await.unwrap_err();
    let Error::TooLarge { weight, limit, .. } = &error else {
        panic!("{error}");
    };
    assert!(*weight > 200_000 && *limit == largest);
    assert!(error.to_string().contains("raise its capacity"), "{error}");
    // The old value would be a lie, since its writer wanted another.
    assert!(cache.get(&1).await.is_none());
    assert_eq!(cache.stats().near_refused, 1);
    // The largest entry that is announced is taken.
    let overhead = usize::try_from(NearCapacity::ENTRY_OVERHEAD).unwrap();
    let fits = usize::try_from(largest).unwrap() - overhead - r#"1"""#.len();
    cache.set(&1, "x".repeat(fits)).await.unwrap();
    assert!(cache.get(&1).await.is_some());
    assert!(cache.set(&1, "x".repeat(fits + 1)).await.is_err());
    // A load is not stored, and all the same returned.
    let runs = Runs::default();
    for turn in 1..=2 {
        let loaded = cache.get_or_load(&2, runs.load("x".repeat(200_000))).await;
        assert_eq!(loaded.unwrap().len(), 200_000);
        assert_eq!(runs.get(), turn);
    }
}

async fn what_is_too_large_for_memory_is_served_from_the_server(kind: Kind) {
    let server = start(kind);
    let larder = larder(&server).await;
    let cache: Texts = texts(&larder, NearCapacity::Bytes(10_000)).build().unwrap();
    cache.set(&1, "x".repeat(20_000)).await.unwrap();
    assert_eq!(cache.get(&1).await.unwrap().len(), 20_000);
    let runs = Runs::default();
    for _ in 0..3 {
        let loaded = cache.get_or_load(&2, runs.load("x".repeat(20_000))).await;
        assert_eq!(loaded.unwrap().len(), 20_000);
    }
    assert_eq!(runs.get(), 1);
    let stats = cache.stats();
    assert_eq!((stats.near_hits, stats.remote_hits), (0, 3));
    assert!(stats.near_refused >= 2, "{stats:?}");
    assert_eq!(cache.near_usage().entries, 0);
}

async fn a_cache_without_a_near_tier_asks_each_time(kind: Kind) {
    let server = start(kind);
    let larder = larder(&server).await;
    let cache = texts(&larder, NearCapacity::Off).build().unwrap();
    cache
        .get_or_load(&1, always("Ann".to_owned()))
        .await
        .unwrap();
    for hits in 1..=3 {
        assert_eq!(*cache.get(&1).await.unwrap(), "Ann");
        assert_eq!(cache.stats().remote_hits, hits);
    }
    assert_eq!(cache.near_usage(), larder::NearUsage::default());
    cache.resize_near(1_000);
    assert_eq!(cache.near_usage(), larder::NearUsage::default());
}

/// The same code runs without a server, where memory is the only tier.
#[tokio::test]
async fn without_a_server_a_cache_with_its_near_tier_off_is_kept_in_memory() {
    let (larder, _clock) = in_memory().await;
    let off = || texts(&larder, NearCapacity::Off);
    let cache = off().build().unwrap();
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    assert_eq!(*cache.get(&1).await.unwrap(), "Ann");
    let usage = cache.near_usage();
    assert_eq!((usage.entries, usage.capacity), (1, 64 << 20));
    assert!(
        usage.weight > NearCapacity::ENTRY_OVERHEAD,
        "bytes, not entries"
    );
    assert!(off().build().unwrap().exists(&1).await, "the same cache");
    let none = larder.cache::<u32, u32>("none").near(NearCapacity::Off);
    let error = none.memory_only().build().unwrap_err();
    assert!(matches!(error, Error::NoTier { .. }), "{error}");

    let config = Config::builder().enabled(false).build().unwrap();
    let switched_off = Larder::with(config).await.unwrap();
    let cache = texts(&switched_off, NearCapacity::Off).build().unwrap();
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    assert!(!cache.exists(&1).await);
}

#[tokio::test]
async fn a_weigher_says_what_a_value_weighs() {
    let (larder, _clock) = in_memory().await;
    let weigh = |_: &u32, value: &String| value.len() as u64 * 1_000;
    let cache = texts(&larder, NearCapacity::Bytes(1 << 20));
    let cache = cache.weigher(weigh).build().unwrap();
    cache.set(&1, "12345".to_owned()).await.unwrap();
    let weight = 5_000 + NearCapacity::ENTRY_OVERHEAD;
    assert_eq!(cache.near_usage().weight, weight);
    cache.set(&2, "1234567890".to_owned()).await.unwrap();
    cache.remove(&1).await.unwrap();
    assert_eq!(
        cache.near_usage().weight,
        10_000 + NearCapacity::ENTRY_OVERHEAD
    );
    assert!(cache.set(&3, "x".repeat(2_000)).await.is_err());
}

#[tokio::test]
async fn a_weigher_that_says_the_utmost_is_believed() {
    let (larder, _clock) = in_memory().await;
    let cache = texts(&larder, NearCapacity::Bytes(1 << 20)).weigher(|_, _| u64::MAX);
    let error = cache
        .build()
        .unwrap()
        .set(&1, String::new())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn an_unwritten_weight_is_the_encoded_length() {
    let (larder, _clock) = in_memory().await;
    let cache = texts(&larder, NearCapacity::Bytes(1 << 20))
        .build()
        .unwrap();
    cache.set(&1, "x".repeat(1_000)).await.unwrap();
    let usage = cache.near_usage();
    assert_eq!(usage.entries, 1);
    assert!((1_000..1_200).contains(&usage.weight), "{usage:?}");
}

#[tokio::test]
async fn a_memory_only_cache_leaves_the_server_alone() {
    let stub = super::common::FaultyRemote::new();
    let larder = Larder::builder()
        .remote(stub.clone())
        .build()
        .await
        .unwrap();
    let cache: Texts = larder.cache("here").memory_only().build().unwrap();
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    assert_eq!(
        *cache
            .get_or_load(&2, always("Bob".to_owned()))
            .await
            .unwrap(),
        "Bob"
    );
    assert!(cache.remove(&1).await.unwrap());
    for op in [
        super::common::Operation::Get,
        super::common::Operation::Set,
        super::common::Operation::Remove,
    ] {
        assert_eq!(stub.calls(op), 0);
    }
}
