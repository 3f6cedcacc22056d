//! G1: one load for all who ask at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use larder::{Cache, LoadError, NearCapacity, Source};
use larder_servers::Kind;
use tokio::task::JoinSet;

use super::common::{FaultyRemote, Runs, always, eventually, on_each_server, soon, start};
use super::{Gate, cache_on, in_memory, settle};

on_each_server!(
    a_thousand_callers_of_a_server_cause_one_load,
    without_a_near_tier_a_thousand_callers_cause_one_load,
);

const CALLERS: usize = 1_000;

/// Sends callers at one key whose load ends only once all have come.
async fn send_callers(cache: &Cache<u32, String>, runs: &Runs) -> Vec<larder::Outcome> {
    let come = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (cache, runs, come) = (cache.clone(), runs.clone(), Arc::clone(&come));
        callers.spawn(async move {
            come.fetch_add(1, Ordering::SeqCst);
            let all_come = Arc::clone(&come);
            let load = || async move {
                runs.count();
                let all = async || all_come.load(Ordering::SeqCst) == CALLERS;
                eventually("all callers come", all).await;
                Ok::<_, io::Error>("loaded".to_owned())
            };
            cache.lookup_or_load(&1, load).await.unwrap()
        });
    }
    let found = soon("the callers", callers.join_all()).await;
    assert!(found.iter().all(|found| found.as_str() == "loaded"));
    found.iter().map(|found| found.outcome).collect()
}

#[tokio::test]
async fn a_thousand_callers_cause_one_load() {
    let (cache, runs) = (in_memory().await, Runs::default());
    let outcomes = send_callers(&cache, &runs).await;
    assert_eq!(runs.get(), 1);
    // On one thread all have joined before the load ended.
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.source == Source::Loader)
    );
    assert_eq!(outcomes.iter().filter(|outcome| !outcome.joined).count(), 1);
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.loads_joined), (1, CALLERS as u64 - 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_on_several_threads_cause_one_load() {
    for _ in 0..20 {
        let (cache, runs) = (in_memory().await, Runs::default());
        send_callers(&cache, &runs).await;
        assert_eq!(runs.get(), 1);
    }
}

/// Callers that come while a flight ends find either the flight or the value: never neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_who_comes_as_the_flight_ends_does_not_load_again() {
    let (cache, runs) = (in_memory().await, Runs::default());
    for key in 0..5_000 {
        let mut callers = JoinSet::new();
        for _ in 0..4 {
            let (cache, load) = (cache.clone(), runs.load(key.to_string()));
            callers.spawn(async move { cache.get_or_load(&key, load).await.unwrap() });
        }
        callers.join_all().await;
        assert_eq!(runs.get(), key as usize + 1);
    }
}

async fn a_thousand_callers_of_a_server_cause_one_load(kind: Kind) {
    let server = start(kind);
    let larder = super::common::larder(&server).await;
    let cache = larder.cache("flights").build().unwrap();
    let runs = Runs::default();
    send_callers(&cache, &runs).await;
    assert_eq!(runs.get(), 1);
}

async fn without_a_near_tier_a_thousand_callers_cause_one_load(kind: Kind) {
    let server = start(kind);
    let larder = super::common::larder(&server).await;
    let cache = larder.cache("flights").near(NearCapacity::Off);
    let cache = cache.build().unwrap();
    let runs = Runs::default();
    send_callers(&cache, &runs).await;
    assert_eq!(runs.get(), 1);
}

#[tokio::test]
async fn different_keys_load_side_by_side() {
    let cache = in_memory().await;
    let gate = Gate::default();
    let held = tokio::spawn({
        let (cache, gate) = (cache.clone(), gate.clone());
        async move {
            let load = || async move {
                gate.pass().await;
                Ok::<_, io::Error>("one".to_owned())
            };
            cache.get_or_load(&1, load).await
        }
    });
    gate.begun().await;
    let other = cache
        .get_or_load(&2, always("two".to_owned()))
        .await
        .unwrap();
    assert_eq!(*other, "two");
    gate.open();
    assert_eq!(*held.await.unwrap().unwrap(), "one");
}

