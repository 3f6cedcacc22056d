//! Loads in the background, before anybody has to wait.

use std::convert::Infallible;
use std::sync::Arc;

use larder::{Clock, Freshness, Larder, Load, Refresh, Source};
use tokio::sync::Notify;

use super::common::{FaultyRemote, Operation, Runs, always, eventually, secs};
use super::{Broken, Gate, Names, get, in_memory, names, on, settle};

fn at_half(larder: &Larder) -> Names {
    let cache = names(larder).refresh(Refresh::After(0.5));
    cache.build().unwrap()
}

#[tokio::test]
async fn once_a_share_of_its_ttl_has_passed_a_hit_begins_one_load() {
    let (larder, clock) = in_memory().await;
    let (cache, runs) = (at_half(&larder), Runs::default());
    cache.set(&1, "old").await.unwrap();
    clock.advance(secs(29));
    cache
        .get_or_spawn(&1, runs.load("early".to_owned()))
        .await
        .unwrap();
    settle().await;
    assert_eq!(runs.get(), 0);
    clock.advance(secs(1));
    // Whose loader cannot outlive the call begins nothing.
    cache
        .get_or_load(&1, runs.load("borrowed".to_owned()))
        .await
        .unwrap();
    settle().await;
    assert_eq!(runs.get(), 0);

    let gate = Gate::default();
    for _ in 0..10 {
        let (gate, runs) = (gate.clone(), runs.clone());
        let found = cache
            .entry(&1)
            .lookup_or_spawn_with(|load: Load<String>| async move {
                runs.count();
                assert!(load.is_refresh());
                assert_eq!(load.stale().map(|value| value.as_str()), Some("old"));
                gate.pass().await;
                Ok::<_, Infallible>("new".to_owned().into())
            });
        let found = found.await.unwrap();
        assert_eq!(
            (
                found.as_str(),
                found.outcome.source,
                found.outcome.freshness
            ),
            ("old", Source::Near, Freshness::Fresh)
        );
        settle().await;
    }
    assert_eq!(runs.get(), 1, "one at a time");
    gate.open();
    eventually("the new value", async || {
        get(&cache, 1).await.as_deref() == Some("new")
    })
    .await;
    assert_eq!(cache.ttl_left(&1).await, Some(secs(60)));
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.refreshes), (1, 1));
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_fresh_value_and_rests() {
    let (larder, clock) = in_memory().await;
    let (cache, runs) = (at_half(&larder), Runs::default());
    cache.set(&1, "old").await.unwrap();
    clock.advance(secs(40));
    for (advance, loads) in [(0, 1), (0, 1), (1, 2), (0, 2)] {
        clock.advance(secs(advance));
        let runs_of = runs.clone();
        let found = cache.lookup_or_spawn(&1, || async move {
            runs_of.count();
            Err(Broken)
        });
        let found = found.await.unwrap();
        assert_eq!(
            (found.as_str(), found.outcome.freshness),
            ("old", Freshness::Fresh)
        );
        settle().await;
        assert_eq!(runs.get(), loads);
    }
    assert_eq!(cache.ttl_left(&1).await, Some(secs(19)));
}

#[tokio::test]
async fn a_refresh_that_failed_keeps_nobody_from_loading_what_has_expired() {
    let (larder, clock) = in_memory().await;
    let cache = larder.cache("strict").ttl(secs(60));
    let cache: Names = cache.refresh(Refresh::After(0.5)).build().unwrap();
    cache.set(&1, "old").await.unwrap();
    clock.advance(secs(59) + secs(1) / 2);
    cache.get_or_spawn(&1, async || Err(Broken)).await.unwrap();
    settle().await;
    assert_eq!(cache.stats().load_failures, 1);
    clock.advance(secs(1) / 2);
    let value = cache.get_or_load(&1, always("new".to_owned())).await;
    assert_eq!(*value.unwrap(), "new");
}

#[tokio::test]
async fn what_will_not_be_stored_is_not_refreshed() {
    let (larder, clock) = in_memory().await;
    let (cache, runs) = (at_half(&larder), Runs::default());
    cache.set(&1, "old").await.unwrap();
    clock.advance(secs(40));
    let entry = || cache.entry(&1).read_only();
    for _ in 0..3 {
        entry()
            .get_or_spawn(runs.load("new".to_owned()))
            .await
            .unwrap();
        settle().await;
    }
    assert_eq!(runs.get(), 0);
}

