//! Each call does what the async one does, in memory, on a store and on real servers.

use std::time::Duration;

use larder::bounded::Bounded;
use larder::config::Config;
use larder::{Freshness, Loaded, Source, StaleReason, Strength};
use larder_servers::{Kind, Server};

use super::*;
use crate::common::secs;

/// All calls, on whatever it lies.
fn every_call_works(larder: &Larder) {
    calls_on_one_key_work(larder);
    calls_on_many_keys_work(larder);
    calls_on_the_larder_work(larder);
}

fn calls_on_one_key_work(larder: &Larder) {
    let users: Cache<u32, String> = larder.cache("users").stale(secs(60)).build().unwrap();
    assert_eq!(users.get(&1), None);
    users.set(&1, "Ann").unwrap();
    assert_eq!(users.get(&1).as_deref().map(String::as_str), Some("Ann"));
    assert!(users.exists(&1));
    assert!(users.ttl_left(&1).unwrap() > Duration::ZERO);
    assert_eq!(
        users.lookup(&1).unwrap().outcome.freshness,
        Freshness::Fresh
    );
    assert!(users.remove(&1).unwrap());
    assert!(!users.remove(&1).unwrap());

    let loaded = users.lookup_or_load(&2, || Ok::<_, Infallible>("Bob".to_owned()));
    let loaded = loaded.unwrap();
    assert_eq!((&**loaded, loaded.outcome.source), ("Bob", Source::Loader));
    assert_eq!(*users.get_or_load(&2, ann).unwrap(), "Bob");
    assert_eq!(*users.get_or_spawn(&2, ann).unwrap(), "Bob");
    assert_eq!(*users.get_or_spawn(&3, ann).unwrap(), "Ann");
    assert_eq!(
        users.lookup_or_spawn(&3, ann).unwrap().value.as_str(),
        "Ann"
    );
    let with = users.entry(&4).lookup_or_load_with(|load| {
        assert!(load.stale().is_none());
        Ok::<_, Infallible>(Loaded::new("Cid".to_owned()).do_not_store())
    });
    assert_eq!(**with.unwrap(), *"Cid");
    assert_eq!(users.get(&4), None);

    let acme = users.tenant("acme");
    acme.entry(&1)
        .tags(["team:7"])
        .ttl(secs(30))
        .set("Eve")
        .unwrap();
    assert!(users.get(&1).is_none());
    assert!(users.entry(&1).tenant("acme").exists());
    larder.tenant("acme").invalidate_tag("team:7").unwrap();
    assert!(!acme.exists(&1));
}

fn calls_on_many_keys_work(larder: &Larder) {
    let users: Cache<u32, String> = larder.cache("users").stale(secs(60)).build().unwrap();
    users.set_many([(10, "a"), (11, "b")]).unwrap();
    assert_eq!(users.get_many(&[10, 11, 12]).len(), 2);
    assert_eq!(users.lookup_many(&[10, 12]).len(), 1);
    let brought = users.lookup_or_load_many(&[10, 12, 13], |missing: Vec<u32>| {
        let brought = missing.into_iter().filter(|key| *key == 12);
        Ok::<_, Infallible>(brought.map(|key| (key, "c".to_owned())).collect::<Vec<_>>())
    });
    assert_eq!((brought.found.len(), &*brought.absent), (2, &[13][..]));
    assert_eq!(users.remove_many(&[10, 11, 99]).unwrap(), 2);
    let all: Vec<_> = users
        .load_iter(20..25, 2, |missing: Vec<u32>| {
            Ok::<_, Infallible>(missing.into_iter().map(|key| (key, key.to_string())))
        })
        .map(|(key, answer)| (key, answer.unwrap().unwrap().value.to_string()))
        .collect();
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(|(key, value)| key.to_string() == *value));
    let warmed = users
        .warm(20..30)
        .batch(3)
        .load(|missing| Ok::<_, Infallible>(missing.into_iter().map(|key| (key, key.to_string()))));
    assert_eq!((warmed.keys.present, warmed.keys.loaded), (5, 5));

    let pages: Cache<String, u8> = larder.cache("pages").build().unwrap();
    pages.set("team:7:home", 1).unwrap();
    pages.set("team:8:home", 1).unwrap();
    assert_eq!(pages.remove_matching("team:7:*").unwrap().values, 1);
    pages.invalidate(Strength::Remove).unwrap();
    assert!(!pages.exists("team:8:home"));
    users.clear().unwrap().finished().unwrap();
    assert!(!users.exists(&20));
    users.set(&1, "Ann").unwrap();
    larder.clear().unwrap().finished().unwrap();
    assert!(!users.exists(&1));
}

