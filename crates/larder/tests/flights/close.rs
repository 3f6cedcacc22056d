//! Closing waits for what is under way, whether or not its caller stayed, and then nothing is
//! stored any more.

use std::io;

use larder::Error;
use tokio::task::JoinHandle;

use super::common::{FaultyRemote, Held, Operation, Runs, When, always, eventually, millis, soon};
use super::{Gate, cache_on, on, settle};

/// Closes in the background, and sees that it waits until `release`.
async fn closes_only_after(larder: &larder::Larder, release: impl FnOnce()) {
    let closing: JoinHandle<()> = tokio::spawn({
        let larder = larder.clone();
        async move { larder.close().await }
    });
    settle().await;
    assert!(larder.is_closed());
    assert!(!closing.is_finished(), "something is under way");
    release();
    soon("the close", closing).await.unwrap();
}

#[tokio::test]
async fn close_waits_for_a_load_and_its_fill() {
    let stub = FaultyRemote::new();
    let larder = on(&stub).await;
    let cache = larder.cache("flights").build().unwrap();
    let (fill, gate): (Held, Gate) = (stub.hold(Operation::Fill, When::Before), Gate::default());
    let caller = tokio::spawn({
        let gate = gate.clone();
        async move {
            let load = || async move {
                gate.pass().await;
                Ok::<_, io::Error>("loaded".to_owned())
            };
            cache.get_or_load(&1_u32, load).await
        }
    });
    gate.begun().await;
    closes_only_after(&larder, || {
        gate.open();
        fill.release();
    })
    .await;
    assert_eq!(*caller.await.unwrap().unwrap(), "loaded");
    assert!(cache_on(&stub).await.get(&1).await.is_some());
}

#[tokio::test]
async fn close_waits_for_writes_whose_callers_were_dropped() {
    for op in [Operation::Set, Operation::Remove] {
        let stub = FaultyRemote::new();
        let larder = on(&stub).await;
        let cache = larder.cache::<u32, String>("flights").build().unwrap();
        let held = stub.hold(op, When::Before);
        let write = async {
            match op {
                Operation::Set => cache.set(&1, "set".to_owned()).await.unwrap(),
                _ => drop(cache.remove(&1).await.unwrap()),
            }
        };
        assert!(tokio::time::timeout(millis(1), write).await.is_err());
        held.reached().await;
        closes_only_after(&larder, || held.release()).await;
        let stored = cache_on(&stub).await.get(&1).await.is_some();
        assert_eq!(stored, op == Operation::Set);
        assert!(cache.get(&1).await.is_none(), "closed, lookups miss");
        assert_eq!(cache.near_usage().entries, 0);
    }
}

#[tokio::test]
async fn close_waits_for_a_fill_whose_caller_was_dropped() {
    let stub = FaultyRemote::new();
    let larder = on(&stub).await;
    let cache = larder.cache("flights").build().unwrap();
    let held = stub.hold(Operation::Fill, When::Before);
    let load = cache.get_or_load(&1_u32, always("loaded".to_owned()));
    assert!(tokio::time::timeout(millis(1), load).await.is_err());
    held.reached().await;
    closes_only_after(&larder, || held.release()).await;
    assert!(cache_on(&stub).await.get(&1).await.is_some());
}

#[tokio::test]
async fn close_waits_for_a_spawned_load_whose_caller_was_dropped() {
    let stub = FaultyRemote::new();
    let larder = on(&stub).await;
    let cache = larder.cache("flights").build().unwrap();
    let gate = Gate::default();
    let load = {
        let gate = gate.clone();
        || async move {
            gate.pass().await;
            Ok::<_, io::Error>("loaded".to_owned())
        }
    };
    let load = cache.get_or_spawn(&1_u32, load);
    assert!(tokio::time::timeout(millis(1), load).await.is_err());
    gate.begun().await;
    closes_only_after(&larder, || gate.open()).await;
    assert!(cache_on(&stub).await.get(&1).await.is_some());
    assert!(cache.get(&1).await.is_none(), "closed, lookups miss");
}

