//! TTLs and stale windows, by a clock that the test moves.

use std::time::Duration;

use larder::{Cache, Error, Freshness, Larder, MAX_TTL, Source, StaleReason};

use super::common::{Runs, always, eventually, millis, secs};
use super::in_memory;

type Names = Cache<u32, String>;

fn opened(larder: &Larder, ttl: Duration, stale: Duration) -> Names {
    larder.cache("names").ttl(ttl).stale(stale).build().unwrap()
}

#[tokio::test]
async fn a_value_is_fresh_within_its_ttl_and_not_beyond() {
    let (larder, clock) = in_memory().await;
    let cache = opened(&larder, secs(60), Duration::ZERO);
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    clock.advance(Duration::from_micros(59_999_999));
    assert_eq!(
        cache.get(&1).await.as_deref().map(String::as_str),
        Some("Ann")
    );
    assert!(cache.exists(&1).await);
    clock.advance(Duration::from_micros(1));
    assert!(cache.get(&1).await.is_none());
    assert!(cache.lookup(&1).await.is_none());
    assert!(!cache.exists(&1).await);
    assert!(
        !cache.remove(&1).await.unwrap(),
        "what has expired is not there"
    );
}

#[tokio::test]
async fn a_loaded_value_has_the_same_ttl_as_one_that_was_set() {
    let (larder, clock) = in_memory().await;
    let cache = opened(&larder, secs(60), Duration::ZERO);
    let runs = Runs::default();
    for (advance, loads) in [(0, 1), (59, 1), (1, 2), (59, 2), (1, 3)] {
        clock.advance(secs(advance));
        let value = cache.get_or_load(&1, runs.load("Ann".to_owned())).await;
        assert_eq!(*value.unwrap(), "Ann");
        assert_eq!(runs.get(), loads);
    }
}

#[tokio::test]
async fn a_stale_value_is_found_by_lookup_only_and_declared() {
    let (larder, clock) = in_memory().await;
    let cache = opened(&larder, secs(60), secs(30));
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    let found = cache.lookup(&1).await.unwrap();
    assert_eq!(found.outcome.freshness, Freshness::Fresh);
    assert_eq!(
        (found.outcome.age, found.outcome.ttl_left),
        (secs(0), secs(60))
    );
    clock.advance(secs(89));
    assert!(cache.get(&1).await.is_none());
    assert!(!cache.exists(&1).await);
    assert_eq!(cache.ttl_left(&1).await, None);
    let found = cache.lookup(&1).await.unwrap();
    assert_eq!(found.as_str(), "Ann");
    assert_eq!(found.outcome.source, Source::Near);
    assert_eq!(
        found.outcome.freshness,
        Freshness::Stale(StaleReason::Expired)
    );
    assert_eq!(
        (found.outcome.age, found.outcome.ttl_left),
        (secs(89), secs(0))
    );
    // A loader is run, and what it brings replaces the stale value.
    let found = cache
        .lookup_or_load(&1, always("Bob".to_owned()))
        .await
        .unwrap();
    assert_eq!(
        (found.as_str(), found.outcome.source),
        ("Bob", Source::Loader)
    );
    clock.advance(secs(90));
    assert!(
        cache.lookup(&1).await.is_none(),
        "nothing is served past ttl + stale"
    );
}

#[tokio::test]
async fn a_stale_value_counts_as_a_hit_only_where_it_is_returned() {
    let (larder, clock) = in_memory().await;
    let cache = opened(&larder, secs(60), secs(30));
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    clock.advance(secs(60));
    assert!(cache.get(&1).await.is_none());
    assert!(cache.entry(&1).get().await.is_none());
    let stats = cache.stats();
    assert_eq!((stats.hits(), stats.misses_expired), (0, 2));
    assert!(cache.lookup(&1).await.is_some());
    let stats = cache.stats();
    assert_eq!((stats.stale_hits(), stats.misses()), (1, 2));
}

