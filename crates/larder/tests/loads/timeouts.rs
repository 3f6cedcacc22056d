//! How long callers wait. Time is tokio's, paused: it jumps ahead when nothing else is to be done.

use std::convert::Infallible;
use std::future::pending;

use larder::{Clock, Freshness, LoadError, NearCapacity, Source, StaleReason};
use tokio::time::{Instant, sleep, timeout};

use super::common::{FaultyRemote, Operation, When, always, eventually, millis, secs, soon};
use super::{Gate, Names, fleet, get, in_memory, names, on};

const SLOW: Freshness = Freshness::Stale(StaleReason::SlowLoad);

#[tokio::test(start_paused = true)]
async fn past_the_soft_timeout_a_stale_value_will_do_and_the_load_goes_on() {
    let (larder, clock) = in_memory().await;
    let cache: Names = names(&larder).soft_timeout(millis(100)).build().unwrap();
    cache.set(&1, "old").await.unwrap();
    clock.advance(secs(90));
    let gate = Gate::default();
    let loading = gate.clone();
    let asked = Instant::now();
    let found = cache.lookup_or_spawn(&1, || async move {
        loading.pass().await;
        Ok::<_, Infallible>("new".to_owned())
    });
    let found = soon("the stale value", found).await.unwrap();
    assert_eq!((found.as_str(), found.outcome.freshness), ("old", SLOW));
    assert_eq!(found.outcome.source, Source::Near);
    assert_eq!(
        (found.outcome.age, found.outcome.past_ttl),
        (secs(90), secs(30))
    );
    let waited = asked.elapsed();
    assert!(waited >= millis(100) && waited < millis(110), "{waited:?}");
    assert_eq!(cache.stats().stale_hits(), 1);
    gate.open();
    eventually("the load is stored", async || {
        get(&cache, 1).await.as_deref() == Some("new")
    })
    .await;
    assert_eq!(cache.stats().loads, 1);
}

