//! G3: whatever fails, the function runs once and its caller gets what it brought.

use std::io;

use larder::{Cache, Error, Larder, LoadError, Source};
use serde::{Deserialize, Serialize, Serializer};
use tokio::task::JoinSet;

use super::common::{Fault, FaultyRemote, Operation, Runs, soon};
use super::{Gate, cache_on, in_memory, on, settle};

/// A value that cannot be written.
#[derive(Debug, Deserialize, PartialEq)]
struct Unwritable(u32);

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
}

#[tokio::test]
async fn a_function_runs_once_whatever_fails() {
    for failing in [
        vec![],
        vec![Operation::Get],
        vec![Operation::Acquire],
        vec![Operation::Fill],
        vec![Operation::Get, Operation::Fill],
    ] {
        let stub = FaultyRemote::new();
        let cache = cache_on(&stub).await;
        for op in &failing {
            stub.inject([*op], Fault::Fail);
        }
        let runs = Runs::default();
        let value = cache.get_or_load(&1, runs.load("loaded".to_owned())).await;
        assert_eq!(*value.unwrap(), "loaded", "{failing:?}");
        assert_eq!(runs.get(), 1, "{failing:?}");

        // Where the function fails too, its error is what comes back.
        let counted = runs.clone();
        let load = || async move {
            counted.count();
            Err::<String, _>(io::Error::other("the function's own"))
        };
        let error = cache.get_or_load(&2, load).await.unwrap_err();
        assert_eq!(error.loader().unwrap().to_string(), "the function's own");
        assert_eq!(runs.get(), 2, "{failing:?}");

        let counted = runs.clone();
        let load = move || async move {
            counted.count();
            Ok::<_, io::Error>("spawned".to_owned())
        };
        assert_eq!(*cache.get_or_spawn(&3, load).await.unwrap(), "spawned");
        assert_eq!(runs.get(), 3, "{failing:?}");
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_encoded_is_loaded_once_a_call_and_returned() {
    let stub = FaultyRemote::new();
    for larder in [Larder::in_memory().await.unwrap(), on(&stub).await] {
        let cache: Cache<u32, Unwritable> = larder.cache("unwritable").build().unwrap();
        let runs = Runs::default();
        let value = cache.get_or_load(&1, runs.load(Unwritable(7))).await;
        assert_eq!(*value.unwrap(), Unwritable(7));
        assert_eq!(runs.get(), 1);
    }
    let cache: Cache<u32, Unwritable> = on(&stub).await.cache("unwritable").build().unwrap();
    let error = cache.set(&1, Unwritable(7)).await.unwrap_err();
    assert!(matches!(error, Error::Encode { .. }), "{error}");
    assert!(error.to_string().contains("cache:unwritable:1"), "{error}");
    assert_eq!(stub.calls(Operation::Fill), 0);
}

#[tokio::test]
async fn what_the_remote_does_not_take_is_counted_and_served_from_memory() {
    let stub = FaultyRemote::new();
    let cache = cache_on(&stub).await;
    stub.inject([Operation::Fill], Fault::Fail);
    let runs = Runs::default();
    for _ in 0..3 {
        let value = cache.get_or_load(&1, runs.load("loaded".to_owned())).await;
        assert_eq!(*value.unwrap(), "loaded");
    }
    assert_eq!(runs.get(), 1);
    let stats = cache.stats();
    assert_eq!((stats.fills, stats.fills_failed), (0, 1));
}

#[tokio::test]
async fn an_unreachable_remote_is_a_counted_miss() {
    let stub = FaultyRemote::new();
    stub.inject([Operation::Get], Fault::Fail);
    let cache = cache_on(&stub).await;
    assert_eq!(cache.get(&1).await, None);
    assert!(!cache.exists(&1).await);
    assert_eq!(cache.stats().misses_remote_unavailable, 2);
    let error = cache.set(&1, "kept".to_owned()).await;
    error.unwrap();
    stub.inject([Operation::Set], Fault::Fail);
    stub.inject([Operation::Remove], Fault::Fail);
    let error = cache.set(&1, "refused".to_owned()).await.unwrap_err();
    assert!(
        error.to_string().contains("cannot set cache:flights:1"),
        "{error}"
    );
    let error = cache.remove(&1).await.unwrap_err();
    assert!(
        error.to_string().contains("cannot remove cache:flights:1"),
        "{error}"
    );
    assert_eq!(cache.get(&1).await, None, "this process has forgotten it");
}

#[tokio::test]
async fn a_stale_value_stands_in_for_a_loader_that_fails() {
    let clock = larder::Clock::manual();
    let larder = Larder::builder()
        .clock(clock.clone())
        .build()
        .await
        .unwrap();
    let cache: Cache<u32, String> = larder
        .cache("stale")
        .ttl(super::common::secs(60))
        .stale(super::common::secs(30))
        .build()
        .unwrap();
    cache.set(&1, "old".to_owned()).await.unwrap();
    let fails = || async { Err::<String, _>(io::Error::other("the source is down")) };
    clock.advance(super::common::secs(89));
    let found = cache.lookup_or_load(&1, fails).await.unwrap();
    assert_eq!(found.as_str(), "old");
    assert_eq!(
        found.outcome.freshness,
        larder::Freshness::Stale(larder::StaleReason::LoaderFailed)
    );
    assert_eq!(found.outcome.source, Source::Near);
    clock.advance(super::common::secs(1));
    let error = cache.lookup_or_load(&1, fails).await.unwrap_err();
    assert_eq!(error.loader().unwrap().to_string(), "the source is down");
}

/// In the part before the first await, and after it.
#[tokio::test]
async fn a_panic_in_a_loader_is_an_error_to_all_who_waited_and_harms_no_other() {
    for in_sync_part in [true, false] {
        let (cache, gate) = (in_memory().await, Gate::default());
        // The leader waits first, so that others can join; the sync part cannot wait.
        let mut callers = JoinSet::new();
        for _ in 0..10 {
            let (cache, gate) = (cache.clone(), gate.clone());
            callers.spawn(async move {
                let load = || {
                    assert!(!in_sync_part, "at once");
                    async move {
                        gate.pass().await;
                        assert!(in_sync_part, "after {}", "a while");
                        Ok::<_, io::Error>("never".to_owned())
                    }
                };
                cache.get_or_load(&1, load).await.unwrap_err()
            });
        }
        settle().await;
        gate.open();
        let message = if in_sync_part {
            "at once"
        } else {
            "after a while"
        };
        for error in soon("the callers", callers.join_all()).await {
            assert!(matches!(&error, LoadError::Panicked(text) if &**text == message));
        }
        let runs = Runs::default();
        for key in [1, 2] {
            let value = cache.get_or_load(&key, runs.load("fine".to_owned())).await;
            assert_eq!(*value.unwrap(), "fine");
        }
        assert_eq!(runs.get(), 2);
    }
}

#[tokio::test]
async fn a_panic_in_a_spawned_loader_is_an_error_too() {
    let cache = in_memory().await;
    let load = || async { panic!("in the background") };
    let error = cache
        .get_or_spawn::<_, _, _, io::Error>(&1, load)
        .await
        .unwrap_err();
    assert!(matches!(&error, LoadError::Panicked(text) if &**text == "in the background"));
    assert_eq!(error.to_string(), "the loader panicked: in the background");
}

#[tokio::test]
async fn a_loader_may_use_the_cache_that_it_loads_for() {
    let cache = in_memory().await;
    let inner = cache.clone();
    let load = || async move {
        let part = inner
            .get_or_load(&2, super::common::always("part".to_owned()))
            .await;
        Ok::<_, io::Error>(format!("whole of {}", part.unwrap()))
    };
    let value = soon("a nested load", cache.get_or_load(&1, load))
        .await
        .unwrap();
    assert_eq!(*value, "whole of part");
}

#[test]
fn a_larder_whose_runtime_ended_answers_with_an_error() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cache = runtime.block_on(cache_on(&FaultyRemote::new()));
    drop(runtime);
    let other = tokio::runtime::Runtime::new().unwrap();
    other.block_on(async {
        let runs = Runs::default();
        let value = cache
            .get_or_load(&1, runs.load("borrowed".to_owned()))
            .await;
        assert_eq!(*value.unwrap(), "borrowed");
        let counted = runs.clone();
        let load = move || async move {
            counted.count();
            Ok::<_, io::Error>("spawned".to_owned())
        };
        let error = cache.get_or_spawn(&2, load).await.unwrap_err();
        assert!(matches!(error, LoadError::RuntimeGone), "{error}");
        assert!(cache.set(&3, "set".to_owned()).await.is_err());
        assert!(cache.remove(&3).await.is_err());
        assert_eq!(runs.get(), 1);
    });
}
