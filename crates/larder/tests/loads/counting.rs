//! A lookup counts once: as a hit, a stale hit or a miss.

use larder::remote::MemoryRemote;
use larder::{CacheStats, Clock};

use super::common::{always, secs};
use super::{Names, in_memory, names, on};

/// What a call on a value past its TTL counts as.
async fn expired(cache: &Names, clock: &Clock, fails: bool) -> CacheStats {
    cache.set(&1, "old").await.unwrap();
    clock.advance(secs(61));
    let before = cache.stats();
    if fails {
        let broken = async || Err(std::io::Error::other("broken"));
        cache.get_or_load(&1, broken).await.unwrap();
    } else {
        cache
            .get_or_load(&1, always("new".to_owned()))
            .await
            .unwrap();
    }
    cache.stats().since(&before)
}

async fn both() -> Vec<(Names, Clock)> {
    let (larder, clock) = in_memory().await;
    let alone = (names(&larder).build().unwrap(), clock);
    let clock = Clock::manual();
    let larder = on(MemoryRemote::with(64 << 20, clock.clone()), &clock).await;
    vec![alone, (names(&larder).build().unwrap(), clock)]
}

#[tokio::test]
async fn a_value_past_its_ttl_that_is_loaded_anew_is_a_miss() {
    for (cache, clock) in both().await {
        let stats = expired(&cache, &clock, false).await;
        assert_eq!((stats.misses_expired, stats.misses()), (1, 1), "{stats:?}");
        assert_eq!((stats.hits(), stats.loads), (0, 1));
    }
}

#[tokio::test]
async fn one_that_stands_in_for_a_failed_load_is_a_stale_hit() {
    for (cache, clock) in both().await {
        let stats = expired(&cache, &clock, true).await;
        assert_eq!((stats.stale_hits(), stats.hits()), (1, 1), "{stats:?}");
        assert_eq!((stats.misses(), stats.load_failures), (0, 1));
    }
}

#[tokio::test]
async fn a_batch_counts_each_of_its_keys() {
    for (cache, clock) in both().await {
        cache.set(&1, "old").await.unwrap();
        clock.advance(secs(61));
        cache.set(&2, "fresh").await.unwrap();
        let before = cache.stats();
        let all = [1, 2, 3];
        let load = async |keys: Vec<u32>| {
            let found = keys.into_iter().map(|key| (key, "new".to_owned()));
            Ok::<_, std::convert::Infallible>(found.collect::<std::collections::HashMap<_, _>>())
        };
        cache.get_or_load_many(&all, load).await.unwrap();
        let stats = cache.stats().since(&before);
        assert_eq!(
            (stats.misses_expired, stats.misses_absent),
            (1, 1),
            "{stats:?}"
        );
        assert_eq!((stats.hits(), stats.misses()), (1, 2));
    }
}