#[tokio::test]
async fn a_tenants_load_is_its_own() {
    let (cache, gate) = (in_memory().await, Gate::default());
    let held = tokio::spawn({
        let (cache, gate) = (cache.clone(), gate.clone());
        async move {
            let load = || async move {
                gate.pass().await;
                Ok::<_, io::Error>("nobody's".to_owned())
            };
            cache.get_or_load(&1, load).await
        }
    });
    gate.begun().await;
    for tenant in ["acme", "globex"] {
        let cache = cache.tenant(tenant);
        let value = cache
            .get_or_load(&1, always(tenant.to_owned()))
            .await
            .unwrap();
        assert_eq!(*value, tenant);
    }
    gate.open();
    assert_eq!(*held.await.unwrap().unwrap(), "nobody's");
}

#[tokio::test]
async fn an_error_is_shared_by_all_who_waited_and_not_cached() {
    let (cache, gate, runs) = (in_memory().await, Gate::default(), Runs::default());
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let (cache, gate, runs) = (cache.clone(), gate.clone(), runs.clone());
        callers.spawn(async move {
            let load = || async move {
                runs.count();
                gate.pass().await;
                Err::<String, _>(io::Error::other("no such user"))
            };
            cache.get_or_load(&1, load).await.unwrap_err()
        });
    }
    gate.begun().await;
    settle().await;
    gate.open();
    let errors = callers.join_all().await;
    assert_eq!(runs.get(), 1);
    let LoadError::Loader(first) = &errors[0] else {
        panic!("{:?}", errors[0]);
    };
    for error in &errors {
        let LoadError::Loader(error) = error else {
            panic!("{error:?}");
        };
        assert!(Arc::ptr_eq(error, first));
    }
    assert_eq!(errors[0].to_string(), "the loader failed: no such user");
    assert_eq!(errors[0].loader().unwrap().kind(), io::ErrorKind::Other);
    assert_eq!(cache.stats().load_failures, 1);
    // The next call loads.
    let value = cache.get_or_load(&1, runs.load("found".to_owned())).await;
    assert_eq!(*value.unwrap(), "found");
    assert_eq!(runs.get(), 2);
}

#[tokio::test]
async fn a_caller_with_another_error_type_gets_it_erased() {
    let (cache, gate) = (in_memory().await, Gate::default());
    let leader = tokio::spawn({
        let (cache, gate) = (cache.clone(), gate.clone());
        async move {
            let load = || async move {
                gate.pass().await;
                Err::<String, _>(io::Error::other("disk"))
            };
            cache.get_or_load(&1, load).await
        }
    });
    gate.begun().await;
    let waiter = tokio::spawn({
        let cache = cache.clone();
        async move {
            let load = || async { Err::<String, _>("my own".to_owned()) };
            cache.get_or_load(&1, load).await
        }
    });
    settle().await;
    gate.open();
    assert!(matches!(leader.await.unwrap(), Err(LoadError::Loader(_))));
    let Err(LoadError::Foreign(error)) = waiter.await.unwrap() else {
        panic!("not a foreign error");
    };
    assert_eq!(error.to_string(), "disk");
    assert!(error.downcast_ref::<io::Error>().is_some());
    assert!(error.downcast_ref::<String>().is_none());
}

/// `join` and `publish` look at the near tier under one lock; so does the lookup that fills it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_value_on_the_server_is_asked_for_once_by_all() {
    let stub = FaultyRemote::new();
    cache_on(&stub)
        .await
        .set(&1, "stored".to_owned())
        .await
        .unwrap();
    let cache = cache_on(&stub).await;
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let cache = cache.clone();
        callers.spawn(async move { cache.get_or_load(&1, always("loaded".to_owned())).await });
    }
    for value in callers.join_all().await {
        assert_eq!(*value.unwrap(), "stored");
    }
    assert_eq!(stub.calls(super::common::Operation::Get), 1);
    assert_eq!(cache.stats().loads, 0);
}
