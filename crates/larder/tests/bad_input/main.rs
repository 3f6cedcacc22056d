//! Input that cannot work: an error that names it, or the behaviour that is documented; never a
//! panic, and never a function that does not run.

#![cfg(all(feature = "testing", feature = "valkey", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use larder::key::KeyError;
use larder::{Cache, Codec, Coherence, Config, Error, Larder, MAX_TTL, NearCapacity, global};
use larder_servers::Kind;
use serde::{Serialize, Serializer};

use common::{FaultyRemote, Operation, Runs, always, larder, on_each_server, secs, start};

on_each_server!(long_and_odd_keys_work_on_a_server);

async fn stubbed() -> (FaultyRemote, Larder) {
    let stub = FaultyRemote::new();
    let larder = Larder::builder()
        .remote(stub.clone())
        .build()
        .await
        .unwrap();
    (stub, larder)
}

#[tokio::test]
async fn a_cache_name_that_is_empty_or_too_long_is_an_error() {
    let (_stub, larder) = stubbed().await;
    let long = "n".repeat(201);
    for name in ["", &long, &":".repeat(67)] {
        let error = larder.cache::<u32, u32>(name).build().unwrap_err();
        assert!(matches!(error, Error::Name(_)), "{error:?}");
        assert!(error.to_string().contains("cache"), "{error}");
    }
    for name in [&long[1..], "a:b", "{x}", "tenant", " ", "\0", "🗝"] {
        let cache = larder.cache::<u32, u32>(name).build().unwrap();
        cache.set(&1, 1).await.unwrap();
        assert!(cache.exists(&1).await, "{name:?}");
    }
}

#[tokio::test]
async fn a_tenant_that_cannot_be_has_nothing_and_its_functions_run() {
    let (stub, larder) = stubbed().await;
    let cache: Cache<u32, u32> = larder.cache("numbers").build().unwrap();
    cache.set(&1, 1).await.unwrap();
    let sets = stub.calls(Operation::Set);
    let long = "t".repeat(201);
    for tenant in ["", &long] {
        let views = [
            cache.tenant(tenant),
            larder.tenant(tenant).cache("numbers").build().unwrap(),
        ];
        for view in views {
            assert!(view.get(&1).await.is_none());
            assert!(view.lookup(&1).await.is_none());
            assert!(!view.exists(&1).await);
            assert_eq!(view.ttl_left(&1).await, None);
            let runs = Runs::default();
            for turn in 1..=2 {
                assert_eq!(*view.get_or_load(&1, runs.load(7)).await.unwrap(), 7);
                assert_eq!(*view.get_or_spawn(&1, runs.load(7)).await.unwrap(), 7);
                assert_eq!(runs.get(), 2 * turn, "it is not stored");
            }
            for error in [
                view.set(&1, 2).await.unwrap_err(),
                view.remove(&1).await.unwrap_err(),
            ] {
                assert!(matches!(error, Error::Name(_)), "{error:?}");
                assert!(error.to_string().contains("tenant"), "{error}");
            }
        }
        let entry = || cache.entry(&1).tenant(tenant);
        assert!(entry().get().await.is_none());
        assert!(entry().set(2).await.is_err());
        let persistent = larder.persistent().unwrap().tenant(tenant);
        assert!(persistent.set("key", &1).await.is_err());
        assert_eq!(persistent.get::<u8, _>("key").await, None);
    }
    assert_eq!(cache.get(&1).await.as_deref(), Some(&1));
    assert_eq!(stub.calls(Operation::Set), sets);
}

#[tokio::test]
async fn every_lookup_for_a_tenant_that_cannot_be_is_counted() {
    let (_stub, larder) = stubbed().await;
    let cache: Cache<u32, u32> = larder.cache("numbers").build().unwrap();
    let view = cache.tenant("");
    assert!(view.get(&1).await.is_none());
    assert_eq!(cache.stats().misses_invalid_key, 1);
    assert!(view.lookup(&1).await.is_none());
    assert_eq!(cache.stats().misses_invalid_key, 2);
    view.get_or_load(&1, always(1)).await.unwrap();
    assert_eq!(cache.stats().misses_invalid_key, 3);
}

/// A key whose `Serialize` fails.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no key today"))
    }
}

async fn cannot_be_a_key<K>(larder: &Larder, name: &str, key: K, says: &str)
where
    K: larder::CacheKey + Clone + 'static,
{
    let cache: Cache<K, u32> = larder.cache(name).build().unwrap();
    assert!(cache.get(&key).await.is_none());
    assert!(!cache.exists(&key).await);
    assert_eq!(cache.stats().misses_invalid_key, 2);
    for error in [
        cache.set(&key, 1).await.unwrap_err(),
        cache.remove(&key).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Key(_)), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
    let runs = Runs::default();
    assert_eq!(*cache.get_or_load(&key, runs.load(7)).await.unwrap(), 7);
    assert_eq!(runs.get(), 1, "its function runs all the same");
    assert!(cache.get(&key).await.is_none(), "and nothing is stored");
}

