//! What a failed load costs those who come after it.

use std::fmt;
use std::future::{Ready, ready};

use larder::{Clock, Coherence, Freshness, LoadError, StaleReason};

use super::common::{Fault, FaultyRemote, Operation, Runs, always, secs};
use super::{Broken, Names, fleet, in_memory, names, on};

/// A loader that fails and counts itself.
fn fails<E>(runs: &Runs, error: E) -> impl FnOnce() -> Ready<Result<String, E>> + use<E> {
    let runs = runs.clone();
    move || {
        runs.count();
        ready(Err(error))
    }
}

#[tokio::test]
async fn a_failure_is_not_kept_unless_asked_for() {
    let (larder, _) = in_memory().await;
    let (cache, runs): (Names, _) = (names(&larder).build().unwrap(), Runs::default());
    for turn in 1..=3 {
        let error = cache.get_or_load(&1, fails(&runs, Broken)).await;
        assert_eq!(error.unwrap_err().loader(), Some(&Broken));
        assert_eq!(runs.get(), turn);
    }
}

#[tokio::test]
async fn after_a_failure_a_key_is_left_in_peace_and_callers_get_the_same_error() {
    let (larder, clock) = in_memory().await;
    let cache: Names = names(&larder)
        .pause_after_failure(secs(10))
        .build()
        .unwrap();
    let runs = Runs::default();
    for (advance, loads) in [(0, 1), (0, 1), (9, 1), (1, 2), (9, 2), (1, 3)] {
        clock.advance(secs(advance));
        let error = cache.get_or_load(&1, fails(&runs, Broken)).await;
        assert_eq!(error.unwrap_err().loader(), Some(&Broken));
        assert_eq!(runs.get(), loads, "after {advance} s");
    }
    // Other keys are none of it.
    assert!(cache.get_or_load(&2, fails(&runs, Broken)).await.is_err());
    assert_eq!(runs.get(), 4);
    // Who calls with another error type gets it as a foreign one.
    let error = cache.get_or_load(&1, always("new".to_owned())).await;
    let Err(LoadError::Foreign(error)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.downcast_ref(), Some(&Broken));
}

#[tokio::test]
async fn a_pause_ends_with_a_write_of_the_key() {
    let (larder, _) = in_memory().await;
    let cache = names(&larder).pause_after_failure(secs(10));
    let (cache, runs): (Names, _) = (cache.build().unwrap(), Runs::default());
    for remove in [true, false] {
        assert!(cache.get_or_load(&1, fails(&runs, Broken)).await.is_err());
        if remove {
            cache.remove(&1).await.unwrap();
        } else {
            cache.entry(&1).ttl(secs(0)).set("none").await.unwrap();
        }
    }
    assert_eq!(runs.get(), 2);
    let value = cache.get_or_load(&1, always("new".to_owned())).await;
    assert_eq!(*value.unwrap(), "new");
}

#[tokio::test]
async fn what_another_process_stored_during_a_pause_is_found() {
    let ([one, other], _) = fleet().await;
    let one = names(&one).pause_after_failure(secs(100));
    let (one, other): (Names, Names) = (one.build().unwrap(), names(&other).build().unwrap());
    let runs = Runs::default();
    assert!(one.get_or_load(&1, fails(&runs, Broken)).await.is_err());
    other.set(&1, "theirs").await.unwrap();
    let value = one.get_or_load(&1, fails(&runs, Broken)).await;
    assert_eq!(*value.unwrap(), "theirs");
    assert_eq!(runs.get(), 1);
}

#[tokio::test]
async fn during_a_pause_what_nobody_vouches_for_is_declared_as_stale() {
    let clock = Clock::manual();
    let stub = FaultyRemote::with(clock.clone());
    let larder = on(stub.clone(), &clock).await;
    let cache: Names = names(&larder)
        .pause_after_failure(secs(100))
        .coherence(Coherence::Ttl(secs(5)))
        .build()
        .unwrap();
    cache.set(&1, "old").await.unwrap();
    assert!(cache.get(&1).await.is_some());
    let runs = Runs::default();
    let forced = cache.entry(&1).force_refresh();
    assert!(forced.get_or_load(fails(&runs, Broken)).await.is_ok());
    // Within its TTL, and not asked for at the server.
    clock.advance(secs(10));
    for skip in [true, false] {
        if !skip {
            stub.inject([Operation::Get], Fault::Fail);
        }
        let entry = cache.entry(&1);
        let entry = if skip { entry.skip_remote() } else { entry };
        let found = entry.lookup_or_load(fails(&runs, Broken)).await.unwrap();
        assert_eq!(
            (found.as_str(), found.outcome.freshness),
            ("old", Freshness::Stale(StaleReason::RemoteUnavailable))
        );
    }
    assert_eq!(runs.get(), 1);
}

#[tokio::test]
async fn during_a_pause_a_stale_value_is_served_without_a_load() {
    let (larder, clock) = in_memory().await;
    let cache = names(&larder).pause_after_failure(secs(10));
    let (cache, runs): (Names, _) = (cache.build().unwrap(), Runs::default());
    cache.set(&1, "old").await.unwrap();
    clock.advance(secs(90));
    for _ in 0..3 {
        let found = cache.lookup_or_load(&1, fails(&runs, Broken));
        let found = found.await.unwrap();
        assert_eq!(
            (found.as_str(), found.outcome.freshness),
            ("old", Freshness::Stale(StaleReason::LoaderFailed))
        );
        assert_eq!(runs.get(), 1);
    }
    assert_eq!(cache.stats().stale_hits(), 3);
}

#[derive(Clone, Debug, PartialEq)]
struct NotFound;

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not found")
    }
}

#[tokio::test]
async fn errors_are_kept_by_their_type() {
    let (larder, clock) = in_memory().await;
    let cache: Names = names(&larder)
        .cache_errors::<NotFound>(secs(30))
        .build()
        .unwrap();
    let (found, broken) = (Runs::default(), Runs::default());
    for (advance, loads) in [(0, 1), (29, 1), (1, 2)] {
        clock.advance(secs(advance));
        let error = cache.get_or_load(&1, fails(&found, NotFound)).await;
        assert_eq!(error.unwrap_err().loader(), Some(&NotFound));
        assert_eq!(found.get(), loads, "after {advance} s");
    }
    for turn in 1..=3 {
        assert!(cache.get_or_load(&2, fails(&broken, Broken)).await.is_err());
        assert_eq!(broken.get(), turn, "others are not kept");
    }
}

#[tokio::test]
async fn a_type_of_error_may_be_excepted_from_the_pause() {
    let (larder, _) = in_memory().await;
    let cache: Names = names(&larder)
        .pause_after_failure(secs(10))
        .cache_errors::<NotFound>(secs(0))
        .build()
        .unwrap();
    let runs = Runs::default();
    for turn in 1..=3 {
        assert!(cache.get_or_load(&1, fails(&runs, NotFound)).await.is_err());
        assert_eq!(runs.get(), turn);
    }
}