#[tokio::test]
async fn one_process_of_the_fleet_refreshes() {
    let clock = Clock::manual();
    let stub = FaultyRemote::with(clock.clone());
    let larders = [
        on(stub.clone(), &clock).await,
        on(stub.clone(), &clock).await,
    ];
    let (caches, runs) = (
        [at_half(&larders[0]), at_half(&larders[1])],
        Runs::default(),
    );
    caches[0].set(&1, "old").await.unwrap();
    for cache in &caches {
        assert!(cache.get(&1).await.is_some());
    }
    clock.advance(secs(40));
    let gate = Gate::default();
    for _ in 0..5 {
        for cache in &caches {
            let (gate, runs) = (gate.clone(), runs.clone());
            let found = cache.lookup_or_spawn(&1, || async move {
                runs.count();
                gate.pass().await;
                Ok::<_, Infallible>("new".to_owned())
            });
            let found = found.await.unwrap();
            assert_eq!(
                (found.as_str(), found.outcome.freshness),
                ("old", Freshness::Fresh)
            );
            settle().await;
        }
    }
    assert_eq!(runs.get(), 1);
    let awaited = caches[1].stats();
    assert_eq!((awaited.loads, awaited.refreshes), (0, 0));
    let asked = stub.calls(Operation::Acquire);
    assert_eq!(asked, 2, "the other one is not asked for it at each hit");
    gate.open();
    for cache in &caches {
        eventually("the new value", async || {
            get(cache, 1).await.as_deref() == Some("new")
        })
        .await;
    }
    assert_eq!(runs.get(), 1);
}

const KEYS: u32 = 400;

/// How many of `KEYS` values that took ten seconds to load are refreshed by one hit each, with so
/// many seconds of their TTL left.
async fn refreshed(factor: f64, left: u64) -> u64 {
    let (larder, clock) = in_memory().await;
    let cache = larder.cache("costly").ttl(secs(100));
    let cache: Names = cache.refresh(Refresh::ByCost(factor)).build().unwrap();
    let go = Arc::new(Notify::new());
    let mut loads = tokio::task::JoinSet::new();
    for key in 0..KEYS {
        let (cache, go) = (cache.clone(), Arc::clone(&go));
        loads.spawn(async move {
            let load = async || {
                go.notified().await;
                Ok::<_, Infallible>("old".to_owned())
            };
            cache.get_or_load(&key, load).await.unwrap();
        });
    }
    settle().await;
    clock.advance(secs(10));
    go.notify_waiters();
    loads.join_all().await;
    clock.advance(secs(100 - left));
    for key in 0..KEYS {
        cache
            .get_or_spawn(&key, always("new".to_owned()))
            .await
            .unwrap();
        settle().await;
    }
    cache.stats().refreshes
}

#[tokio::test]
async fn what_was_costly_is_refreshed_at_random_the_likelier_the_nearer_its_end() {
    // The chance is e^(-left / (factor × cost)); the bounds are five deviations away.
    let cases = [
        (1.0, 60, 0..=11),    // 1 of 400 expected
        (1.0, 10, 99..=195),  // 147
        (3.0, 10, 242..=332), // 287
        (1.0, 1, 333..=391),  // 362
    ];
    for (factor, left, expected) in cases {
        let refreshed = refreshed(factor, left).await;
        assert!(
            expected.contains(&refreshed),
            "factor {factor}, {left} s left: {refreshed}"
        );
    }
}

#[tokio::test]
async fn a_factor_beyond_all_measure_refreshes_at_once() {
    let refreshed = refreshed(f64::MAX, 90).await;
    assert!(refreshed >= KEYS.into(), "{refreshed}");
}

#[tokio::test]
async fn what_cost_nothing_is_not_refreshed_before_its_end() {
    let (larder, clock) = in_memory().await;
    let cache = larder.cache("cheap").ttl(secs(100));
    let cache: Names = cache.refresh(Refresh::ByCost(1.0)).build().unwrap();
    cache.set(&1, "old").await.unwrap();
    clock.advance(secs(99));
    for _ in 0..100 {
        cache
            .get_or_spawn(&1, always("new".to_owned()))
            .await
            .unwrap();
        settle().await;
    }
    assert_eq!(cache.stats().refreshes, 0);
}
