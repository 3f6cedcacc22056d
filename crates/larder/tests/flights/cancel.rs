//! G8: whoever is dropped at whatever point leaves no stuck flight.

use std::io;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};

use larder::Cache;

use super::common::{FaultyRemote, Held, Operation, Runs, When, always, eventually, millis, soon};
use super::{Gate, cache_on, in_memory, settle};

/// A caller whose load waits for the gate and brings `value`.
fn caller(cache: &Cache<u32, String>, runs: &Runs, gate: &Gate, value: &str) -> JoinHandle<String> {
    let (cache, runs, gate, value) = (cache.clone(), runs.clone(), gate.clone(), value.to_owned());
    tokio::spawn(async move {
        let load = || async move {
            runs.count();
            gate.pass().await;
            Ok::<_, io::Error>(value)
        };
        cache.get_or_load(&1, load).await.unwrap().to_string()
    })
}

#[tokio::test]
async fn a_waiter_takes_over_with_its_own_loader_when_the_caller_is_dropped() {
    let (cache, runs) = (in_memory().await, Runs::default());
    let (first, second) = (Gate::default(), Gate::default());
    let leader = caller(&cache, &runs, &first, "the leader's");
    first.begun().await;
    let waiters: Vec<_> = (0..10)
        .map(|_| caller(&cache, &runs, &second, "a waiter's"))
        .collect();
    settle().await;
    assert_eq!(runs.get(), 1);
    leader.abort();
    second.begun().await;
    settle().await;
    assert_eq!(runs.get(), 2, "exactly one waiter takes over");
    second.open();
    for waiter in waiters {
        assert_eq!(soon("a waiter", waiter).await.unwrap(), "a waiter's");
    }
    assert_eq!(runs.get(), 2);
    assert_eq!(
        cache.get(&1).await.as_deref().map(String::as_str),
        Some("a waiter's")
    );
}

#[tokio::test]
async fn leaders_may_be_dropped_one_after_another() {
    let (cache, runs) = (in_memory().await, Runs::default());
    let gates: Vec<_> = (0..5).map(|_| Gate::default()).collect();
    let callers: Vec<_> = gates
        .iter()
        .map(|gate| caller(&cache, &runs, gate, "loaded"))
        .collect();
    settle().await;
    let mut led = Vec::new();
    for turn in 1..5 {
        assert_eq!(runs.get(), turn);
        // Waiters are woken in their order; whichever leads now, it has not ended.
        let leading = callers
            .iter()
            .position(|caller| !caller.is_finished() && !led.contains(&caller.id()));
        let leading = &callers[leading.unwrap()];
        led.push(leading.id());
        leading.abort();
        settle().await;
    }
    assert_eq!(runs.get(), 5);
    gates.iter().for_each(Gate::open);
    let mut loaded = 0;
    for caller in callers {
        loaded += usize::from(soon("a caller", caller).await.is_ok());
    }
    assert_eq!(loaded, 1);
}

#[tokio::test]
async fn where_all_callers_are_dropped_the_next_call_loads() {
    let (cache, runs, gate) = (in_memory().await, Runs::default(), Gate::default());
    let callers: Vec<_> = (0..10)
        .map(|_| caller(&cache, &runs, &gate, "never"))
        .collect();
    gate.begun().await;
    settle().await;
    for caller in &callers {
        caller.abort();
    }
    for caller in callers {
        assert!(caller.await.unwrap_err().is_cancelled());
    }
    let next = cache.get_or_load(&1, always("next".to_owned()));
    assert_eq!(*soon("the next call", next).await.unwrap(), "next");
}

#[tokio::test]
async fn a_waiter_that_leaves_takes_nothing_along() {
    let (cache, runs, gate) = (in_memory().await, Runs::default(), Gate::default());
    let leader = caller(&cache, &runs, &gate, "loaded");
    gate.begun().await;
    let waiters: Vec<_> = (0..10)
        .map(|_| caller(&cache, &runs, &gate, "never"))
        .collect();
    settle().await;
    waiters.iter().step_by(2).for_each(JoinHandle::abort);
    settle().await;
    gate.open();
    assert_eq!(soon("the leader", leader).await.unwrap(), "loaded");
    for (at, waiter) in waiters.into_iter().enumerate() {
        assert_eq!(soon("a waiter", waiter).await.is_ok(), at % 2 == 1);
    }
    assert_eq!(runs.get(), 1);
}