#[tokio::test(start_paused = true)]
async fn within_the_soft_timeout_callers_get_the_new_value() {
    let (larder, clock) = in_memory().await;
    let cache: Names = names(&larder).soft_timeout(millis(100)).build().unwrap();
    cache.set(&1, "old").await.unwrap();
    clock.advance(secs(90));
    let load = || async {
        sleep(millis(90)).await;
        Ok::<_, Infallible>("new".to_owned())
    };
    let found = cache.lookup_or_spawn(&1, load).await.unwrap();
    assert_eq!(
        (found.as_str(), found.outcome.freshness),
        ("new", Freshness::Fresh)
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_stale_value_there_is_nothing_to_do_but_wait() {
    let (larder, _) = in_memory().await;
    let cache: Names = names(&larder).soft_timeout(millis(100)).build().unwrap();
    let load = || async {
        sleep(secs(20)).await;
        Ok::<_, Infallible>("new".to_owned())
    };
    let asked = Instant::now();
    let found = cache.lookup_or_spawn(&1, load).await.unwrap();
    assert_eq!(found.as_str(), "new");
    assert!(asked.elapsed() >= secs(20));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_another_callers_load_waits_no_longer_and_who_runs_it_does() {
    let (larder, clock) = in_memory().await;
    let cache: Names = names(&larder).soft_timeout(millis(100)).build().unwrap();
    cache.set(&1, "old").await.unwrap();
    clock.advance(secs(90));
    let gate = Gate::default();
    let leader = tokio::spawn({
        let (cache, gate) = (cache.clone(), gate.clone());
        async move {
            let load = async || {
                gate.pass().await;
                Ok::<_, Infallible>("new".to_owned())
            };
            cache.lookup_or_load(&1, load).await.unwrap()
        }
    });
    gate.begun().await;
    let waiting = cache.lookup_or_load(&1, always("mine".to_owned()));
    let found = soon("the stale value", waiting).await.unwrap();
    assert_eq!((found.as_str(), found.outcome.freshness), ("old", SLOW));
    sleep(secs(5)).await;
    assert!(!leader.is_finished());
    gate.open();
    let found = leader.await.unwrap();
    assert_eq!(
        (found.as_str(), found.outcome.freshness),
        ("new", Freshness::Fresh)
    );
}

#[tokio::test(start_paused = true)]
async fn with_a_soft_timeout_of_zero_a_stale_value_comes_at_once_from_either_tier() {
    let ([one, other], clock) = fleet().await;
    let open = |larder, near: NearCapacity| -> Names {
        let cache = names(larder).soft_timeout(secs(0)).near(near);
        cache.build().unwrap()
    };
    let near = open(&one, NearCapacity::Entries(10));
    let remote = open(&other, NearCapacity::Off);
    near.set(&1, "old").await.unwrap();
    assert!(near.get(&1).await.is_some());
    clock.advance(secs(90));
    let gate = Gate::default();
    for (cache, source) in [(near, Source::Near), (remote, Source::Remote)] {
        let asked = Instant::now();
        let loading = gate.clone();
        let found = cache.lookup_or_spawn(&1, || async move {
            loading.pass().await;
            Ok::<_, Infallible>("new".to_owned())
        });
        let found = soon("the stale value", found).await.unwrap();
        assert_eq!(
            (
                found.as_str(),
                found.outcome.source,
                found.outcome.freshness
            ),
            ("old", source, SLOW)
        );
        assert!(asked.elapsed() < millis(10), "{:?}", asked.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_ends_at_its_limit_for_all_who_wait() {
    let (larder, _) = in_memory().await;
    let short: Names = names(&larder).load_timeout(secs(3)).build().unwrap();
    let forever = || async { pending::<Result<String, Infallible>>().await };
    let asked = Instant::now();
    let (load, spawn) = tokio::join!(
        short.get_or_load(&1, forever),
        short.get_or_spawn(&2, forever)
    );
    for result in [load, spawn] {
        let error = result.unwrap_err();
        assert!(
            matches!(error, LoadError::TimedOut { after } if after == secs(3)),
            "{error}"
        );
    }
    let (load, joined) = tokio::join!(
        short.get_or_load(&3, forever),
        short.get_or_load(&3, always("mine".to_owned()))
    );
    assert!(matches!(load, Err(LoadError::TimedOut { .. })));
    assert!(matches!(joined, Err(LoadError::TimedOut { .. })));
    assert!(asked.elapsed() < secs(7), "{:?}", asked.elapsed());
    assert_eq!(short.stats().load_failures, 3);
}

#[tokio::test(start_paused = true)]
async fn there_is_always_a_limit() {
    let (larder, _) = in_memory().await;
    let cache: Names = names(&larder).build().unwrap();
    let forever = || async { pending::<Result<String, Infallible>>().await };
    let load = cache.get_or_load(&1, forever);
    let error = timeout(secs(301), load).await.unwrap().unwrap_err();
    assert!(matches!(error, LoadError::TimedOut { after } if after == secs(300)));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_timed_out_leaves_the_stale_value() {
    let (larder, clock) = in_memory().await;
    let cache: Names = names(&larder).load_timeout(secs(3)).build().unwrap();
    cache.set(&1, "old").await.unwrap();
    clock.advance(secs(90));
    let forever = || async { pending::<Result<String, Infallible>>().await };
    let found = cache.lookup_or_load(&1, forever).await.unwrap();
    assert_eq!(
        (found.as_str(), found.outcome.freshness),
        ("old", Freshness::Stale(StaleReason::LoaderFailed))
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_long_is_not_waited_for_where_memory_has_something() {
    let clock = Clock::manual();
    let stub = FaultyRemote::with(clock.clone());
    let larder = on(stub.clone(), &clock).await;
    let cache = names(&larder).remote_soft_timeout(millis(100));
    let cache: Names = cache.build().unwrap();
    cache.set(&1, "old").await.unwrap();
    assert_eq!(get(&cache, 1).await.as_deref(), Some("old"));
    clock.advance(secs(90));
    let away = Freshness::Stale(StaleReason::RemoteUnavailable);

    let held = stub.hold(Operation::Get, When::Before);
    let asked = Instant::now();
    let found = soon("the stale value", cache.lookup(&1)).await.unwrap();
    assert_eq!((found.as_str(), found.outcome.freshness), ("old", away));
    assert!(asked.elapsed() < millis(110), "{:?}", asked.elapsed());
    drop(held);

    // Where memory has nothing, the server is worth the wait.
    let held = stub.hold(Operation::Get, When::Before);
    let waiting = tokio::spawn({
        let cache = cache.clone();
        async move { cache.lookup(&2).await.is_some() }
    });
    held.reached().await;
    sleep(millis(500)).await;
    assert!(!waiting.is_finished());
    held.release();
    assert!(!soon("the answer", waiting).await.unwrap());
}
