//! G9: programs of different versions on one server never misread each other, and the older one
//! does not overwrite the newer one's values.

#![cfg(all(
    feature = "testing",
    feature = "valkey",
    feature = "json",
    feature = "msgpack",
    feature = "postcard"
))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

mod programs;

use std::fmt::Debug;

use larder::{Cache, CacheBuilder, CacheValue, Codec, Error, Larder, NearCapacity, Source};
use larder_servers::{Kind, Server};
use serde::{Deserialize, Serialize};

use common::{Runs, always, larder, on_each_server, start, writes};

on_each_server!(
    fields_that_changed_places_are_never_misread,
    programs_that_take_turns_do_not_overwrite_each_other_for_ever,
    fields_that_were_renamed_or_retyped_are_never_misread,
    a_field_with_a_default_may_be_added_where_the_codec_describes_itself,
    the_older_declared_version_never_overwrites_the_newer,
    an_explicit_set_may_overwrite_a_newer_version,
    another_codec_is_a_miss,
);

/// Each module stands for a program: one name, and one field after the other, in another order.
mod before {
    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(crate) struct Point {
        pub(crate) x: u32,
        pub(crate) y: u32,
    }
}

mod after {
    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(crate) struct Point {
        pub(crate) y: u32,
        pub(crate) x: u32,
    }
}

const OLD: before::Point = before::Point { x: 1, y: 2 };
const NEW: after::Point = after::Point { y: 2, x: 1 };

/// A cache of a program of its own.
fn cache<V: CacheValue>(larder: &Larder, codec: Codec) -> CacheBuilder<u32, V> {
    let name = format!("points {codec:?}");
    larder.cache(name).codec(codec).near(NearCapacity::Off)
}

async fn programs<A: CacheValue, B: CacheValue>(
    server: &Server,
    codec: Codec,
) -> (Cache<u32, A>, Cache<u32, B>) {
    let one = cache(&larder(server).await, codec).build().unwrap();
    let other = cache(&larder(server).await, codec).build().unwrap();
    (one, other)
}

async fn fields_that_changed_places_are_never_misread(kind: Kind) {
    let server = start(kind);
    for &codec in Codec::ALL {
        let (one, other) = programs::<before::Point, after::Point>(&server, codec).await;
        one.set(&1, OLD).await.unwrap();
        let found = other.get(&1).await;
        assert!(found.is_none_or(|found| *found == NEW), "{codec:?}");
        other.set(&2, NEW).await.unwrap();
        let found = one.get(&2).await;
        assert!(found.is_none_or(|found| *found == OLD), "{codec:?}");
        for key in [1, 2] {
            assert_eq!(*other.get_or_load(&key, always(NEW)).await.unwrap(), NEW);
            assert_eq!(*one.get_or_load(&key, always(OLD)).await.unwrap(), OLD);
        }
    }
}