#[tokio::test]
async fn ttl_left_counts_down() {
    let (larder, clock) = in_memory().await;
    let cache = opened(&larder, secs(60), Duration::ZERO);
    assert_eq!(cache.ttl_left(&1).await, None);
    cache
        .entry(&1)
        .ttl(millis(1_500))
        .set("Ann".to_owned())
        .await
        .unwrap();
    for (advance, left) in [(0, 1_500), (1, 1_499), (1_498, 1)] {
        clock.advance(millis(advance));
        assert_eq!(cache.ttl_left(&1).await, Some(millis(left)));
    }
    clock.advance(millis(1));
    assert_eq!(cache.ttl_left(&1).await, None);
    // Reading it does not renew it, writing does.
    cache.set(&1, "Bob".to_owned()).await.unwrap();
    assert_eq!(cache.ttl_left(&1).await, Some(secs(60)));
}

/// Contract fault 12.
#[tokio::test]
async fn a_ttl_of_zero_stores_nothing_and_takes_away_what_was_there() {
    let (larder, _clock) = in_memory().await;
    let cache = opened(&larder, secs(60), secs(60));
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    cache
        .entry(&1)
        .ttl(Duration::ZERO)
        .set("Bob".to_owned())
        .await
        .unwrap();
    assert!(cache.lookup(&1).await.is_none());
    let runs = Runs::default();
    for _ in 0..2 {
        let entry = cache.entry(&1).ttl(Duration::ZERO);
        let found = entry
            .lookup_or_load(runs.load("Cid".to_owned()))
            .await
            .unwrap();
        assert_eq!(found.outcome.ttl_left, Duration::ZERO);
    }
    assert_eq!(runs.get(), 2);
    let never: Names = larder.cache("never").ttl(Duration::ZERO).build().unwrap();
    never.set(&1, "Ann".to_owned()).await.unwrap();
    assert!(never.get(&1).await.is_none());
}

#[tokio::test]
async fn a_fraction_of_a_millisecond_is_a_ttl_too() {
    let (larder, clock) = in_memory().await;
    let cache = opened(&larder, Duration::from_micros(1_500), Duration::ZERO);
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    clock.advance(Duration::from_micros(1_999));
    assert!(cache.get(&1).await.is_some());
    clock.advance(Duration::from_micros(1));
    assert!(cache.get(&1).await.is_none());
    // Less than a millisecond is a millisecond, and neither nothing nor an error.
    cache
        .entry(&1)
        .ttl(Duration::from_nanos(1))
        .set("Bob".to_owned())
        .await
        .unwrap();
    assert!(cache.get(&1).await.is_some());
    clock.advance(millis(1));
    assert!(cache.get(&1).await.is_none());
}

#[tokio::test]
async fn a_ttl_beyond_the_longest_is_refused_at_build_and_cut_in_a_call() {
    let (larder, clock) = in_memory().await;
    let builder = || larder.cache::<u32, String>("names");
    let too_long = MAX_TTL + millis(1);
    for (builder, what) in [
        (builder().ttl(too_long), "ttl"),
        (builder().stale(too_long), "stale"),
        (builder().ttl(Duration::MAX), "ttl"),
    ] {
        let error = builder.build().unwrap_err();
        assert!(
            matches!(error, Error::TooLong { what: named, .. } if named == what),
            "{error}"
        );
        assert!(error.to_string().contains("names"), "{error}");
    }
    let cache = builder().ttl(MAX_TTL).stale(MAX_TTL).build().unwrap();
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    assert_eq!(cache.ttl_left(&1).await, Some(MAX_TTL));
    let entry = cache.entry(&1).ttl(Duration::MAX).stale(Duration::MAX);
    entry.set("Bob".to_owned()).await.unwrap();
    assert_eq!(cache.ttl_left(&1).await, Some(MAX_TTL));
    clock.advance(MAX_TTL);
    assert!(cache.get(&1).await.is_none());
}

