//! G3, G8: code that the cache's user wrote may panic, beside a loader; nobody else's task ends by it,
//! and all who wait get their answer.

use larder::{Cache, CacheBuilder, Error, Larder, NearCapacity, Source};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::task::JoinSet;

use super::common::{FaultyRemote, Operation, Runs, soon};
use super::{Gate, on, settle};

/// A value whose `Serialize` panics.
#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Unwritable(u32);

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("not to be written");
    }
}

/// A value whose `Deserialize` panics.
#[derive(Clone, Debug, Serialize, PartialEq)]
struct Unreadable(u32);

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("not to be read");
    }
}

/// A larder in memory, and one on a stub.
async fn larders(stub: &FaultyRemote) -> [Larder; 2] {
    [Larder::in_memory().await.unwrap(), on(stub).await]
}

/// Ten callers at once, one of whom loads: all get the value.
async fn ten_load<V>(cache: &Cache<u32, V>, value: V, spawned: bool)
where
    V: larder::CacheValue + Clone + PartialEq + std::fmt::Debug,
{
    let (mut callers, runs, gate) = (JoinSet::new(), Runs::default(), Gate::default());
    for _ in 0..10 {
        let (cache, runs, gate) = (cache.clone(), runs.clone(), gate.clone());
        let loaded = value.clone();
        callers.spawn(async move {
            let load = || async move {
                runs.count();
                gate.pass().await;
                Ok::<_, std::io::Error>(loaded)
            };
            if spawned {
                cache.get_or_spawn(&1, load).await
            } else {
                cache.get_or_load(&1, load).await
            }
        });
    }
    gate.begun().await;
    settle().await;
    gate.open();
    for found in soon("the callers", callers.join_all()).await {
        assert_eq!(*found.unwrap(), value);
    }
    assert_eq!(runs.get(), 1);
}

#[tokio::test]
async fn a_serialize_that_panics_is_an_error_to_the_writer() {
    let stub = FaultyRemote::new();
    let cache: Cache<u32, Unwritable> = on(&stub).await.cache("flights").build().unwrap();
    let error = cache.set(&1, Unwritable(7)).await.unwrap_err();
    assert!(matches!(error, Error::Encode { .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains("cache:flights:1"), "{error}");
    assert!(error.contains("not to be written"), "{error}");
    assert_eq!((stub.calls(Operation::Set), cache.stats().sets), (0, 0));
    // In memory nothing is written, but for its length.
    let larder = Larder::in_memory().await.unwrap();
    let cache: Cache<u32, Unwritable> = larder.cache("flights").build().unwrap();
    cache.set(&1, Unwritable(7)).await.unwrap();
    assert_eq!(*cache.get(&1).await.unwrap(), Unwritable(7));
    let persistent = larder.persistent().unwrap();
    let error = persistent.set("key", &Unwritable(7)).await.unwrap_err();
    assert!(error.to_string().contains("not to be written"), "{error}");
}

#[tokio::test]
async fn a_serialize_that_panics_keeps_nobody_from_what_was_loaded() {
    for spawned in [false, true] {
        let stub = FaultyRemote::new();
        for larder in larders(&stub).await {
            let cache = larder.cache("flights").build().unwrap();
            ten_load(&cache, Unwritable(7), spawned).await;
        }
        assert_eq!(stub.calls(Operation::Set), 0);
    }
}

fn with_a_weigher_that_panics(larder: &Larder) -> CacheBuilder<u32, String> {
    let cache = larder.cache("flights").near(NearCapacity::Bytes(1 << 20));
    cache.weigher(|_, _| panic!("too heavy for me"))
}

#[tokio::test]
async fn a_weigher_that_panics_keeps_a_value_out_of_memory() {
    let stub = FaultyRemote::new();
    let cache = with_a_weigher_that_panics(&on(&stub).await)
        .build()
        .unwrap();
    cache.set(&1, "set".to_owned()).await.unwrap();
    for _ in 0..2 {
        let found = cache.lookup(&1).await.unwrap();
        assert_eq!(found.as_str(), "set");
        assert_eq!(found.outcome.source, Source::Remote);
    }
    assert_eq!(cache.near_usage().entries, 0);
    assert_eq!(cache.stats().near_refused, 3);
    // Without a server nothing of it would be stored.
    let larder = Larder::in_memory().await.unwrap();
    let cache = with_a_weigher_that_panics(&larder).build().unwrap();
    let error = cache.set(&1, "set".to_owned()).await.unwrap_err();
    assert!(matches!(error, Error::WeigherPanicked { .. }), "{error}");
    assert!(error.to_string().contains("too heavy for me"), "{error}");
    assert!(cache.get(&1).await.is_none());
    assert_eq!(cache.stats().sets, 0);
}

#[tokio::test]
async fn a_weigher_that_panics_keeps_nobody_from_what_was_loaded() {
    for spawned in [false, true] {
        for larder in larders(&FaultyRemote::new()).await {
            let cache = with_a_weigher_that_panics(&larder).build().unwrap();
            ten_load(&cache, "loaded".to_owned(), spawned).await;
            assert_eq!(cache.near_usage().entries, 0);
        }
    }
}

#[tokio::test]
async fn a_deserialize_that_panics_is_an_unreadable_miss() {
    let stub = FaultyRemote::new();
    let cache: Cache<u32, Unreadable> = {
        let cache = on(&stub).await.cache("flights").schema(1);
        cache.near(NearCapacity::Off).build().unwrap()
    };
    cache.set(&1, Unreadable(7)).await.unwrap();
    assert!(cache.get(&1).await.is_none());
    assert_eq!(cache.stats().misses_unreadable, 1);
    ten_load(&cache, Unreadable(8), false).await;
    let persistent = on(&stub).await.persistent().unwrap();
    persistent.set("key", &7).await.unwrap();
    assert_eq!(persistent.get::<Unreadable, _>("key").await, None);
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
async fn a_key_whose_serialize_panics_cannot_be_stored_and_its_function_runs() {
    for larder in larders(&FaultyRemote::new()).await {
        let cache: Cache<NoKey, u32> = larder.cache("flights").build().unwrap();
        assert!(cache.get(&NoKey).await.is_none());
        let error = cache.set(&NoKey, 1).await.unwrap_err();
        assert!(matches!(error, Error::Key(_)), "{error}");
        assert!(error.to_string().contains("no key today"), "{error}");
        let runs = Runs::default();
        assert_eq!(*cache.get_or_load(&NoKey, runs.load(7)).await.unwrap(), 7);
        assert_eq!(*cache.get_or_spawn(&NoKey, runs.load(7)).await.unwrap(), 7);
        assert_eq!(runs.get(), 2);
    }
}
