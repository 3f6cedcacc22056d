//! What the handles take and give: values in every form, and the same calls on caches of any type.

#![cfg(all(feature = "valkey", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use larder::{AnyLoadError, Cache, Clock, Freshness, Larder, LoadError, Source};
use larder_servers::Kind;
use serde::{Deserialize, Serialize, Serializer};

use common::{Runs, eventually, larder, on_each_server, secs, start};

on_each_server!(an_answer_of_a_cache_of_any_type_says_where_it_came_from);

async fn in_memory() -> Larder {
    Larder::in_memory().await.unwrap()
}

#[tokio::test]
async fn a_text_may_be_set_as_it_stands() {
    let names: Cache<u32, String> = in_memory().await.cache("names").build().unwrap();
    names.set(&1, "Ann").await.unwrap();
    names.entry(&2).set("Bob").await.unwrap();
    let part = "Cid Smith".to_owned();
    names.set(&3, &part[..3]).await.unwrap();
    for (key, name) in [(1, "Ann"), (2, "Bob"), (3, "Cid")] {
        assert_eq!(*names.get(&key).await.unwrap(), name);
    }
}

/// That these lines compile is the point: nothing has to be annotated.
#[tokio::test]
async fn the_type_of_what_is_set_follows_from_the_cache() {
    let larder = in_memory().await;
    let numbers: Cache<u32, u64> = larder.cache("numbers").build().unwrap();
    numbers.set(&1, 5).await.unwrap();
    let lists: Cache<u32, Vec<String>> = larder.cache("lists").build().unwrap();
    lists.set(&1, vec![]).await.unwrap();
    lists.set(&2, Vec::new()).await.unwrap();
    let maybe: Cache<u32, Option<u8>> = larder.cache("maybe").build().unwrap();
    maybe.set(&1, None).await.unwrap();
    maybe.set(&2, Some(3)).await.unwrap();
    let maps: Cache<u32, BTreeMap<String, u8>> = larder.cache("maps").build().unwrap();
    maps.set(&1, BTreeMap::new()).await.unwrap();
    let boxed: Cache<u32, Box<str>> = larder.cache("boxed").build().unwrap();
    boxed.set(&1, Box::from("one")).await.unwrap();
    // What is shared already is not copied.
    let value = Arc::new("Ann".to_owned());
    let names: Cache<u32, String> = larder.cache("names").build().unwrap();
    names.set(&1, Arc::clone(&value)).await.unwrap();
    assert!(Arc::ptr_eq(&names.get(&1).await.unwrap(), &value));
    // And the cache's type from what is set.
    let inferred = larder.cache("inferred").build().unwrap();
    inferred.set(&1_u32, 2.5_f64).await.unwrap();
    let read: Option<Arc<f64>> = inferred.get(&1).await;
    assert_eq!(read.as_deref(), Some(&2.5));
    in_a_generic(&numbers, 6).await;
}

async fn in_a_generic<V: larder::CacheValue>(cache: &Cache<u32, V>, value: V) {
    cache.set(&9, value).await.unwrap();
    assert!(cache.exists(&9).await);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
}

fn ann() -> User {
    User {
        name: "Ann".to_owned(),
    }
}

async fn an_answer_of_a_cache_of_any_type_says_where_it_came_from(kind: Kind) {
    let server = start(kind);
    let (one, other) = (larder(&server).await, larder(&server).await);
    let (one, other) = (one.persistent().unwrap(), other.persistent().unwrap());
    assert!(one.lookup::<User, _>("ann").await.is_none());
    let runs = Runs::default();
    let found = one.lookup_or_load("ann", runs.load(ann())).await.unwrap();
    assert_eq!((&*found, found.outcome.source), (&ann(), Source::Loader));
    // The server tells of the fill too, and then it is asked once.
    eventually("it stays in memory", async || {
        let found = one.lookup::<User, _>("ann").await.unwrap();
        assert_eq!(&*found, &ann());
        assert_ne!(found.outcome.source, Source::Loader);
        found.outcome.source == Source::Near
    })
    .await;
    let found = other.lookup::<User, _>("ann").await.unwrap();
    assert_eq!((&*found, found.outcome.source), (&ann(), Source::Remote));
    assert!(
        other.lookup::<u8, _>("ann").await.is_none(),
        "it is no number"
    );
    let found = other
        .lookup_or_spawn("ann", runs.load(ann()))
        .await
        .unwrap();
    assert_eq!((&*found, found.outcome.source), (&ann(), Source::Near));
    assert_eq!(runs.get(), 1);
}

#[tokio::test]
async fn a_cache_of_any_type_loads_in_a_task_of_its_own() {
    let cache = in_memory().await.memory().unwrap();
    let runs = Runs::default();
    for _ in 0..2 {
        let user: User = cache.get_or_spawn("ann", runs.load(ann())).await.unwrap();
        assert_eq!(user, ann());
    }
    let found = cache
        .lookup_or_spawn("bob", runs.load(ann()))
        .await
        .unwrap();
    assert_eq!(found.outcome.freshness, Freshness::Fresh);
    assert_eq!(runs.get(), 2);
    let fails = || async { Err::<User, _>(io::Error::other("no such user")) };
    let error = cache.get_or_spawn("cid", fails).await.unwrap_err();
    let LoadError::Loader(error) = error else {
        panic!("{error}");
    };
    assert!(matches!(&*error, AnyLoadError::Loader(e) if e.to_string() == "no such user"));
    let panics = || async { panic!("in the background") };
    let error = cache.get_or_spawn::<User, _, _, _, io::Error>("cid", panics);
    assert!(matches!(error.await, Err(LoadError::Panicked(_))));
}

#[tokio::test]
async fn a_ttl_of_a_handle_is_that_of_what_it_loads() {
    let larder = Larder::builder().clock(Clock::manual()).build().await;
    let cache = larder.unwrap().memory().unwrap().ttl(secs(7));
    let runs = Runs::default();
    cache.lookup_or_load("ann", runs.load(ann())).await.unwrap();
    cache
        .lookup_or_spawn("bob", runs.load(ann()))
        .await
        .unwrap();
    for key in ["ann", "bob"] {
        assert_eq!(cache.ttl_left(key).await, Some(secs(7)));
    }
}

/// A key whose `Serialize` panics.
#[derive(Clone, PartialEq, Eq, Hash)]
struct NoKey;

impl Serialize for NoKey {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("no key today");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_keeps_nobody_from_the_value() {
    let cache = in_memory().await.memory().unwrap();
    assert!(cache.lookup::<User, _>(&NoKey).await.is_none());
    assert!(cache.set(&NoKey, &ann()).await.is_err());
    let runs = Runs::default();
    for turn in 1..=2 {
        let found = cache
            .lookup_or_load(&NoKey, runs.load(ann()))
            .await
            .unwrap();
        assert_eq!((&*found, found.outcome.source), (&ann(), Source::Loader));
        assert_eq!(runs.get(), turn);
    }
    let panics = || async { panic!("the loader too") };
    let error = cache.get_or_load::<User, _, _, _, io::Error>(&NoKey, panics);
    assert!(matches!(error.await, Err(LoadError::Panicked(_))));
}
