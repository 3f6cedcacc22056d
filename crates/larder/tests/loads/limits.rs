//! How many loads, and callers who wait for them, one cache takes (G6).

use std::convert::Infallible;
use std::future::pending;

use larder::{Freshness, LoadError, StaleReason};
use tokio::task::JoinSet;

use super::common::{Runs, always, eventually, secs};
use super::{Gate, Names, in_memory, names};

/// The documented limits.
const LOADS: u32 = 16_384;
const WAITERS: u32 = 65_536;

#[tokio::test]
async fn over_the_limit_of_loads_a_caller_gets_a_stale_value_or_an_error() {
    let (larder, clock) = in_memory().await;
    let cache: Names = names(&larder).build().unwrap();
    let (stale, fresh, new) = (LOADS, LOADS + 1, LOADS + 2);
    cache.set(&stale, "old").await.unwrap();
    clock.advance(secs(90));
    cache.set(&fresh, "fresh").await.unwrap();
    let mut loads = JoinSet::new();
    for key in 0..LOADS {
        let cache = cache.clone();
        loads.spawn(async move {
            let forever = || pending::<Result<String, Infallible>>();
            cache.get_or_load(&key, forever).await.is_ok()
        });
    }
    eventually("all have begun", async || {
        cache.stats().loads == u64::from(LOADS)
    })
    .await;
    let error = cache.get_or_load(&new, always("new".to_owned())).await;
    assert!(matches!(error, Err(LoadError::Overloaded)), "{error:?}");
    let found = cache.lookup_or_load(&stale, always("new".to_owned())).await;
    assert_eq!(
        found.unwrap().outcome.freshness,
        Freshness::Stale(StaleReason::SlowLoad)
    );
    assert_eq!(cache.stats().overloads, 2);
    // What is there is none of it.
    let value = cache.get_or_load(&fresh, always("new".to_owned())).await;
    assert_eq!(*value.unwrap(), "fresh");
    // One that ends makes room for one.
    loads.abort_all();
    while loads.join_next().await.is_some() {}
    let value = cache.get_or_load(&new, always("new".to_owned())).await;
    assert_eq!(*value.unwrap(), "new");
}

#[tokio::test]
async fn over_the_limit_of_waiters_a_caller_gets_a_stale_value_or_an_error() {
    let (larder, clock) = in_memory().await;
    let cache: Names = names(&larder).build().unwrap();
    cache.set(&2, "old").await.unwrap();
    clock.advance(secs(90));
    let gates = [Gate::default(), Gate::default()];
    let mut leaders = JoinSet::new();
    for (key, gate) in [(1, gates[0].clone()), (2, gates[1].clone())] {
        let cache = cache.clone();
        leaders.spawn(async move {
            let load = async || {
                gate.pass().await;
                Ok::<_, Infallible>("new".to_owned())
            };
            cache.get_or_load(&key, load).await.unwrap().to_string()
        });
    }
    for gate in &gates {
        gate.begun().await;
    }
    let mut waiters = JoinSet::new();
    let begun = Runs::default();
    for _ in 0..WAITERS {
        let (cache, begun) = (cache.clone(), begun.clone());
        waiters.spawn(async move {
            begun.count();
            let value = cache.get_or_load(&1, always("mine".to_owned())).await;
            value.unwrap().as_str() == "new"
        });
    }
    eventually("all wait", async || begun.get() == WAITERS as usize).await;
    let error = cache.get_or_load(&1, always("mine".to_owned())).await;
    assert!(matches!(error, Err(LoadError::Overloaded)), "{error:?}");
    let found = cache.lookup_or_load(&2, always("mine".to_owned())).await;
    let found = found.unwrap();
    assert_eq!(
        (found.as_str(), found.outcome.freshness),
        ("old", Freshness::Stale(StaleReason::SlowLoad))
    );
    assert_eq!(cache.stats().overloads, 2);
    // All who wait are answered.
    for gate in &gates {
        gate.open();
    }
    assert!(waiters.join_all().await.into_iter().all(|fine| fine));
    assert_eq!(leaders.join_all().await, ["new", "new"]);
    let value = cache.get_or_load(&3, always("mine".to_owned())).await;
    assert_eq!(*value.unwrap(), "mine");
}
