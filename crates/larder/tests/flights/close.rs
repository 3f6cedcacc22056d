//! Closing waits for what is under way, whether or not its caller stayed, and then nothing is
//! stored any more.

use std::io;

use larder::Error;
use tokio::task::JoinHandle;

use super::common::{Held, Op, Runs, Stub, When, always, eventually, millis, soon};
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
    let stub = Stub::default();
    let larder = on(&stub).await;
    let cache = larder.cache("flights").build().unwrap();
    let (fill, gate): (Held, Gate) = (stub.hold(Op::Fill, When::Before), Gate::default());
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
    for op in [Op::Set, Op::Remove] {
        let stub = Stub::default();
        let larder = on(&stub).await;
        let cache = larder.cache::<u32, String>("flights").build().unwrap();
        let held = stub.hold(op, When::Before);
        let write = async {
            match op {
                Op::Set => cache.set(&1, "set".to_owned()).await.unwrap(),
                _ => drop(cache.remove(&1).await.unwrap()),
            }
        };
        assert!(tokio::time::timeout(millis(1), write).await.is_err());
        held.reached().await;
        closes_only_after(&larder, || held.release()).await;
        let stored = cache_on(&stub).await.get(&1).await.is_some();
        assert_eq!(stored, op == Op::Set);
        assert!(cache.get(&1).await.is_none(), "closed, lookups miss");
        assert_eq!(cache.near_usage().entries, 0);
    }
}

#[tokio::test]
async fn close_waits_for_a_fill_whose_caller_was_dropped() {
    let stub = Stub::default();
    let larder = on(&stub).await;
    let cache = larder.cache("flights").build().unwrap();
    let held = stub.hold(Op::Fill, When::Before);
    let load = cache.get_or_load(&1_u32, always("loaded".to_owned()));
    assert!(tokio::time::timeout(millis(1), load).await.is_err());
    held.reached().await;
    closes_only_after(&larder, || held.release()).await;
    assert!(cache_on(&stub).await.get(&1).await.is_some());
}

#[tokio::test]
async fn close_waits_for_a_spawned_load_whose_caller_was_dropped() {
    let stub = Stub::default();
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
    let stub = Stub::default();
    let larder = on(&stub).await;
    let cache = larder.cache::<u32, String>("flights").build().unwrap();
    cache.set(&1, "set".to_owned()).await.unwrap();
    larder.close().await;
    larder.close().await;
    let before = (stub.calls(Op::Get), stub.calls(Op::Set));
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
    assert_eq!((stub.calls(Op::Get), stub.calls(Op::Set)), before);
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
    let stub = Stub::default();
    let larder = on(&stub).await;
    let cache = larder.cache::<u32, String>("flights").build().unwrap();
    let held = stub.hold(Op::Set, When::Before);
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
