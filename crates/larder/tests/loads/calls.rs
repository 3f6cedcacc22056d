//! What one call may ask for.

use std::convert::Infallible;

use larder::{Clock, Coherence, Freshness, Load, Source, StaleReason};

use super::common::{Fault, FaultyRemote, Operation, Runs, always, millis, secs};
use super::{Broken, Gate, Names, fleet, get, in_memory, names, on, settle};

/// Two caches on a remote that tells nobody of changes.
async fn blind(coherence: Coherence) -> ([Names; 2], FaultyRemote, Clock) {
    let clock = Clock::manual();
    let stub = FaultyRemote::without_pushes(clock.clone());
    let open = async || -> Names {
        let larder = on(stub.clone(), &clock).await;
        names(&larder).coherence(coherence).build().unwrap()
    };
    ([open().await, open().await], stub, clock)
}

#[tokio::test]
async fn a_call_that_skips_memory_sees_what_every_process_wrote() {
    let ([one, other], _, _) = blind(Coherence::Off).await;
    one.set(&1, "old").await.unwrap();
    assert_eq!(get(&other, 1).await.as_deref(), Some("old"));
    one.set(&1, "new").await.unwrap();
    assert_eq!(get(&other, 1).await.as_deref(), Some("old"));
    let entry = || other.entry(&1).skip_near();
    assert_eq!(entry().get().await.unwrap().as_str(), "new");
    assert_eq!(get(&other, 1).await.as_deref(), Some("new"), "it is kept");
    one.remove(&1).await.unwrap();
    assert!(entry().get().await.is_none());
    let found = entry().lookup_or_load(always("loaded".to_owned())).await;
    assert_eq!(found.unwrap().outcome.source, Source::Loader);
}

#[tokio::test]
async fn beside_a_remote_that_tells_nothing_memory_is_believed_for_a_time() {
    let cases = [
        (Coherence::Pushed, secs(1)),
        (Coherence::Ttl(secs(5)), secs(5)),
    ];
    for (coherence, trust) in cases {
        let ([one, other], _, clock) = blind(coherence).await;
        one.set(&1, "old").await.unwrap();
        assert_eq!(get(&other, 1).await.as_deref(), Some("old"));
        one.set(&1, "new").await.unwrap();
        clock.advance(trust.saturating_sub(millis(1)));
        assert_eq!(
            get(&other, 1).await.as_deref(),
            Some("old"),
            "{coherence:?}"
        );
        clock.advance(millis(1));
        assert_eq!(
            get(&other, 1).await.as_deref(),
            Some("new"),
            "{coherence:?}"
        );
    }
}

#[tokio::test]
async fn a_call_that_skips_the_server_neither_asks_nor_fills_it() {
    let clock = Clock::manual();
    let stub = FaultyRemote::with(clock.clone());
    let larder = on(stub.clone(), &clock).await;
    let cache: Names = names(&larder).build().unwrap();
    let runs = Runs::default();
    for _ in 0..5 {
        let entry = cache.entry(&1).skip_remote();
        let value = entry.get_or_load(runs.load("mine".to_owned())).await;
        assert_eq!(*value.unwrap(), "mine");
        let found = cache.entry(&1).skip_remote().lookup().await;
        assert_eq!(found.unwrap().outcome.source, Source::Near);
    }
    assert_eq!(runs.get(), 1, "memory keeps it");
    assert!(cache.entry(&2).skip_remote().lookup().await.is_none());
    for op in [
        Operation::Get,
        Operation::Acquire,
        Operation::Fill,
        Operation::Release,
    ] {
        assert_eq!(stub.calls(op), 0, "{op:?}");
    }
    // Writes go there all the same.
    cache.entry(&1).skip_remote().set("yours").await.unwrap();
    cache.entry(&2).skip_remote().remove().await.unwrap();
    assert_eq!(
        (stub.calls(Operation::Set), stub.calls(Operation::Remove)),
        (1, 1)
    );
}

#[tokio::test]
async fn a_call_that_only_reads_leaves_nothing_behind() {
    let ([one, other], _) = fleet().await;
    let (one, other): (Names, Names) =
        (names(&one).build().unwrap(), names(&other).build().unwrap());
    one.set(&1, "Ann").await.unwrap();
    for _ in 0..3 {
        let found = other.entry(&1).read_only().lookup().await.unwrap();
        assert_eq!(found.outcome.source, Source::Remote);
    }
    let runs = Runs::default();
    for turn in 1..=3 {
        let entry = other.entry(&2).read_only();
        entry
            .get_or_load(runs.load("Bob".to_owned()))
            .await
            .unwrap();
        assert_eq!(runs.get(), turn);
    }
    assert_eq!(other.near_usage().entries, 0);
    assert_eq!(get(&one, 2).await, None);
}

#[tokio::test]
async fn a_forced_load_replaces_a_fresh_value_in_both_tiers() {
    let ([one, other], clock) = fleet().await;
    let (one, other): (Names, Names) =
        (names(&one).build().unwrap(), names(&other).build().unwrap());
    one.set(&1, "old").await.unwrap();
    for cache in [&one, &other] {
        assert_eq!(get(cache, 1).await.as_deref(), Some("old"));
    }
    clock.advance(secs(10));
    let forced = one.entry(&1).force_refresh();
    let found = forced.lookup_or_load_with(async |load: Load<String>| {
        assert_eq!(load.stale().map(|value| value.as_str()), Some("old"));
        assert!(!load.is_refresh(), "somebody waits");
        Ok::<_, Infallible>("new".to_owned().into())
    });
    let found = found.await.unwrap();
    assert_eq!(
        (found.as_str(), found.outcome.source),
        ("new", Source::Loader)
    );
    for cache in [&one, &other] {
        assert_eq!(get(cache, 1).await.as_deref(), Some("new"));
        let left = cache.ttl_left(&1).await.unwrap();
        assert!(left > secs(59), "{left:?}");
    }
}