#[tokio::test]
async fn a_key_that_cannot_be_stored_is_a_miss_and_an_error_to_writers() {
    let (stub, on_stub) = stubbed().await;
    for larder in [on_stub, Larder::in_memory().await.unwrap()] {
        let megabyte = "k".repeat(1 << 20);
        cannot_be_a_key(&larder, "long", megabyte, "65536 are allowed").await;
        cannot_be_a_key(&larder, "failing", Unwritable, "no key today").await;
        cannot_be_a_key(&larder, "ambiguous", Some(None::<u32>), "`None` is written").await;
        let by_tuple = BTreeMap::from([((1, 2), 3)]);
        cannot_be_a_key(&larder, "map", by_tuple, "keyed by").await;
    }
    assert_eq!(
        stub.calls(Operation::Get) + stub.calls(Operation::Set) + stub.calls(Operation::Remove),
        0
    );
    let persistent = Larder::in_memory().await.unwrap().persistent().unwrap();
    let error = persistent.set(&Unwritable, &1).await.unwrap_err();
    assert!(
        matches!(error, Error::Key(KeyError::Serialize { .. })),
        "{error:?}"
    );
    let runs = Runs::default();
    let value: u8 = persistent
        .get_or_load(&Unwritable, runs.load(7))
        .await
        .unwrap();
    assert_eq!((value, runs.get()), (7, 1));
}

async fn long_and_odd_keys_work_on_a_server(kind: Kind) {
    let server = start(kind);
    let larder = larder(&server).await;
    let cache: Cache<String, u32> = larder.cache("odd").near(NearCapacity::Off).build().unwrap();
    let keys = [
        "",
        " ",
        "\0",
        "\r\n",
        "*",
        "{a}",
        "a:b",
        "42",
        "%",
        "🗝",
        "~",
        "\u{feff}",
        &"k".repeat(200),
        &"k".repeat(201),
        &"k".repeat(60_000),
        &"\0".repeat(10_000),
    ]
    .map(str::to_owned);
    for (at, key) in (0..).zip(&keys) {
        assert!(cache.get(key).await.is_none(), "{key:?}");
        cache.set(key, at).await.unwrap();
    }
    for (at, key) in (0..).zip(&keys) {
        assert_eq!(cache.get(key).await.as_deref(), Some(&at), "{key:?}");
        assert!(cache.remove(key).await.unwrap(), "{key:?}");
    }
}

