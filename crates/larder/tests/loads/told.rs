//! What a loader is told, and how long what it brings is kept.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use larder::{Cache, Freshness, Load, Loaded, NearCapacity, Source, StaleReason};

use super::common::{Runs, always, millis, secs};
use super::{Broken, Names, fleet, get, in_memory, names};

/// A loader of a value with its own times.
fn loads<V>(loaded: Loaded<V>) -> impl FnOnce(Load<V>) -> Ready<Result<Loaded<V>, Infallible>> {
    |_| ready(Ok(loaded))
}

#[tokio::test]
async fn the_loader_then_the_call_then_the_value_then_the_cache_says_how_long() {
    let (larder, _) = in_memory().await;
    let by_value = |value: &String| value.strip_prefix("for ").map(|s| secs(s.parse().unwrap()));
    let cache: Names = names(&larder).ttl_by(by_value).build().unwrap();
    let left = async |key| cache.ttl_left(&key).await;

    cache.set(&1, "Ann").await.unwrap();
    assert_eq!(left(1).await, Some(secs(60)));
    cache.set(&1, "for 5").await.unwrap();
    assert_eq!(left(1).await, Some(secs(5)));
    cache.entry(&1).ttl(secs(7)).set("for 5").await.unwrap();
    assert_eq!(left(1).await, Some(secs(7)));

    let five = || Loaded::new("for 5".to_owned());
    cache
        .get_or_load(&2, always("for 5".to_owned()))
        .await
        .unwrap();
    assert_eq!(left(2).await, Some(secs(5)));
    let entry = cache.entry(&3).ttl(secs(7));
    entry.lookup_or_load_with(loads(five())).await.unwrap();
    assert_eq!(left(3).await, Some(secs(7)));
    let entry = cache.entry(&4).ttl(secs(7));
    let nine = entry.lookup_or_load_with(loads(five().ttl(secs(9))));
    assert_eq!(nine.await.unwrap().outcome.ttl_left, secs(9));
    assert_eq!(left(4).await, Some(secs(9)));
}

#[tokio::test]
async fn a_loader_may_choose_the_stale_window() {
    let (larder, clock) = in_memory().await;
    let cache: Names = names(&larder).build().unwrap();
    let short = Loaded::new("Ann".to_owned()).ttl(secs(10)).stale(secs(5));
    cache
        .entry(&1)
        .lookup_or_load_with(loads(short))
        .await
        .unwrap();
    clock.advance(millis(14_999));
    let found = cache.lookup(&1).await.unwrap();
    assert_eq!(
        found.outcome.freshness,
        Freshness::Stale(StaleReason::Expired)
    );
    clock.advance(millis(1));
    assert!(cache.lookup(&1).await.is_none());
}

