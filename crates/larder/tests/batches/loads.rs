//! Batches with a loader.

use std::convert::Infallible;
use std::sync::Arc;

use larder::{Freshness, Larder, LoadError, Loaded, Source as From, StaleReason};
use larder_servers::Kind;

use super::common::{
    Fault, FaultyRemote, Operation, Place, Runs, always, eventually, everywhere, larder, names,
    on_each_server, secs, soon, start,
};
use super::{Source, Texts, expect, texts, told};

everywhere!(
    what_is_missing_is_loaded_with_one_call,
    what_a_loader_leaves_out_and_adds,
    a_loaded_value_says_how_it_is_stored,
    an_invalidation_in_mid_batch_voids_its_own_keys_alone,
    a_tag_that_all_values_reveal,
);

async fn what_is_missing_is_loaded_with_one_call(place: Place) {
    let (here, there) = (texts(&place.here), texts(&place.there));
    let source = Source::new("loaded");
    let none = here.get_or_load_many(&[], source.load()).await.unwrap();
    assert!(none.is_empty() && source.asked().is_empty());
    here.set_many([(1, "set"), (3, "set")]).await.unwrap();
    let all = there
        .get_or_load_many(&[1, 2, 3, 4, 2], source.load())
        .await
        .unwrap();
    let expected = expect([(1, "set"), (2, "loaded 2"), (3, "set"), (4, "loaded 4")]);
    assert_eq!(told(all), expected);
    assert_eq!(source.asked(), [[2, 4]]);
    // Stored, for all.
    for place in [&there, &here] {
        eventually("both have it", async || {
            told(place.get_many(&[1, 2, 3, 4]).await) == expected
        })
        .await;
    }
    let batch = here.lookup_or_load_many(&[2, 5], source.load()).await;
    assert_ne!(batch.found[&2].outcome.source, From::Loader);
    assert_eq!(batch.found[&5].outcome.source, From::Loader);
    assert_eq!(here.stats().loads, 1);
}

async fn what_a_loader_leaves_out_and_adds(place: Place) {
    let here = texts(&place.here);
    let other = async |_| {
        let all = [(1, "one"), (7, "not asked for"), (1, "last")];
        Ok::<_, Infallible>(all)
    };
    let batch = here.lookup_or_load_many(&[1, 2], other).await;
    assert_eq!(*batch.found[&1].value, "last");
    assert_eq!(batch.absent, [2]);
    assert!(batch.failed.is_empty() && batch.found.len() == 1);
    assert!(here.get_many(&[2, 7]).await.is_empty());
    // Nothing stands in the way of the next load.
    let source = Source::new("loaded");
    let all = here.get_or_load_many(&[1, 2], source.load()).await;
    assert_eq!(told(all.unwrap()), expect([(1, "last"), (2, "loaded 2")]));
}

async fn a_loaded_value_says_how_it_is_stored(place: Place) {
    let here = texts(&place.here);
    let load = async |keys: Vec<u32>| {
        let loaded = |key: u32| {
            let value = Loaded::new(format!("loaded {key}"));
            let value = match key {
                1 => value.do_not_store(),
                2 => value.ttl(secs(5)),
                _ => value.tags(["t"]),
            };
            (key, value)
        };
        Ok::<_, Infallible>(keys.into_iter().map(loaded).collect::<Vec<_>>())
    };
    let all = here.get_or_load_many(&[1, 2, 3], load).await.unwrap();
    assert_eq!(all.len(), 3);
    eventually("what may be stored is", async || {
        here.get_many(&[1, 2, 3]).await.len() == 2
    })
    .await;
    assert!(here.get(&1).await.is_none());
    assert!(here.ttl_left(&2).await.unwrap() <= secs(5));
    place.here.invalidate_tag("t").await.unwrap();
    assert!(here.get(&3).await.is_none());
}

async fn an_invalidation_in_mid_batch_voids_its_own_keys_alone(place: Place) {
    let (here, there) = (texts(&place.here), texts(&place.there));
    for (invalidate, expected) in [
        ("remove", expect([(1, "old 1"), (3, "old 3"), (4, "old 4")])),
        (
            "remove elsewhere",
            expect([(1, "old 1"), (3, "old 3"), (4, "old 4")]),
        ),
        (
            "set many",
            expect([(1, "old 1"), (2, "new"), (3, "new"), (4, "old 4")]),
        ),
        ("clear", expect([])),
    ] {
        let source = Source::slow("old");
        let load = tokio::spawn({
            let (here, load) = (here.clone(), source.load());
            async move { here.get_or_load_many(&[1, 2, 3, 4], load).await }
        });
        source.begun().await;
        match invalidate {
            "remove" => assert!(!here.remove(&2).await.unwrap()),
            "remove elsewhere" => assert!(!there.remove(&2).await.unwrap()),
            "set many" => here.set_many([(2, "new"), (3, "new")]).await.unwrap(),
            _ => drop(here.clear().await.unwrap()),
        }
        source.go_on();
        assert_eq!(
            load.await.unwrap().unwrap().len(),
            4,
            "its caller began before"
        );
        for place in [&here, &there] {
            eventually(invalidate, async || {
                told(place.get_many(&[1, 2, 3, 4]).await) == expected
            })
            .await;
        }
        here.remove_many(&[1, 2, 3, 4]).await.unwrap();
    }
}

on_each_server!(a_batch_of_loads_is_three_round_trips);