#[tokio::test]
async fn a_call_may_bring_its_own_times() {
    let (larder, clock) = in_memory().await;
    let cache = opened(&larder, secs(60), Duration::ZERO);
    let entry = cache.entry(&1).ttl(secs(5)).stale(secs(5));
    entry.get_or_load(always("Ann".to_owned())).await.unwrap();
    clock.advance(secs(7));
    assert!(cache.get(&1).await.is_none());
    assert!(cache.lookup(&1).await.is_some());
    clock.advance(secs(3));
    assert!(cache.lookup(&1).await.is_none());
}

#[tokio::test]
async fn a_tenants_entry_is_apart_from_all_others() {
    let (larder, _clock) = in_memory().await;
    let cache = opened(&larder, secs(60), Duration::ZERO);
    let views = [
        cache.clone(),
        cache.tenant("acme"),
        cache.tenant("globex"),
        larder
            .tenant("initech")
            .cache("names")
            .ttl(secs(60))
            .build()
            .unwrap(),
    ];
    for (at, view) in views.iter().enumerate() {
        assert!(view.get(&1).await.is_none());
        view.set(&1, at.to_string()).await.unwrap();
    }
    for (at, view) in views.iter().enumerate() {
        assert_eq!(*view.get(&1).await.unwrap(), at.to_string());
    }
    assert!(views[1].remove(&1).await.unwrap());
    assert!(cache.entry(&1).tenant("acme").get().await.is_none());
    assert_eq!(*cache.entry(&1).tenant("globex").get().await.unwrap(), "2");
    assert_eq!(*cache.entry(&1).tenant("initech").get().await.unwrap(), "3");
    assert_eq!(*cache.get(&1).await.unwrap(), "0");
}

/// By real time: the sweep runs once a second.
#[tokio::test]
async fn the_sweep_frees_what_has_expired_and_nothing_else() {
    let larder = Larder::in_memory().await.unwrap();
    let cache = opened(&larder, secs(600), Duration::ZERO);
    for key in 0..3_000 {
        let ttl = if key % 3 == 0 { secs(600) } else { millis(10) };
        cache
            .entry(&key)
            .ttl(ttl)
            .set(key.to_string())
            .await
            .unwrap();
    }
    assert_eq!(cache.near_usage().entries, 3_000);
    eventually("all expired entries are freed", async || {
        cache.near_usage().entries == 1_000
    })
    .await;
    assert_eq!(cache.stats().near_swept, 2_000);
    for key in (0..3_000).step_by(3) {
        assert_eq!(*cache.get(&key).await.unwrap(), key.to_string());
    }
}

#[tokio::test]
async fn the_sweep_leaves_stale_values_that_may_still_be_served() {
    let larder = Larder::in_memory().await.unwrap();
    let cache = opened(&larder, secs(600), Duration::ZERO);
    let entry = cache.entry(&1).ttl(millis(1)).stale(secs(600));
    entry.set("Ann".to_owned()).await.unwrap();
    cache
        .entry(&2)
        .ttl(millis(1))
        .set("Bob".to_owned())
        .await
        .unwrap();
    eventually("the other one is swept", async || {
        cache.stats().near_swept == 1
    })
    .await;
    assert!(cache.lookup(&1).await.is_some());
}

#[tokio::test]
async fn a_value_that_expired_while_its_loader_ran_is_not_served_when_the_loader_fails() {
    let (larder, clock) = in_memory().await;
    let cache = opened(&larder, secs(60), secs(10));
    for (loading, served) in [(secs(9), true), (secs(11), false)] {
        cache.set(&1, "Ann".to_owned()).await.unwrap();
        clock.advance(secs(60));
        let load = || async {
            clock.advance(loading);
            Err::<String, _>("the source is away")
        };
        let loaded = cache.lookup_or_load(&1, load).await;
        assert_eq!(loaded.is_ok(), served, "after {loading:?}: {loaded:?}");
        if let Ok(found) = loaded {
            assert_eq!(found.outcome.age, secs(69), "its age is told as it is now");
        }
    }
}