#[tokio::test]
async fn a_cache_is_opened_once_in_one_way() {
    let (_stub, larder) = stubbed().await;
    let open = || larder.cache::<u32, u32>("numbers").ttl(secs(5));
    let first = open().build().unwrap();
    first.set(&1, 1).await.unwrap();
    let again = open().build().unwrap();
    assert!(
        again.exists(&1).await,
        "the same options give the same cache"
    );
    let others = [
        larder
            .cache::<u32, u64>("numbers")
            .ttl(secs(5))
            .build()
            .err(),
        larder
            .cache::<u64, u32>("numbers")
            .ttl(secs(5))
            .build()
            .err(),
        open().ttl(secs(6)).build().err(),
        open().stale(secs(1)).build().err(),
        open().near(NearCapacity::Off).build().err(),
        open().coherence(Coherence::Ttl(secs(9))).build().err(),
        open().schema(2).build().err(),
        open().memory_only().build().err(),
        open().weigher(|_, _| 1).build().err(),
    ];
    for (at, error) in others.into_iter().enumerate() {
        let Some(error @ Error::OpenedOtherwise { .. }) = error else {
            panic!("{at}: {error:?}");
        };
        let error = error.to_string();
        assert!(
            error.contains("\"numbers\"") && error.contains("5s"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_typed_cache_under_a_taken_name_is_an_error() {
    let larder = Larder::in_memory().await.unwrap();
    larder.memory().unwrap();
    let error = larder.cache::<u32, u32>("memory").build().unwrap_err();
    assert!(matches!(error, Error::OpenedOtherwise { .. }), "{error:?}");
    larder.cache::<u32, u32>("persistent").build().unwrap();
    assert!(larder.persistent().is_err());
}

#[tokio::test]
async fn capacities_of_nothing_hold_nothing() {
    let larder = Larder::in_memory().await.unwrap();
    for near in [
        NearCapacity::Entries(0),
        NearCapacity::Bytes(0),
        NearCapacity::Bytes(1),
    ] {
        let cache: Cache<u32, u32> = larder
            .cache(format!("{near:?}"))
            .near(near)
            .build()
            .unwrap();
        let error = cache.set(&1, 1).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
        let runs = Runs::default();
        for turn in 1..=2 {
            assert_eq!(*cache.get_or_load(&1, runs.load(7)).await.unwrap(), 7);
            assert_eq!(runs.get(), turn);
        }
        assert_eq!(cache.near_usage().entries, 0);
    }
}

#[tokio::test]
async fn a_capacity_beyond_all_memory_is_only_a_limit() {
    let larder = Larder::in_memory().await.unwrap();
    for near in [
        NearCapacity::Bytes(u64::MAX),
        NearCapacity::Entries(1 << 40),
    ] {
        let cache: Cache<u32, u32> = larder
            .cache(format!("{near:?}"))
            .near(near)
            .build()
            .unwrap();
        cache.set(&1, 1).await.unwrap();
        assert!(cache.exists(&1).await);
    }
}

#[tokio::test]
async fn a_value_that_is_no_json_is_an_error_to_the_caches_of_any_type() {
    let larder = Larder::in_memory().await.unwrap();
    let persistent = larder.persistent().unwrap();
    let by_tuple = BTreeMap::from([((1, 2), 3)]);
    let error = persistent.set("key", &by_tuple).await.unwrap_err();
    assert!(matches!(error, Error::Json { .. }), "{error:?}");
    assert!(error.to_string().contains("key"), "{error}");
    let got: Option<u8> = persistent.get("key").await;
    assert_eq!(got, None);
}

#[tokio::test]
async fn times_that_cannot_be_are_refused_where_they_are_set() {
    let too_long = MAX_TTL + secs(1);
    let error = Config::builder().remote_ttl(too_long).build().unwrap_err();
    assert!(error.to_string().contains("ttl"), "{error}");
    for timeout in [Duration::ZERO, Duration::MAX] {
        let config = Config::builder().url("valkey://localhost").timeout(timeout);
        let error = config.build().unwrap_err();
        assert!(error.to_string().contains("timeout"), "{error}");
    }
    let larder = Larder::in_memory().await.unwrap();
    let cache = larder
        .cache::<u32, u32>("trust")
        .coherence(Coherence::Ttl(Duration::MAX));
    cache.build().unwrap().set(&1, 1).await.unwrap();
}

#[tokio::test]
async fn a_prefix_that_cannot_be_is_refused() {
    for prefix in ["a b", "{x}", "*", &"p".repeat(200)] {
        assert!(
            Config::builder().prefix(prefix).build().is_err(),
            "{prefix:?}"
        );
    }
}

#[tokio::test]
async fn bad_configuration_names_the_variable_its_value_and_what_is_allowed() {
    let vars = [("CACHE_BACKEND", "memcached"), ("CACHE_DEFAULT_TTL", "-1")];
    let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let error = Error::from(Config::from_vars(vars).unwrap_err()).to_string();
    for part in [
        "CACHE_BACKEND",
        "memcached",
        "valkey",
        "CACHE_DEFAULT_TTL",
        "-1",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn tls_is_refused_by_name() {
    let config = Config::builder().url("rediss://localhost").build().unwrap();
    let error = Larder::with(config).await.unwrap_err();
    assert!(error.to_string().contains("TLS"), "{error}");
}

#[tokio::test]
async fn before_initialisation_the_process_wide_cache_misses_and_says_so() {
    assert_eq!(global::get::<u8>("key").await, None);
    assert!(!global::exists("key").await);
    let error = global::set("key", &1).await.unwrap_err();
    assert!(
        error.to_string().contains("larder::global::init()"),
        "{error}"
    );
    global::close().await;
}

#[tokio::test]
async fn a_value_nested_too_deep_is_written_and_read_as_a_miss() {
    #[derive(Clone, Debug, Default, PartialEq, Serialize, serde::Deserialize)]
    struct Nested(Vec<Nested>);
    let (_stub, larder) = stubbed().await;
    let mut deep = Nested::default();
    for _ in 0..500 {
        deep = Nested(vec![deep]);
    }
    let cache: Cache<u32, Nested> = larder
        .cache("deep")
        .near(NearCapacity::Off)
        .codec(Codec::Json)
        .build()
        .unwrap();
    cache.set(&1, deep).await.unwrap();
    assert!(cache.get(&1).await.is_none());
    assert_eq!(cache.stats().misses_unreadable, 1);
}