#[tokio::test]
async fn a_spawned_load_goes_on_when_its_callers_are_dropped() {
    let (cache, runs, gate) = (in_memory().await, Runs::default(), Gate::default());
    let spawned = tokio::spawn({
        let (cache, runs, gate) = (cache.clone(), runs.clone(), gate.clone());
        async move {
            let load = || async move {
                runs.count();
                gate.pass().await;
                Ok::<_, io::Error>("loaded".to_owned())
            };
            cache.get_or_spawn(&1, load).await
        }
    });
    gate.begun().await;
    spawned.abort();
    assert!(spawned.await.unwrap_err().is_cancelled());
    // Who comes now waits for that load.
    let waiter = caller(&cache, &runs, &Gate::default(), "never");
    settle().await;
    gate.open();
    assert_eq!(soon("the waiter", waiter).await.unwrap(), "loaded");
    assert_eq!(
        cache.get(&1).await.as_deref().map(String::as_str),
        Some("loaded")
    );
    assert_eq!(runs.get(), 1);
}

#[tokio::test]
async fn a_load_that_is_dropped_during_its_lookup_leaves_no_trace() {
    let stub = FaultyRemote::new();
    let cache = cache_on(&stub).await;
    for when in [When::Before, When::After] {
        let held: Held = stub.hold(Operation::Get, when);
        let (runs, gate) = (Runs::default(), Gate::default());
        let dropped = caller(&cache, &runs, &gate, "never");
        held.reached().await;
        dropped.abort();
        assert!(dropped.await.unwrap_err().is_cancelled());
        let next = cache.entry(&1).ttl(Duration::ZERO);
        let next = next.get_or_load(always("next".to_owned()));
        assert_eq!(*soon("the next call", next).await.unwrap(), "next");
        assert_eq!(runs.get(), 0);
    }
}

#[tokio::test]
async fn a_fill_goes_on_when_its_caller_is_dropped() {
    let stub = FaultyRemote::new();
    let cache = cache_on(&stub).await;
    let held = stub.hold(Operation::Fill, When::Before);
    let dropped = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_load(&1, always("loaded".to_owned())).await }
    });
    held.reached().await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    held.release();
    let other = cache_on(&stub).await;
    eventually("the fill ends", async || other.get(&1).await.is_some()).await;
}

#[tokio::test]
async fn writes_go_on_when_their_callers_are_dropped() {
    let stub = FaultyRemote::new();
    let (cache, other) = (cache_on(&stub).await, cache_on(&stub).await);
    let held = stub.hold(Operation::Set, When::Before);
    let set = cache.set(&1, "set".to_owned());
    assert!(tokio::time::timeout(millis(1), set).await.is_err());
    held.reached().await;
    held.release();
    eventually("the set ends", async || other.get(&1).await.is_some()).await;
    assert_eq!(
        cache.get(&1).await.as_deref().map(String::as_str),
        Some("set")
    );

    let held = stub.hold(Operation::Remove, When::Before);
    let remove = cache.remove(&1);
    assert!(tokio::time::timeout(millis(1), remove).await.is_err());
    held.reached().await;
    held.release();
    eventually("the removal ends", async || cache.get(&1).await.is_none()).await;
}

/// Many callers of few keys, each dropped after a time of its own, while others write.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_flight_is_stuck_after_a_storm_of_drops() {
    let cache = in_memory().await;
    let mut storm = JoinSet::new();
    for at in 0..4_000_u64 {
        let cache = cache.clone();
        storm.spawn(async move {
            let key = (at % 7) as u32;
            let load = || async move {
                tokio::time::sleep(Duration::from_micros(at * 37 % 900)).await;
                if at % 5 == 0 {
                    return Err(io::Error::other("now and then"));
                }
                Ok(at.to_string())
            };
            let patience = Duration::from_micros(at * 53 % 1_500);
            let call = cache.entry(&key).ttl(millis(1)).get_or_load(load);
            let _ = tokio::time::timeout(patience, call).await;
            if at % 11 == 0 {
                cache.remove(&key).await.unwrap();
            }
        });
    }
    soon("the storm", storm.join_all()).await;
    for key in 0..7 {
        cache.remove(&key).await.unwrap();
        let call = cache.get_or_load(&key, always("calm".to_owned()));
        assert_eq!(*soon("a call after the storm", call).await.unwrap(), "calm");
    }
}