async fn programs_that_take_turns_do_not_overwrite_each_other_for_ever(kind: Kind) {
    let server = start(kind);
    for &codec in Codec::ALL {
        let (one, other) = programs::<before::Point, after::Point>(&server, codec).await;
        let monitor = server.monitor().unwrap();
        for _ in 0..20 {
            assert_eq!(*one.get_or_load(&1, always(OLD)).await.unwrap(), OLD);
            assert_eq!(*other.get_or_load(&1, always(NEW)).await.unwrap(), NEW);
        }
        let writes = writes(&monitor);
        assert!((1..=2).contains(&writes), "{codec:?}: {writes}");
        // One of the two has the slot for good, and hits.
        let hits = one.stats().remote_hits + other.stats().remote_hits;
        assert!(hits >= 18, "{codec:?}: {hits}");
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Price {
    cents: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Price")]
struct InEuros {
    euros: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Price")]
struct Signed {
    cents: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Price")]
struct Textual {
    cents: String,
}

async fn never_misread<A, B>(server: &Server, codec: Codec, old: A, new: B)
where
    A: CacheValue + Clone,
    B: CacheValue + Clone + PartialEq + Debug,
{
    let (one, other) = programs::<A, B>(server, codec).await;
    one.remove(&1).await.unwrap();
    one.set(&1, old).await.unwrap();
    let found = other.get(&1).await;
    assert!(found.is_none_or(|found| *found == new), "{codec:?} {new:?}");
}

async fn fields_that_were_renamed_or_retyped_are_never_misread(kind: Kind) {
    let server = start(kind);
    for &codec in Codec::ALL {
        let price = || Price { cents: 150 };
        never_misread(&server, codec, price(), InEuros { euros: 1 }).await;
        never_misread(&server, codec, price(), Signed { cents: 150 }).await;
        let textual = Textual {
            cents: "150".to_owned(),
        };
        never_misread(&server, codec, price(), textual).await;
        never_misread(&server, codec, 150_u64, Price { cents: 150 }).await;
        never_misread(&server, codec, vec![1_u8, 2], (1_u8, 2_u8)).await;
        never_misread(&server, codec, "150".to_owned(), 150_u64).await;
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "User")]
struct UserWithAge {
    name: String,
    #[serde(default)]
    age: Option<u8>,
}

async fn a_field_with_a_default_may_be_added_where_the_codec_describes_itself(kind: Kind) {
    let server = start(kind);
    let name = || "Ann".to_owned();
    for &codec in Codec::ALL {
        let (one, other) = programs::<User, UserWithAge>(&server, codec).await;
        one.set(&1, User { name: name() }).await.unwrap();
        let found = other.get(&1).await;
        let read = UserWithAge {
            name: name(),
            age: None,
        };
        assert_eq!(
            found.as_deref(),
            codec.describes_itself().then_some(&read),
            "{codec:?}"
        );
    }
}

async fn the_older_declared_version_never_overwrites_the_newer(kind: Kind) {
    let server = start(kind);
    for &codec in Codec::ALL {
        let declared = async |version| -> Cache<u32, String> {
            cache(&larder(&server).await, codec)
                .schema(version)
                .build()
                .unwrap()
        };
        let (old, new) = (declared(1).await, declared(2).await);
        let monitor = server.monitor().unwrap();
        for turn in 0..20 {
            let found = old
                .lookup_or_load(&1, always("old".to_owned()))
                .await
                .unwrap();
            assert_eq!(found.as_str(), "old", "{codec:?}");
            assert_eq!(found.outcome.source, Source::Loader);
            let runs = Runs::default();
            let value = new
                .get_or_load(&1, runs.load("new".to_owned()))
                .await
                .unwrap();
            assert_eq!(*value, "new", "{codec:?}");
            assert_eq!(
                runs.get(),
                usize::from(turn == 0),
                "the newer one hits from then on"
            );
        }
        assert_eq!(writes(&monitor), 2, "{codec:?}");
        assert_eq!(old.stats().fills_refused, 19);
        assert!(old.get(&1).await.is_none());
    }
}

async fn an_explicit_set_may_overwrite_a_newer_version(kind: Kind) {
    let server = start(kind);
    let declared = async |version| -> Cache<u32, String> {
        cache(&larder(&server).await, Codec::Json)
            .schema(version)
            .build()
            .unwrap()
    };
    let (old, new) = (declared(1).await, declared(2).await);
    new.set(&1, "new".to_owned()).await.unwrap();
    assert!(old.get(&1).await.is_none());
    // Whoever sets knows the value to be current; the newer program then loads its own.
    old.set(&1, "old".to_owned()).await.unwrap();
    assert!(new.get(&1).await.is_none());
    assert_eq!(
        *new.get_or_load(&1, always("newest".to_owned()))
            .await
            .unwrap(),
        "newest"
    );
    assert_eq!(
        new.get(&1).await.as_deref().map(String::as_str),
        Some("newest")
    );
    assert!(old.remove(&1).await.unwrap());
}

async fn another_codec_is_a_miss(kind: Kind) {
    let server = start(kind);
    for &mine in Codec::ALL {
        for &theirs in Codec::ALL {
            let texts = async |codec| -> Cache<u32, String> {
                let larder = larder(&server).await;
                larder
                    .cache("texts")
                    .codec(codec)
                    .near(NearCapacity::Off)
                    .build()
                    .unwrap()
            };
            let (one, other) = (texts(mine).await, texts(theirs).await);
            one.set(&1, "Ann".to_owned()).await.unwrap();
            let found = other.get(&1).await.map(|value| value.to_string());
            let expected = (mine == theirs).then(|| "Ann".to_owned());
            assert_eq!(found, expected, "{mine:?} {theirs:?}");
            assert_eq!(other.stats().misses_unreadable, u64::from(mine != theirs));
        }
    }
}

/// Reads whatever comes, so its `Deserialize` says nothing of what it is.
#[derive(Debug, Serialize, Deserialize)]
struct Anything(serde_json::Value);

#[tokio::test]
async fn a_codec_that_does_not_describe_itself_demands_a_schema_that_it_can_derive_or_is_told() {
    let stub = common::FaultyRemote::new();
    let larder = Larder::builder().remote(stub).build().await.unwrap();
    let anything = || cache::<Anything>(&larder, Codec::Postcard);
    let error = anything().build().unwrap_err();
    assert!(matches!(error, Error::Schema(_)), "{error:?}");
    let error = error.to_string();
    assert!(
        error.contains("Anything") && error.contains(".schema(1)"),
        "{error}"
    );
    anything().schema(1).build().unwrap();
    let error = cache::<String>(&larder, Codec::Json)
        .schema(0)
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("versions begin at 1"), "{error}");
}