#[tokio::test]
async fn what_is_not_to_be_stored_reaches_all_who_wait_and_no_tier() {
    let ([one, other], _) = fleet().await;
    let (one, other): (Names, Names) =
        (names(&one).build().unwrap(), names(&other).build().unwrap());
    let (a, b) = tokio::join!(
        one.entry(&1).lookup_or_load_with(async |_| {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(Loaded::new("once".to_owned()).do_not_store())
        }),
        one.lookup_or_load(&1, always("mine".to_owned())),
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!((a.as_str(), b.as_str()), ("once", "once"));
    assert!(Arc::ptr_eq(&a.value, &b.value) && b.outcome.joined);
    assert_eq!(a.outcome.ttl_left, Duration::ZERO);
    for cache in [&one, &other] {
        assert!(cache.lookup(&1).await.is_none());
        assert_eq!(cache.near_usage().entries, 0);
    }
    assert_eq!((one.stats().fills, one.stats().fills_refused), (0, 0));
}

#[tokio::test]
async fn that_there_is_nothing_is_remembered_for_a_time_of_its_own() {
    let (larder, clock) = in_memory().await;
    let open = |name: &str, ttl| -> Cache<u32, Option<String>> {
        let cache = larder.cache(name).ttl(secs(60)).negative_ttl(ttl);
        cache.build().unwrap()
    };
    let (cache, runs) = (open("users", secs(5)), Runs::default());
    let load = |value: Option<&str>| runs.load(value.map(str::to_owned));
    for (advance, loads) in [(0, 1), (4, 1), (1, 2)] {
        clock.advance(secs(advance));
        let none = cache.get_or_load(&1, load(None)).await.unwrap();
        assert_eq!((none.as_deref(), runs.get()), (None, loads));
    }
    cache.get_or_load(&2, load(Some("Ann"))).await.unwrap();
    clock.advance(secs(59));
    assert!(cache.get(&2).await.is_some());
    // By a write too.
    cache.set(&2, None).await.unwrap();
    assert_eq!(cache.ttl_left(&2).await, Some(secs(5)));

    let (never, runs) = (open("never", secs(0)), Runs::default());
    for turn in 1..=3 {
        let none = never.get_or_load(&1, runs.load(None)).await.unwrap();
        assert_eq!((none.as_deref(), runs.get()), (None, turn));
    }
}

#[tokio::test]
async fn a_value_that_panics_when_asked_for_its_ttl_has_the_caches() {
    let (larder, _) = in_memory().await;
    let cache = names(&larder).ttl_by(|value: &String| panic!("{value}"));
    let cache: Names = cache.build().unwrap();
    cache.set(&1, "Ann").await.unwrap();
    assert_eq!(cache.ttl_left(&1).await, Some(secs(60)));
    let value = cache.get_or_spawn(&2, always("Bob".to_owned())).await;
    assert_eq!(*value.unwrap(), "Bob");
    assert_eq!(cache.ttl_left(&2).await, Some(secs(60)));
}

#[tokio::test]
async fn a_loader_is_told_the_stale_value_and_may_say_that_it_still_stands() {
    let (larder, clock) = in_memory().await;
    let cache: Names = names(&larder).build().unwrap();
    let first = cache
        .entry(&1)
        .lookup_or_load_with(async |load: Load<String>| {
            assert!(load.stale().is_none() && load.unchanged().is_none());
            assert!(!load.is_refresh());
            Ok::<_, Infallible>("Ann".to_owned().into())
        });
    let first = first.await.unwrap();
    clock.advance(secs(90));
    let again = cache
        .entry(&1)
        .lookup_or_load_with(async |load: Load<String>| {
            assert_eq!(load.stale().map(|value| value.as_str()), Some("Ann"));
            assert!(!load.is_refresh());
            load.unchanged().ok_or(Broken)
        });
    let again = again.await.unwrap();
    assert!(Arc::ptr_eq(&first.value, &again.value));
    assert_eq!(again.outcome.source, Source::Loader);
    assert_eq!(cache.ttl_left(&1).await, Some(secs(60)));
    // Past the stale window there is nothing left to tell of (G4).
    clock.advance(secs(660));
    let gone = cache
        .entry(&1)
        .lookup_or_load_with(async |load: Load<String>| {
            assert!(load.stale().is_none());
            Ok::<_, Infallible>("Bob".to_owned().into())
        });
    assert_eq!(gone.await.unwrap().as_str(), "Bob");
}

#[tokio::test]
async fn a_loader_is_told_the_stale_value_that_another_process_stored() {
    let ([one, other], clock) = fleet().await;
    let one: Names = names(&one).build().unwrap();
    let other: Names = names(&other).near(NearCapacity::Off).build().unwrap();
    one.set(&1, "Ann").await.unwrap();
    clock.advance(secs(90));
    let again = other
        .entry(&1)
        .lookup_or_load_with(async |load: Load<String>| {
            assert_eq!(load.stale().map(|value| value.as_str()), Some("Ann"));
            load.unchanged().ok_or(Broken)
        });
    again.await.unwrap();
    assert_eq!(get(&one, 1).await.as_deref(), Some("Ann"));
    assert_eq!(one.stats().loads, 0);
}

#[tokio::test]
async fn a_jittered_ttl_is_shorter_by_a_random_part_of_its_share() {
    let (larder, _) = in_memory().await;
    let cache = larder.cache("jittered").ttl(secs(100)).jitter(0.5);
    let cache: Names = cache.build().unwrap();
    let mut left = Vec::new();
    for key in 0..200 {
        if key % 2 == 0 {
            cache.set(&key, "Ann").await.unwrap();
        } else {
            cache
                .get_or_load(&key, always("Ann".to_owned()))
                .await
                .unwrap();
        }
        left.push(cache.ttl_left(&key).await.unwrap());
    }
    for ttl in &left {
        assert!((secs(50)..=secs(100)).contains(ttl), "{ttl:?}");
    }
    // Each of these fails once in 10¹⁹ runs.
    assert!(left.iter().any(|ttl| *ttl < secs(60)));
    assert!(left.iter().any(|ttl| *ttl > secs(90)));

    let exact: Names = larder.cache("exact").ttl(secs(100)).build().unwrap();
    for key in 0..20 {
        exact.set(&key, "Ann").await.unwrap();
        assert_eq!(exact.ttl_left(&key).await, Some(secs(100)));
    }
}