async fn a_batch_of_loads_is_three_round_trips(kind: Kind) {
    let server = start(kind);
    let larder = larder(&server).await;
    let texts: Texts = texts(&larder);
    let source = Source::new("loaded");
    texts.get_or_load_many(&[0], source.load()).await.unwrap();
    let monitor = server.monitor().unwrap();
    texts
        .get_or_load_many(&[1, 2, 3], source.load())
        .await
        .unwrap();
    let expected = [
        "MGET", "EVALSHA", "EVALSHA", "EVALSHA", "EVALSHA", "EVALSHA", "EVALSHA",
    ];
    eventually("three leases and three fills", async || {
        names(&monitor) == expected
    })
    .await;
}

#[tokio::test]
async fn a_loader_that_fails_or_panics_fails_its_own_keys_and_stale_values_step_in() {
    let clock = larder::Clock::manual();
    let larder = Larder::builder()
        .clock(clock.clone())
        .build()
        .await
        .unwrap();
    let cache = larder.cache("texts").ttl(secs(10)).stale(secs(60));
    let texts: Texts = cache.build().unwrap();
    texts.set(&1, "old").await.unwrap();
    clock.advance(secs(11));
    texts.set(&3, "fresh").await.unwrap();
    let fails = async |_| Err::<[(u32, String); 0], _>("no database");
    let batch = texts.lookup_or_load_many(&[1, 2, 3], fails).await;
    let why = Freshness::Stale(StaleReason::LoaderFailed);
    assert_eq!(batch.found[&1].outcome.freshness, why);
    assert!(batch.found[&3].outcome.freshness.is_fresh());
    assert!(matches!(&batch.failed[&2], LoadError::Loader(error) if **error == "no database"));
    let error = texts.get_or_load_many(&[2, 3], fails).await.unwrap_err();
    assert_eq!(error.to_string(), "the loader failed: no database");
    let panics = async |keys: Vec<u32>| {
        assert!(keys.is_empty(), "out of order");
        Ok::<[(u32, String); 0], Infallible>([])
    };
    let batch = texts.lookup_or_load_many(&[2, 3], panics).await;
    assert!(matches!(&batch.failed[&2], LoadError::Panicked(why) if why.contains("out of order")));
    assert_eq!(larder.health().await.caches[0].stats.load_failures, 4);
}

#[tokio::test]
async fn a_loader_that_loads_a_key_of_its_own_batch_gets_an_error() {
    let larder = Larder::in_memory().await.unwrap();
    let texts = texts(&larder);
    let load = async |keys: Vec<u32>| {
        let inner = texts.get_or_load(&2, always("inner".into())).await;
        assert!(matches!(inner, Err(LoadError::Circular)), "{inner:?}");
        let nested = texts.get_or_load(&7, always("nested".into())).await;
        let value = nested.unwrap();
        Ok::<_, Infallible>(keys.into_iter().map(move |key| (key, Arc::clone(&value))))
    };
    let all = soon(
        "it does not wait for itself",
        texts.get_or_load_many(&[1, 2], load),
    );
    assert_eq!(
        told(all.await.unwrap()),
        expect([(1, "nested"), (2, "nested")])
    );
}

#[tokio::test]
async fn while_the_server_is_away_a_batch_loads_without_it() {
    let stub = FaultyRemote::new();
    let larder = Larder::builder()
        .remote(stub.clone())
        .build()
        .await
        .unwrap();
    let texts = texts(&larder);
    for op in [
        Operation::Get,
        Operation::GetMany,
        Operation::Acquire,
        Operation::Fill,
        Operation::Keep,
    ] {
        stub.inject([op], Fault::Fail);
    }
    let source = Source::new("loaded");
    for _ in 0..2 {
        let all = texts.get_or_load_many(&[1, 2], source.load()).await;
        assert_eq!(
            told(all.unwrap()),
            expect([(1, "loaded 1"), (2, "loaded 2")])
        );
    }
    assert_eq!(source.asked(), [[1, 2]], "kept in memory meanwhile");
}

#[tokio::test]
async fn closed_or_switched_off_a_batch_loads_and_stores_nothing() {
    let larder = Larder::in_memory().await.unwrap();
    let texts = texts(&larder);
    larder.close().await;
    let source = Source::new("loaded");
    for _ in 0..2 {
        let all = texts.get_or_load_many(&[1, 2], source.load()).await;
        assert_eq!(all.unwrap().len(), 2);
    }
    assert_eq!(source.asked().len(), 2);
    let nobody = texts.tenant("");
    let batch = nobody.lookup_or_load_many(&[1, 2], source.load()).await;
    assert_eq!(batch.found.len(), 2);
    let runs = Runs::default();
    assert!(texts.get_or_load(&1, runs.load("x".into())).await.is_ok());
    assert_eq!(runs.get(), 1);
}

/// Values that reveal the same tag, which nobody has met: all of them are stored.
async fn a_tag_that_all_values_reveal(place: Place) {
    let cache = texts(&place.here);
    let keys: Vec<u32> = (0..20).collect();
    let runs = Runs::default();
    for _ in 0..2 {
        let load = async |missing: Vec<u32>| {
            runs.count();
            let value = |key: u32| Loaded::new(format!("value {key}")).tags(["common"]);
            let found = missing.into_iter().map(|key| (key, value(key)));
            Ok::<_, std::convert::Infallible>(found.collect::<Vec<_>>())
        };
        let all = cache.get_or_load_many(&keys, load).await.unwrap();
        assert_eq!(all.len(), keys.len());
        let filled = async || cache.stats().fills + cache.stats().fills_refused == 20;
        eventually(&format!("{:?}", cache.stats()), filled).await;
    }
    assert_eq!((runs.get(), cache.stats().fills_refused), (1, 0));
    place.here.invalidate_tag("common").await.unwrap();
    assert!(cache.get_many(&keys).await.is_empty());
}