#[tokio::test]
async fn after_close_lookups_miss_loaders_run_and_writes_say_so() {
    let stub = FaultyRemote::new();
    let larder = on(&stub).await;
    let cache = larder.cache::<u32, String>("flights").build().unwrap();
    cache.set(&1, "set".to_owned()).await.unwrap();
    larder.close().await;
    larder.close().await;
    let before = (stub.calls(Operation::Get), stub.calls(Operation::Set));
    assert!(cache.get(&1).await.is_none());
    assert!(cache.lookup(&1).await.is_none());
    assert!(!cache.exists(&1).await);
    let runs = Runs::default();
    for turn in 1..=3 {
        let value = cache.get_or_load(&1, runs.load("loaded".to_owned())).await;
        assert_eq!(*value.unwrap(), "loaded");
        assert_eq!(runs.get(), turn, "nothing is stored any more");
    }
    let set = cache.set(&1, "set".to_owned()).await;
    assert!(matches!(set, Err(Error::Closed)));
    assert!(matches!(cache.remove(&1).await, Err(Error::Closed)));
    assert_eq!(
        (stub.calls(Operation::Get), stub.calls(Operation::Set)),
        before
    );
    let health = larder.health().await;
    assert!(health.closed && !health.is_usable() && !health.is_degraded());
    // A cache opened now is closed too.
    let late = larder.cache::<u32, String>("late").build().unwrap();
    assert!(matches!(
        late.set(&1, String::new()).await,
        Err(Error::Closed)
    ));
}

#[tokio::test]
async fn a_close_that_is_dropped_can_be_taken_up_again() {
    let stub = FaultyRemote::new();
    let larder = on(&stub).await;
    let cache = larder.cache::<u32, String>("flights").build().unwrap();
    let held = stub.hold(Operation::Set, When::Before);
    let caller = tokio::spawn(async move { cache.set(&1, "set".to_owned()).await });
    held.reached().await;
    assert!(
        tokio::time::timeout(millis(1), larder.close())
            .await
            .is_err()
    );
    held.release();
    soon("the close", larder.close()).await;
    caller.await.unwrap().unwrap();
    eventually("the set", async || {
        cache_on(&stub).await.get(&1).await.is_some()
    })
    .await;
}

/// Closes within no time at all: by tokio's clock, which runs ahead where all else waits.
async fn gives_up(larder: &larder::Larder) {
    assert!(!soon("the close", larder.close_within(millis(50))).await);
    assert!(larder.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_load_that_closes_its_own_larder_ends() {
    for spawned in [false, true] {
        let stub = FaultyRemote::new();
        let larder = on(&stub).await;
        let cache = larder.cache("flights").build().unwrap();
        let load = {
            let larder = larder.clone();
            move || async move {
                larder.close().await;
                Ok::<_, io::Error>("loaded".to_owned())
            }
        };
        let began = tokio::time::Instant::now();
        let value = if spawned {
            cache.get_or_spawn(&1_u32, load).await
        } else {
            cache.get_or_load(&1_u32, load).await
        };
        assert_eq!(*value.unwrap(), "loaded");
        assert!(began.elapsed() <= millis(10_100), "{:?}", began.elapsed());
        assert!(cache.get(&1).await.is_none(), "closed, lookups miss");
        assert_eq!(cache.near_usage().entries, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_outlasts_the_close_is_answered_to_all_and_not_stored() {
    let stub = FaultyRemote::new();
    for remote in [false, true] {
        let larder = if remote {
            on(&stub).await
        } else {
            larder::Larder::in_memory().await.unwrap()
        };
        let cache = larder.cache::<u32, String>("flights").build().unwrap();
        let gate = Gate::default();
        let mut callers: Vec<JoinHandle<_>> = Vec::new();
        for _ in 0..3 {
            let (cache, gate) = (cache.clone(), gate.clone());
            let load = || async move {
                gate.pass().await;
                Ok::<_, io::Error>("loaded".to_owned())
            };
            callers.push(tokio::spawn(
                async move { cache.get_or_load(&1, load).await },
            ));
        }
        gate.begun().await;
        settle().await;
        let sets = stub.calls(Operation::Set);
        gives_up(&larder).await;
        gate.open();
        for caller in callers {
            let value = soon("the answer", caller).await.unwrap().unwrap();
            assert_eq!(*value, "loaded");
        }
        assert!(cache.get(&1).await.is_none(), "closed, lookups miss");
        assert_eq!(cache.near_usage().entries, 0);
        assert_eq!(stub.calls(Operation::Set), sets);
        assert!(larder.close_within(millis(50)).await, "nothing is left");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_outlasts_the_close_is_not_kept_in_memory() {
    let stub = FaultyRemote::new();
    let larder = on(&stub).await;
    let cache = larder.cache::<u32, String>("flights").build().unwrap();
    let held = stub.hold(Operation::Set, When::Before);
    let caller = tokio::spawn({
        let cache = cache.clone();
        async move { cache.set(&1, "set".to_owned()).await }
    });
    held.reached().await;
    gives_up(&larder).await;
    held.release();
    // This remote took it after all.
    soon("the write", caller).await.unwrap().unwrap();
    assert!(cache.get(&1).await.is_none(), "closed, lookups miss");
    assert_eq!(cache.near_usage().entries, 0);
}