fn calls_on_the_larder_work(larder: &Larder) {
    larder.clear_untenanted().unwrap();
    larder.sweep().finished().unwrap();
    larder.tenant("acme").erase().unwrap();

    let any = larder.persistent().unwrap();
    any.ttl(secs(9)).set("limit", &7_u8).unwrap();
    assert_eq!(any.get::<u8, _>("limit"), Some(7));
    assert!(any.ttl_left("limit").unwrap() <= secs(9));
    assert!(any.tenant("acme").lookup::<u8, _>("limit").is_none());
    assert!(any.remove("limit").unwrap());
    assert_eq!(
        any.get_or_load("limit", || Ok::<_, Infallible>(8_u8))
            .unwrap(),
        8
    );
    assert_eq!(
        any.get_or_spawn("other", || Ok::<_, Infallible>(9_u8))
            .unwrap(),
        9
    );

    let reports: Cache<u32, String> = larder
        .cache("reports")
        .bounded(Bounded::lru(100))
        .open()
        .unwrap();
    reports.set(&1, "one").unwrap();
    assert!(reports.exists(&1));
    assert!(larder.health().unwrap().is_usable());
    assert!(!larder.is_closed());
    assert!(larder.close_within(secs(10)).unwrap());
    assert!(larder.is_closed());
}

#[test]
fn in_memory_alone() {
    every_call_works(&Larder::in_memory().unwrap());
}

#[test]
fn on_a_store_that_is_shared() {
    let store = Larder::builder().remote(MemoryRemote::new());
    every_call_works(&store.build().unwrap());
}

#[test]
fn on_real_servers() {
    for kind in Kind::ALL {
        let server = Server::start(kind).unwrap();
        let config = Config::builder().url(server.url()).build().unwrap();
        every_call_works(&Larder::with(config).unwrap());
    }
}

#[test]
fn options_of_the_builder_hold() {
    let clock = larder::Clock::manual();
    let larder = Larder::builder().clock(clock.clone()).build().unwrap();
    let rates: Cache<String, f64> = larder
        .cache("rates")
        .ttl(secs(60))
        .stale(secs(600))
        .build()
        .unwrap();
    rates.set("EUR", 1.09).unwrap();
    clock.advance(secs(90));
    assert_eq!(rates.get("EUR"), None);
    let found = rates
        .lookup_or_load("EUR", || Err("the bank is closed"))
        .unwrap();
    assert_eq!(
        found.outcome.freshness,
        Freshness::Stale(StaleReason::LoaderFailed)
    );
    let nobody: Cache<u32, Option<String>> =
        larder.cache("users").negative_ttl(secs(5)).build().unwrap();
    nobody.set(&1, None).unwrap();
    assert!(nobody.ttl_left(&1).unwrap() <= secs(5));
    assert!(larder.cache::<u32, u32>("").build().is_err());
}

#[test]
fn a_closed_larder_loads_and_stores_nothing() {
    let (larder, cache) = on_a_store();
    cache.set(&1, "Ann").unwrap();
    larder.close().unwrap();
    larder.close().unwrap();
    assert_eq!(cache.get(&1), None);
    assert!(matches!(cache.set(&1, "Ann"), Err(larder::Error::Closed)));
    assert_eq!(*cache.get_or_load(&1, ann).unwrap(), "Ann");
    assert_eq!(*cache.get_or_spawn(&1, ann).unwrap(), "Ann");
    let all = cache.get_or_load_many(&[1, 2], |missing: Vec<u32>| {
        Ok::<_, Infallible>(missing.into_iter().map(|key| (key, "x".to_owned())))
    });
    assert_eq!(all.unwrap().len(), 2);
    let failed = cache.get_or_spawn(&1, || -> Result<String, Infallible> { panic!("oh") });
    assert!(matches!(failed, Err(larder::LoadError::Panicked(_))));
    assert!(larder.health().unwrap().closed);
    assert!(larder.clear().is_err());
}
