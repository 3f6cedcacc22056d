//! G2: what was removed or replaced during a load does not come back with it.

use std::io;

use larder::{Cache, Clock, Larder};
use larder_servers::{Kind, Reply};
use tokio::task::JoinHandle;

use super::common::{
    Fault, FaultyRemote, Operation, Runs, When, always, eventually, larder, on_each_server, secs,
    soon, start,
};
use super::{Gate, cache_on, in_memory, settle};

on_each_server!(a_load_voided_by_a_remove, a_load_voided_by_a_set);

/// A caller whose load of key 1 waits for the gate and brings `value`.
fn load(cache: &Cache<u32, String>, gate: &Gate, value: &'static str) -> JoinHandle<String> {
    let (cache, gate) = (cache.clone(), gate.clone());
    tokio::spawn(async move {
        let load = || async move {
            gate.pass().await;
            Ok::<_, io::Error>(value.to_owned())
        };
        cache.get_or_load(&1, load).await.unwrap().to_string()
    })
}

async fn get(cache: &Cache<u32, String>) -> Option<String> {
    cache.get(&1).await.map(|value| value.to_string())
}

async fn a_load_voided_by_a_remove(kind: Kind) {
    let server = start(kind);
    let cache = larder(&server).await.cache("flights").build().unwrap();
    remove_during_load_discards_the_fill(&cache).await;
    let on_server = server.command(&["EXISTS", "cache:flights:1"]).unwrap();
    assert_eq!(on_server, Reply::Int(0));
}

async fn a_load_voided_by_a_set(kind: Kind) {
    let server = start(kind);
    let cache = larder(&server).await.cache("flights").build().unwrap();
    set_during_load_wins(&cache).await;
    let elsewhere = larder(&server).await.cache("flights").build().unwrap();
    assert_eq!(get(&elsewhere).await.as_deref(), Some("set"));
}

#[tokio::test]
async fn in_memory_remove_during_load_discards_the_value() {
    remove_during_load_discards_the_fill(&in_memory().await).await;
}

#[tokio::test]
async fn in_memory_set_during_load_wins() {
    set_during_load_wins(&in_memory().await).await;
}

async fn remove_during_load_discards_the_fill(cache: &Cache<u32, String>) {
    let gate = Gate::default();
    let caller = load(cache, &gate, "old");
    gate.begun().await;
    assert!(!cache.remove(&1).await.unwrap());
    gate.open();
    // Its call began before the removal.
    assert_eq!(caller.await.unwrap(), "old");
    assert_eq!(get(cache).await, None);
    let runs = Runs::default();
    let next = cache.get_or_load(&1, runs.load("new".to_owned()));
    assert_eq!(*next.await.unwrap(), "new");
    assert!(cache.remove(&1).await.unwrap());
}

async fn set_during_load_wins(cache: &Cache<u32, String>) {
    let gate = Gate::default();
    let caller = load(cache, &gate, "old");
    gate.begun().await;
    cache.set(&1, "set".to_owned()).await.unwrap();
    assert_eq!(get(cache).await.as_deref(), Some("set"));
    gate.open();
    assert_eq!(caller.await.unwrap(), "old");
    assert_eq!(get(cache).await.as_deref(), Some("set"));
}

#[tokio::test]
async fn a_set_that_stores_nothing_voids_a_load_too() {
    let (cache, gate) = (in_memory().await, Gate::default());
    let caller = load(&cache, &gate, "old");
    gate.begun().await;
    let none = cache.entry(&1).ttl(std::time::Duration::ZERO);
    none.set("new".to_owned()).await.unwrap();
    gate.open();
    caller.await.unwrap();
    assert_eq!(get(&cache).await, None);
}

#[tokio::test]
async fn later_callers_do_not_join_a_voided_flight() {
    for cache in [in_memory().await, cache_on(&FaultyRemote::new()).await] {
        let (first, second) = (Gate::default(), Gate::default());
        let before = load(&cache, &first, "old");
        first.begun().await;
        let joined = load(&cache, &Gate::default(), "never");
        settle().await;
        cache.remove(&1).await.unwrap();
        let after = load(&cache, &second, "new");
        second.begun().await;
        // The old flight ends while the new one is under way, and does not touch it.
        first.open();
        assert_eq!(soon("the first", before).await.unwrap(), "old");
        assert_eq!(soon("who joined", joined).await.unwrap(), "old");
        assert_eq!(get(&cache).await, None);
        let joins_new = load(&cache, &Gate::default(), "never");
        settle().await;
        second.open();
        assert_eq!(soon("the second", after).await.unwrap(), "new");
        assert_eq!(soon("who joined it", joins_new).await.unwrap(), "new");
        assert_eq!(get(&cache).await.as_deref(), Some("new"));
    }
}

#[tokio::test]
async fn a_write_to_another_key_voids_nothing() {
    let (cache, gate) = (in_memory().await, Gate::default());
    let caller = load(&cache, &gate, "loaded");
    gate.begun().await;
    for key in 2..500 {
        cache.set(&key, "other".to_owned()).await.unwrap();
        cache.remove(&key).await.unwrap();
    }
    cache.entry(&1).tenant("acme").remove().await.unwrap();
    gate.open();
    caller.await.unwrap();
    assert_eq!(get(&cache).await.as_deref(), Some("loaded"));
}

