//! A lookup counts once: as a hit, a stale hit or a miss.

use std::sync::Arc;

use larder::remote::MemoryRemote;
use larder::{CacheStats, Clock, Strength};
use tokio::sync::Notify;

use super::common::{always, eventually, millis, secs, soon};
use super::{Names, fleet, in_memory, names, on};

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

#[tokio::test(start_paused = true)]
async fn past_the_soft_timeout_it_is_a_stale_hit_whatever_the_load_comes_to() {
    for fails in [false, true] {
        let (larder, clock) = in_memory().await;
        let cache: Names = names(&larder).soft_timeout(millis(100)).build().unwrap();
        cache.set(&1, "old").await.unwrap();
        clock.advance(secs(61));
        let before = cache.stats();
        let go_on = Arc::new(Notify::new());
        let wait = Arc::clone(&go_on);
        let load = move || async move {
            wait.notified().await;
            if fails {
                return Err(std::io::Error::other("broken"));
            }
            Ok("new".to_owned())
        };
        let found = cache.lookup_or_spawn(&1, load).await.unwrap();
        assert!(!found.outcome.freshness.is_fresh());
        go_on.notify_one();
        larder.close().await; // the load has ended
        let stats = cache.stats().since(&before);
        assert_eq!((stats.stale_hits(), stats.misses()), (1, 0), "{stats:?}");
    }
}

#[tokio::test]
async fn who_waits_for_another_process_has_a_hit() {
    for is_stale in [false, true] {
        let ([here, there], clock) = fleet().await;
        let (here, there) = (
            names(&here).build().unwrap(),
            names(&there).build().unwrap(),
        );
        if is_stale {
            here.set(&1, "old").await.unwrap();
            clock.advance(secs(61));
        }
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begins, waits) = (Arc::clone(&begun), Arc::clone(&go_on));
        let loading = tokio::spawn(async move {
            let load = async || {
                begins.notify_one();
                waits.notified().await;
                Ok::<_, std::convert::Infallible>("new".to_owned())
            };
            here.get_or_load(&1, load).await.unwrap();
            here.stats()
        });
        soon("the load begins", begun.notified()).await;
        let waiting = tokio::spawn({
            let there = there.clone();
            async move { there.get_or_load(&1, always("mine".to_owned())).await }
        });
        eventually("the other one waits", async || {
            there.stats().leases_awaited > 0
        })
        .await;
        go_on.notify_one();
        let loaded = soon("the load ends", loading).await.unwrap();
        assert_eq!((loaded.hits(), loaded.misses()), (0, 1));
        assert_eq!(*soon("an answer", waiting).await.unwrap().unwrap(), "new");
        let waited = there.stats();
        assert_eq!(
            (waited.remote_hits, waited.hits(), waited.misses()),
            (1, 1, 0)
        );
    }
}

#[tokio::test]
async fn a_forced_load_looks_nothing_up() {
    for (cache, _) in both().await {
        cache.set(&1, "old").await.unwrap();
        let before = cache.stats();
        let forced = || cache.entry(&1).force_refresh();
        forced()
            .get_or_load(always("new".to_owned()))
            .await
            .unwrap();
        let broken = async || Err(std::io::Error::other("broken"));
        forced().get_or_load(broken).await.unwrap();
        let stats = cache.stats().since(&before);
        assert_eq!((stats.hits(), stats.misses()), (0, 0), "{stats:?}");
        assert_eq!((stats.loads, stats.load_failures), (2, 1));
    }
}

#[tokio::test]
async fn who_inherits_a_load_counts_for_it() {
    for is_stale in [false, true] {
        for (cache, clock) in both().await {
            if is_stale {
                cache.set(&1, "old").await.unwrap();
                clock.advance(secs(61));
            }
            let before = cache.stats();
            let begun = Arc::new(Notify::new());
            let leads = tokio::spawn({
                let (cache, begins) = (cache.clone(), Arc::clone(&begun));
                let load = async move || {
                    begins.notify_one();
                    std::future::pending::<Result<String, std::io::Error>>().await
                };
                async move { cache.get_or_load(&1, load).await }
            });
            soon("the load begins", begun.notified()).await;
            let asks = async || {
                let load = always("new".to_owned());
                cache.get_or_load(&1, load).await.unwrap()
            };
            let mut heir = Box::pin(asks());
            tokio::select! {
                biased;
                _ = &mut heir => panic!("it waits for nobody"),
                () = std::future::ready(()) => {}
            }
            leads.abort();
            soon("an answer", heir).await;
            let stats = cache.stats().since(&before);
            assert_eq!((stats.hits(), stats.misses()), (0, 1), "{stats:?}");
            assert_eq!(stats.misses_expired, u64::from(is_stale));
        }
    }
}

#[tokio::test]
async fn what_a_group_made_stale_is_invalidated_and_not_expired() {
    let clock = Clock::manual();
    let larder = on(MemoryRemote::with(64 << 20, clock.clone()), &clock).await;
    let cache: Names = names(&larder).build().unwrap();
    cache.entry(&1).tags(["team"]).set("old").await.unwrap();
    larder
        .invalidate_tags(["team"], Strength::Expire)
        .await
        .unwrap();
    let before = cache.stats();
    assert!(cache.get(&1).await.is_none());
    cache
        .get_or_load(&1, always("new".to_owned()))
        .await
        .unwrap();
    let stats = cache.stats().since(&before);
    assert_eq!(
        (stats.misses_invalidated, stats.misses()),
        (2, 2),
        "{stats:?}"
    );
}

#[tokio::test]
async fn without_a_server_memory_is_what_every_process_wrote() {
    let (larder, _) = in_memory().await;
    let cache = names(&larder).build().unwrap();
    cache.set(&1, "Ann").await.unwrap();
    let entry = || cache.entry(&1).skip_near();
    assert!(entry().get().await.is_some());
    let found = entry()
        .lookup_or_load(always("Bob".to_owned()))
        .await
        .unwrap();
    assert_eq!(*found.value, "Ann");
    assert_eq!((cache.stats().near_hits, cache.stats().misses()), (2, 0));
}