#[tokio::test]
async fn forced_loads_at_once_are_one_load() {
    let (larder, _) = in_memory().await;
    let (cache, runs): (Names, _) = (names(&larder).build().unwrap(), Runs::default());
    cache.set(&1, "old").await.unwrap();
    let gate = Gate::default();
    let mut forced = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (cache, gate, runs) = (cache.clone(), gate.clone(), runs.clone());
        forced.spawn(async move {
            let load = async || {
                runs.count();
                gate.pass().await;
                Ok::<_, Infallible>("new".to_owned())
            };
            let entry = cache.entry(&1).force_refresh();
            entry.get_or_load(load).await.unwrap().to_string()
        });
    }
    gate.begun().await;
    settle().await;
    assert_eq!(get(&cache, 1).await.as_deref(), Some("old"), "others hit");
    gate.open();
    for value in forced.join_all().await {
        assert_eq!(value, "new");
    }
    assert_eq!(runs.get(), 1);
}

#[tokio::test]
async fn a_forced_load_that_fails_leaves_the_value_that_was_there() {
    let ([one, _], _) = fleet().await;
    let (memory, _) = in_memory().await;
    for larder in [one, memory] {
        let cache: Names = larder.cache("strict").ttl(secs(60)).build().unwrap();
        cache.set(&1, "old").await.unwrap();
        let forced = cache.entry(&1).force_refresh();
        let found = forced.lookup_or_load(async || Err(Broken)).await.unwrap();
        assert_eq!(
            (found.as_str(), found.outcome.freshness),
            ("old", Freshness::Fresh)
        );
        assert_ne!(found.outcome.source, Source::Loader);
        assert_eq!(cache.stats().load_failures, 1);
    }
}

#[tokio::test]
async fn a_call_says_how_stale_an_answer_may_be() {
    let (larder, clock) = in_memory().await;
    let cache: Names = names(&larder).build().unwrap();
    cache.set(&1, "old").await.unwrap();
    clock.advance(secs(90));
    for (most, takes) in [(0, false), (29, false), (30, true), (600, true)] {
        let entry = || cache.entry(&1).max_stale(secs(most));
        let found = entry().lookup().await;
        assert_eq!(found.is_some(), takes, "{most} s");
        let found = entry().lookup_or_load(async || Err(Broken)).await;
        match found {
            Ok(found) => {
                assert!(takes, "{most} s");
                assert_eq!(
                    found.outcome.freshness,
                    Freshness::Stale(StaleReason::LoaderFailed)
                );
            }
            Err(error) => assert!(
                !takes && error.loader() == Some(&Broken),
                "{most} s: {error}"
            ),
        }
    }
    // The value's own window is the wider bound.
    clock.advance(secs(570));
    let entry = cache.entry(&1).max_stale(secs(10_000));
    assert!(entry.lookup().await.is_none());
}

#[tokio::test]
async fn who_takes_nothing_stale_gets_nothing_that_the_server_does_not_vouch_for() {
    let clock = Clock::manual();
    let stub = FaultyRemote::with(clock.clone());
    let larder = on(stub.clone(), &clock).await;
    let cache: Names = names(&larder).build().unwrap();
    cache.set(&1, "old").await.unwrap();
    assert_eq!(get(&cache, 1).await.as_deref(), Some("old"));
    stub.inject([Operation::Get], Fault::Fail);
    let entry = || cache.entry(&1).skip_near();
    let found = entry().lookup().await.unwrap();
    assert_eq!(
        found.outcome.freshness,
        Freshness::Stale(StaleReason::RemoteUnavailable)
    );
    assert!(entry().max_stale(secs(0)).lookup().await.is_none());
    let strict = entry().max_stale(secs(0));
    let found = strict.lookup_or_load(always("new".to_owned())).await;
    assert_eq!(found.unwrap().as_str(), "new");
}

#[tokio::test]
async fn a_waiter_who_takes_less_stale_than_the_leader_loads_for_itself() {
    let (larder, clock) = in_memory().await;
    let cache: Names = names(&larder).build().unwrap();
    cache.set(&1, "old").await.unwrap();
    clock.advance(secs(90));
    let gate = Gate::default();
    let leader = tokio::spawn({
        let (cache, gate) = (cache.clone(), gate.clone());
        async move {
            let load = async || {
                gate.pass().await;
                Err(Broken)
            };
            cache.lookup_or_load(&1, load).await.unwrap().to_string()
        }
    });
    gate.begun().await;
    let strict = cache.entry(&1).max_stale(secs(0));
    let strict = strict.lookup_or_load(always("new".to_owned()));
    let (strict, ()) = tokio::join!(strict, async {
        settle().await;
        gate.open();
    });
    assert_eq!(strict.unwrap().as_str(), "new");
    assert_eq!(leader.await.unwrap(), "old");
}