#[tokio::test]
async fn a_removal_during_the_fill_is_not_undone_by_it() {
    for when in [When::Before, When::After] {
        let stub = FaultyRemote::new();
        let cache = cache_on(&stub).await;
        let fill = stub.hold(Operation::Fill, when);
        let caller = tokio::spawn({
            let cache = cache.clone();
            async move { cache.get_or_load(&1, always("old".to_owned())).await }
        });
        fill.reached().await;
        soon("the removal", cache.remove(&1)).await.unwrap();
        assert_eq!(get(&cache).await, None, "read after the removal returned");
        fill.release();
        assert_eq!(get(&cache).await, None);
        soon("the caller", caller).await.unwrap().unwrap();
        assert_eq!(get(&cache).await, None);
        assert_eq!(get(&cache_on(&stub).await).await, None);
    }
}

#[tokio::test]
async fn a_set_during_the_fill_is_not_overwritten_by_it() {
    let stub = FaultyRemote::new();
    let cache = cache_on(&stub).await;
    let fill = stub.hold(Operation::Fill, When::Before);
    let caller = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_load(&1, always("old".to_owned())).await }
    });
    fill.reached().await;
    let set = tokio::spawn({
        let cache = cache.clone();
        async move { cache.set(&1, "new".to_owned()).await }
    });
    settle().await;
    fill.release();
    soon("the set", set).await.unwrap().unwrap();
    soon("the caller", caller).await.unwrap().unwrap();
    assert_eq!(get(&cache).await.as_deref(), Some("new"));
    assert_ne!(get(&cache_on(&stub).await).await.as_deref(), Some("old"));
}

#[tokio::test]
async fn who_comes_after_a_removal_does_not_join_a_lookup_from_before_it() {
    let stub = FaultyRemote::new();
    cache_on(&stub)
        .await
        .set(&1, "old".to_owned())
        .await
        .unwrap();
    let cache = cache_on(&stub).await;
    let removal_held = stub.hold(Operation::Remove, When::Before);
    let removal = tokio::spawn({
        let cache = cache.clone();
        async move { cache.remove(&1).await }
    });
    removal_held.reached().await;
    // A lookup reads the old value between the removal's beginning and its end…
    let lookup_held = stub.hold(Operation::Get, When::After);
    let during = load(&cache, &Gate::default(), "never");
    lookup_held.reached().await;
    removal_held.release();
    assert!(soon("the removal", removal).await.unwrap().unwrap());
    // …and a call that begins after that must not get it.
    let after = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_load(&1, always("new".to_owned())).await }
    });
    settle().await;
    lookup_held.release();
    assert_eq!(*soon("after", after).await.unwrap().unwrap(), "new");
    assert_eq!(soon("during", during).await.unwrap(), "old");
    assert_eq!(get(&cache).await.as_deref(), Some("new"));
}

#[tokio::test]
async fn a_read_from_before_a_removal_is_not_kept_in_memory() {
    let stub = FaultyRemote::new();
    let other = cache_on(&stub).await;
    other.set(&1, "old".to_owned()).await.unwrap();
    let cache = cache_on(&stub).await;
    let held = stub.hold(Operation::Get, When::After);
    let reader = tokio::spawn({
        let cache = cache.clone();
        async move { get(&cache).await }
    });
    held.reached().await;
    assert!(cache.remove(&1).await.unwrap());
    held.release();
    assert_eq!(reader.await.unwrap().as_deref(), Some("old"));
    assert_eq!(get(&cache).await, None);
}

#[tokio::test]
async fn a_load_that_began_during_one_removal_does_not_outlive_the_next() {
    let stub = FaultyRemote::new();
    let cache = cache_on(&stub).await;
    let (held, gate) = (stub.hold(Operation::Remove, When::Before), Gate::default());
    let removal = tokio::spawn({
        let cache = cache.clone();
        async move { cache.remove(&1).await }
    });
    held.reached().await;
    let during = load(&cache, &gate, "old");
    gate.begun().await;
    held.release();
    soon("the removal", removal).await.unwrap().unwrap();
    cache.remove(&1).await.unwrap();
    gate.open();
    assert_eq!(soon("the load", during).await.unwrap(), "old");
    assert_eq!(get(&cache).await, None);
    assert_eq!(get(&cache_on(&stub).await).await, None);
}

/// How long the server keeps a value is not the cache's to say: a call may have chosen more.
#[tokio::test]
async fn a_removal_waits_for_the_server_however_long_it_is_away() {
    let clock = Clock::manual();
    let stub = FaultyRemote::with(clock.clone());
    let builder = Larder::builder().remote(stub.clone()).clock(clock.clone());
    let larder = builder.build().await.unwrap();
    let users: Cache<u32, String> = larder.cache("users").ttl(secs(60)).build().unwrap();
    let entry = users.entry(&1).ttl(secs(3600));
    entry.set("old").await.unwrap();
    stub.inject([Operation::Remove], Fault::Fail);
    users.remove(&1).await.unwrap_err();
    let tried = stub.calls(Operation::Remove);
    clock.advance(secs(300));
    eventually("it is tried again", async || {
        stub.calls(Operation::Remove) > tried + 1
    })
    .await;
    assert!(users.get(&1).await.is_none());
    stub.heal_only([Operation::Remove]);
    eventually("it is made up for", async || {
        larder.health().await.pending_writes == 0
    })
    .await;
    assert!(users.get(&1).await.is_none());
}
