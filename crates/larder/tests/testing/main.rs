//! The kit for users' tests: each fault does what it says, and what larder then does is as promised.

#![cfg(all(feature = "testing", feature = "valkey", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use larder::bounded::ServerEviction;
use larder::remote::RemoteState;
use larder::testing::{
    Fault, FaultyRemote, Operation, Tally, When, bounded_conformance, conformance,
};
use larder::{Cache, Clock, Config, Error, Freshness, Larder, NearTrust, Source, StaleReason};

use common::{Runs, always, eventually, millis, secs, soon};

async fn on(server: &FaultyRemote) -> Larder {
    let larder = Larder::builder().remote(server.clone());
    larder.build().await.unwrap()
}

async fn cache_on(server: &FaultyRemote) -> Cache<u32, String> {
    on(server).await.cache("names").build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_faults_it_keeps_every_promise_of_a_remote() {
    let server = FaultyRemote::new();
    conformance(async || server.clone()).await.unwrap();
    let server = FaultyRemote::new();
    let bounded = bounded_conformance(async || server.clone(), ServerEviction::Lru);
    bounded.await.unwrap();
}

#[tokio::test]
async fn a_fault_ends_after_its_calls_and_by_healing() {
    let server = FaultyRemote::new();
    let cache = cache_on(&server).await;
    server.inject_next(2, [Operation::Set], Fault::Fail);
    for _ in 0..2 {
        let failed = cache.set(&1, "Ann").await;
        assert!(matches!(failed, Err(Error::Pending { .. })), "{failed:?}");
    }
    cache.set(&1, "Ann").await.unwrap();
    assert_eq!(server.calls(Operation::Set), 3);

    server.inject(Operation::WRITES, Fault::Fail);
    for key in 2..5 {
        assert!(cache.set(&key, "Bob").await.is_err());
    }
    server.heal();
    cache.set(&2, "Bob").await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_down_costs_misses_and_stale_values() {
    let clock = Clock::manual();
    let server = FaultyRemote::with(clock.clone());
    let larder = Larder::builder()
        .remote(server.clone())
        .clock(clock.clone());
    let larder = larder.build().await.unwrap();
    let cache: Cache<u32, String> = larder.cache("names").build().unwrap();
    cache.set(&1, "Ann").await.unwrap();
    assert!(cache.exists(&1).await);

    server.go_down();
    let health = larder.health().await;
    assert_eq!(health.remote.state, RemoteState::Down);
    assert!(matches!(health.near, NearTrust::Untrusted { .. }));
    assert_eq!(cache.get(&1).await, None, "memory is not trusted");
    let stale = cache.lookup(&1).await.unwrap().outcome.freshness;
    assert_eq!(stale, Freshness::Stale(StaleReason::RemoteUnavailable));
    assert_eq!(
        *cache
            .get_or_load(&2, always("Bob".to_owned()))
            .await
            .unwrap(),
        "Bob"
    );

    server.heal();
    let health = larder.health().await;
    assert_eq!(health.remote.state, RemoteState::Up);
    assert_eq!(health.near, NearTrust::Trusted);
    assert_eq!(*cache.get(&1).await.unwrap(), "Ann");
}

#[tokio::test]
async fn a_larder_may_be_built_on_a_server_that_is_down() {
    let server = FaultyRemote::new();
    server.go_down();
    let larder = on(&server).await;
    assert!(larder.health().await.is_degraded());
    let strict = Config::builder()
        .url("valkey://127.0.0.1:1")
        .require_remote(true);
    let strict = strict.build().unwrap();
    let refused = Larder::builder()
        .config(strict)
        .remote(server.clone())
        .build()
        .await;
    assert!(matches!(refused, Err(Error::RemoteRequired { .. })));
    server.heal();
    let health = larder.health().await;
    assert!(health.is_usable());
    assert_eq!(health.near, NearTrust::Trusted);
    let cache: Cache<u32, String> = larder.cache("names").build().unwrap();
    cache.set(&1, "Ann").await.unwrap();
    let other = cache_on(&server).await;
    assert_eq!(*other.get(&1).await.unwrap(), "Ann");
}

#[tokio::test]
async fn a_lost_answer_leaves_the_write_in_effect() {
    let server = FaultyRemote::new();
    let (cache, other) = (cache_on(&server).await, cache_on(&server).await);
    cache.set(&1, "Ann").await.unwrap();
    server.inject_next(1, [Operation::Remove], Fault::LoseAnswer);
    assert!(cache.remove(&1).await.is_err());
    assert_eq!(other.get(&1).await, None, "it is removed all the same");
    server.inject_next(1, [Operation::Remove], Fault::Fail);
    other.set(&1, "Bob").await.unwrap();
    assert!(cache.remove(&1).await.is_err());
    assert_eq!(
        cache.get(&1).await,
        None,
        "not here, whatever the server holds"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_or_is_slow_holds_a_read_no_longer_than_its_timeout() {
    let server = FaultyRemote::new();
    let cache = cache_on(&server).await;
    cache.set(&1, "Ann").await.unwrap();
    let timed = async |server: &FaultyRemote| {
        let (began, calls) = (tokio::time::Instant::now(), server.calls(Operation::Get));
        let found = cache.entry(&1).skip_near().get().await;
        assert_eq!(server.calls(Operation::Get), calls + 1);
        (found.is_some(), began.elapsed().as_millis())
    };
    server.inject(Operation::READS, Fault::Delay(millis(300)));
    assert_eq!(timed(&server).await, (true, 300));
    server.inject(Operation::READS, Fault::Hang);
    assert_eq!(timed(&server).await, (false, 4_000));
    server.inject(Operation::READS, Fault::Delay(secs(60)));
    assert_eq!(timed(&server).await, (false, 4_000));
    server.heal();
    assert_eq!(timed(&server).await, (true, 0));
}

#[tokio::test]
async fn a_full_server_refuses_writes_and_answers_reads() {
    let server = FaultyRemote::new();
    let cache = cache_on(&server).await;
    cache.set(&1, "Ann").await.unwrap();
    server.inject(Operation::ALL, Fault::Full);
    let refused = cache.set(&2, "Bob").await.unwrap_err();
    assert!(refused.to_string().contains("OOM"), "{refused}");
    assert_eq!(*cache.entry(&1).skip_near().get().await.unwrap(), "Ann");
    assert_eq!(
        *cache
            .get_or_load(&3, always("Cid".to_owned()))
            .await
            .unwrap(),
        "Cid"
    );
    assert!(cache.remove(&1).await.unwrap());
}

#[tokio::test]
async fn garbled_values_are_misses_and_are_loaded_once() {
    let server = FaultyRemote::new();
    let (cache, other) = (cache_on(&server).await, cache_on(&server).await);
    other.set_many([(1, "Ann"), (2, "Bob")]).await.unwrap();
    server.inject(Operation::ALL, Fault::Garble("not an envelope".into()));
    let tally = Tally::of(&cache);
    assert_eq!(cache.get(&1).await, None);
    assert!(cache.get_many(&[1, 2, 3]).await.is_empty());
    tally.assert("unreadable", 3, |counted| counted.misses_unreadable);
    let runs = Runs::default();
    let loaded = soon(
        "the load",
        cache.get_or_load(&1, runs.load("Eve".to_owned())),
    );
    assert_eq!(*loaded.await.unwrap(), "Eve");
    assert_eq!(runs.get(), 1);
}

#[tokio::test]
async fn a_wipe_is_told_and_empties_every_memory() {
    let server = FaultyRemote::new();
    let (cache, other) = (cache_on(&server).await, cache_on(&server).await);
    cache.set(&1, "Ann").await.unwrap();
    assert!(cache.exists(&1).await && other.exists(&1).await);
    server.wipe();
    assert_eq!(cache.get(&1).await, None);
    assert_eq!(other.get(&1).await, None);
    // It works on, and goes on telling.
    cache.set(&1, "Bob").await.unwrap();
    assert_eq!(*other.get(&1).await.unwrap(), "Bob");
    cache.set(&1, "Cid").await.unwrap();
    assert_eq!(*other.get(&1).await.unwrap(), "Cid");
}

#[tokio::test]
async fn pushes_that_are_lost_show_until_that_is_noticed() {
    let server = FaultyRemote::new();
    let (here, there) = (cache_on(&server).await, cache_on(&server).await);
    here.set(&1, "old").await.unwrap();
    assert_eq!(*there.get(&1).await.unwrap(), "old");
    server.silence_pushes();
    here.set(&1, "new").await.unwrap();
    assert_eq!(*there.get(&1).await.unwrap(), "old", "it has heard nothing");
    assert_eq!(*there.entry(&1).skip_near().get().await.unwrap(), "new");
    here.set(&1, "newer").await.unwrap();
    server.break_pushes();
    assert_eq!(
        *there.get(&1).await.unwrap(),
        "newer",
        "memory is not trusted"
    );
    server.heal();
    here.set(&1, "newest").await.unwrap();
    assert_eq!(*there.get(&1).await.unwrap(), "newest");
    let tally = Tally::of(&there);
    assert!(there.exists(&1).await);
    tally.assert_near_hits(1);
}

#[tokio::test]
async fn what_was_not_heard_in_silence_is_not_believed_after_it() {
    let server = FaultyRemote::new();
    let (here, there) = (cache_on(&server).await, cache_on(&server).await);
    here.set(&1, "old").await.unwrap();
    assert!(there.exists(&1).await);
    server.silence_pushes();
    here.set(&1, "new").await.unwrap();
    server.heal();
    let found = there.lookup(&1).await.unwrap();
    assert_eq!((&**found, found.outcome.source), ("new", Source::Remote));
    let tally = Tally::of(&there);
    assert!(there.exists(&1).await, "and memory is trusted again");
    tally.assert_near_hits(1);
}

#[tokio::test]
async fn an_operation_is_held_at_either_end() {
    let server = FaultyRemote::new();
    let cache = cache_on(&server).await;
    for (when, is_there) in [(When::Before, false), (When::After, true)] {
        server.wipe();
        let held = server.hold(Operation::Set, when);
        let theirs = cache.clone();
        let setting = tokio::spawn(async move { theirs.set(&1, "Ann").await });
        soon("it is held", held.reached()).await;
        let other = cache_on(&server).await;
        assert_eq!(other.exists(&1).await, is_there, "{when:?}");
        held.release();
        setting.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_stampede_on_a_failing_server_is_one_load() {
    let server = FaultyRemote::new();
    let cache = cache_on(&server).await;
    server.go_down();
    let tally = Tally::of(&cache);
    let come = Runs::default();
    let load = || async {
        eventually("all have come", async || come.get() == 50).await;
        Ok::<_, String>("Ann".to_owned())
    };
    let calls = (0..50).map(|_| async {
        come.count();
        cache.lookup_or_load(&1, load).await
    });
    let answers = soon("the calls", futures_util::future::join_all(calls)).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().unwrap().outcome.source == Source::Loader)
    );
    tally.assert_loads(1);
}

#[tokio::test]
async fn a_tally_that_fails_says_all_that_was_counted() {
    let larder = Larder::in_memory().await.unwrap();
    let cache: Cache<u32, String> = larder.cache("names").build().unwrap();
    cache.set(&9, "before").await.unwrap();
    let tally = Tally::of(&cache);
    tally.assert_loads(0).assert_hits(0).assert_misses(0);
    assert_eq!(format!("{tally:?}"), "Tally(nothing)");
    cache.set(&1, "Ann").await.unwrap();
    cache.get(&1).await;
    cache.get(&2).await;
    tally
        .assert_hits(1)
        .assert_near_hits(1)
        .assert_remote_hits(0)
        .assert_stale_hits(0)
        .assert_misses(1)
        .assert_load_failures(0);
    let failed = catch_unwind(AssertUnwindSafe(|| {
        tally.assert_loads(2);
    }));
    let message = failed.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(
        *message,
        "loads: expected 2, and there were 0; counted since the tally began: near_hits 1, \
         misses_absent 1, sets 1"
    );
    tally.until("a set", |counted| counted.sets == 1).await;
}
