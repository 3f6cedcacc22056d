//! Bounded caches as users see them: everything that a cache does goes on working.

use std::sync::Arc;
use std::time::Duration;

use larder::bounded::{Bounded, ServerEviction};
use larder::remote::RemoteError;
use larder::{BoundedError, Cache, Error, Larder, NearCapacity};
use larder_servers::{Kind, Reply};
use tokio::sync::Notify;

use super::common::{
    Place, always, eventually, everywhere, larder, names, on_each_server, soon, start,
};
use super::store::number;

type Reports = Cache<u64, String>;

/// Without a near tier, so that each read reaches the server.
async fn open(larder: &Larder, bounded: Bounded) -> Reports {
    let cache = larder.cache("reports").near(NearCapacity::Off);
    cache.bounded(bounded).open().await.unwrap()
}

async fn there(cache: &Reports, keys: std::ops::Range<u64>) -> Vec<u64> {
    let keys: Vec<u64> = keys.collect();
    let found = cache.get_many(&keys).await;
    keys.into_iter()
        .filter(|key| found.contains_key(key))
        .collect()
}

everywhere!(
    loads_fill_it_and_evict,
    larders_share_it_and_hear_of_what_goes,
    a_load_that_is_overtaken_is_not_stored,
    groups_are_invalidated_and_swept,
    a_tenant_is_erased_with_its_part_of_the_index,
    a_pattern_removes_from_it,
    what_is_too_large_is_refused_and_counted,
    a_key_may_look_like_the_index,
    other_bounds_are_an_error_that_names_both,
    partitions_share_the_capacity,
    what_lives_for_no_time_is_not_stored,
    a_cache_of_the_same_name_without_bounds_is_apart,
);

async fn loads_fill_it_and_evict(place: Place) {
    let reports = open(&place.here, Bounded::lru(5)).await;
    for key in 0..8 {
        let loaded = reports
            .get_or_load(&key, always(format!("report {key}")))
            .await;
        assert_eq!(*loaded.unwrap(), format!("report {key}"));
    }
    assert_eq!(there(&reports, 0..8).await, [3, 4, 5, 6, 7]);
    assert_eq!(reports.stats().fills, 8);
    assert!(reports.get(&3).await.is_some());
    reports.set(&8, "report 8").await.unwrap();
    assert_eq!(there(&reports, 0..9).await, [3, 5, 6, 7, 8]);
}

async fn larders_share_it_and_hear_of_what_goes(place: Place) {
    let bounded = Bounded::fifo(2);
    let near = async |larder: &Larder| -> Reports {
        larder
            .cache("reports")
            .bounded(bounded)
            .open()
            .await
            .unwrap()
    };
    let (here, there) = (near(&place.here).await, near(&place.there).await);
    here.set(&1, "one").await.unwrap();
    assert_eq!(there.get(&1).await.unwrap().as_str(), "one");
    eventually("it is in memory", async || {
        let before = there.stats().near_hits;
        there.get(&1).await.is_some() && there.stats().near_hits > before
    })
    .await;
    here.set(&2, "two").await.unwrap();
    here.set(&3, "three").await.unwrap();
    eventually("the eviction is heard of", async || {
        there.get(&1).await.is_none()
    })
    .await;
    assert!(there.get(&2).await.is_some() && there.get(&3).await.is_some());
    there.remove(&2).await.unwrap();
    eventually("the removal is heard of", async || {
        here.get(&2).await.is_none()
    })
    .await;
}

async fn a_load_that_is_overtaken_is_not_stored(place: Place) {
    let here = open(&place.here, Bounded::lfu(5)).await;
    let there = open(&place.there, Bounded::lfu(5)).await;
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let load = {
        let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        async move || {
            begun.notify_one();
            go_on.notified().await;
            Ok::<_, std::convert::Infallible>("old".to_owned())
        }
    };
    let loading = tokio::spawn(async move { here.get_or_load(&1, load).await.unwrap() });
    soon("the load begins", begun.notified()).await;
    assert!(!there.remove(&1).await.unwrap());
    go_on.notify_one();
    assert_eq!(*soon("the load ends", loading).await.unwrap(), "old");
    assert!(
        there.get(&1).await.is_none(),
        "it was stored after the removal"
    );
}

async fn groups_are_invalidated_and_swept(place: Place) {
    let reports = open(&place.here, Bounded::lru(10)).await;
    let acme = reports.tenant("acme");
    for key in 0..3 {
        reports
            .entry(&key)
            .tags(["team:7"])
            .set("value")
            .await
            .unwrap();
        acme.set(&key, "value").await.unwrap();
    }
    place.here.invalidate_tag("team:7").await.unwrap();
    assert_eq!(there(&reports, 0..3).await, [0; 0]);
    assert_eq!(there(&acme, 0..3).await, [0, 1, 2]);
    let swept = place.here.sweep().finished().await.unwrap();
    assert_eq!(swept.freed, 3);
    let swept = acme.clear().await.unwrap().finished().await.unwrap();
    assert_eq!(swept.freed, 3);
    let elsewhere = open(&place.there, Bounded::lru(10)).await.tenant("acme");
    assert_eq!(there(&elsewhere, 0..3).await, [0; 0]);
    assert_eq!(noted(&place), 0, "what was swept is not in the index");
    for key in 0..12 {
        reports.set(&key, "value").await.unwrap();
    }
    assert_eq!(there(&reports, 0..12).await, (2..12).collect::<Vec<_>>());
}

/// How many entries the index of the first partition has, where there is a server.
fn noted(place: &Place) -> i64 {
    let Some(server) = &place.server else {
        return 0;
    };
    let order = ["ZCARD", "cache:bounded:{reports:0}:order"];
    match server.command(&order).unwrap() {
        Reply::Int(count) => count,
        other => panic!("{other:?}"),
    }
}

async fn a_tenant_is_erased_with_its_part_of_the_index(place: Place) {
    let reports = open(&place.here, Bounded::lfu(10)).await;
    let acme = reports.tenant("acme");
    for key in 0..3 {
        reports.set(&key, "value").await.unwrap();
        reports.tenant("acm").set(&key, "value").await.unwrap();
        acme.set(&key, "value").await.unwrap();
    }
    let failing = async || Err::<String, _>("no source");
    acme.get_or_load(&9, failing).await.unwrap_err(); // leaves a note
    let erased = place.here.tenant("acme").erase().await.unwrap();
    assert_eq!((erased.values, erased.remaining, erased.foreign), (3, 0, 0));
    assert_eq!(there(&acme, 0..3).await, [0; 0]);
    assert_eq!(there(&reports, 0..3).await, [0, 1, 2]);
    assert_eq!(there(&reports.tenant("acm"), 0..3).await, [0, 1, 2]);
    if let Some(server) = &place.server {
        for of in ["order", "expiry"] {
            let key = format!("cache:bounded:{{reports:0}}:{of}");
            let members = server.command(&["ZRANGE", &key, "0", "-1"]).unwrap();
            assert!(
                !format!("{members:?}").contains("acme:"),
                "{of}: {members:?}"
            );
        }
        assert_eq!(noted(&place), 6);
    }
}

async fn a_pattern_removes_from_it(place: Place) {
    let cache: Cache<String, u32> = place
        .here
        .cache("reports")
        .bounded(Bounded::lru(10))
        .open()
        .await
        .unwrap();
    for key in ["a:1", "a:2", "b:1"] {
        cache.set(key, 1_u32).await.unwrap();
        cache.tenant("t").set(key, 1_u32).await.unwrap();
    }
    let removed = cache.tenant("t").remove_matching("a:*").await.unwrap();
    assert_eq!(removed.values, 2);
    let removed = cache.remove_matching("a:*").await.unwrap();
    assert_eq!(removed.values, 2);
    assert!(cache.get("b:1").await.is_some() && cache.get("a:1").await.is_none());
    if place.server.is_some() {
        assert_eq!(noted(&place), 2);
    }
}

async fn what_is_too_large_is_refused_and_counted(place: Place) {
    let reports = open(&place.here, Bounded::lru(1_000).in_bytes()).await;
    reports.set(&1, "small").await.unwrap();
    reports.set(&2, "small").await.unwrap();
    let large = "x".repeat(1_000);
    let refused = reports.set(&2, large.clone()).await;
    let Err(Error::Remote { source, .. }) = refused else {
        panic!("{refused:?}");
    };
    let says = source.to_string();
    assert!(says.contains("\"reports\" holds at most 1000"), "{says}");
    assert_eq!(
        there(&reports, 0..3).await,
        [1],
        "what was there before is not read instead"
    );
    assert_eq!(place.here.health().await.pending_writes, 0);
    let loaded = reports.get_or_load(&3, always(large)).await.unwrap();
    assert_eq!(loaded.len(), 1_000);
    eventually("the fill is refused", async || {
        reports.stats().fills_refused == 1
    })
    .await;
    assert_eq!(there(&reports, 0..4).await, [1]);
}

async fn a_key_may_look_like_the_index(place: Place) {
    let cache: Cache<String, String> = place
        .here
        .cache("reports")
        .near(NearCapacity::Off)
        .bounded(Bounded::lru(100))
        .open()
        .await
        .unwrap();
    let keys = [
        "",
        ":order",
        "order",
        "bounded",
        "{reports:0}",
        "{reports:0}:order",
        "}:",
        "{",
        "bounded:{reports:0}:order",
        "cache:bounded:{reports:0}:order",
        "cache:bounded:{reports:0}",
    ];
    let tenants = [
        None,
        Some("bounded"),
        Some("{reports:0}"),
        Some("reports:0}"),
    ];
    let view =
        |tenant: Option<&str>| tenant.map_or_else(|| cache.clone(), |tenant| cache.tenant(tenant));
    for tenant in tenants {
        for key in keys {
            let value = format!("{tenant:?} {key}");
            view(tenant).set(key, value).await.unwrap();
        }
    }
    let odd: Cache<String, String> = place.here.cache("{reports:0}").build().unwrap();
    odd.set(":order", "another cache".to_owned()).await.unwrap();
    for tenant in tenants {
        for key in keys {
            let value = view(tenant).get(key).await;
            assert_eq!(*value.unwrap(), format!("{tenant:?} {key}"));
        }
    }
    if place.server.is_some() {
        assert_eq!(noted(&place), 44);
    }
}

async fn other_bounds_are_an_error_that_names_both(place: Place) {
    let here = open(&place.here, Bounded::lru(10)).await;
    here.set(&1, "value").await.unwrap();
    for (wrong, names) in [
        (Bounded::fifo(10), "fifo of 10 entries"),
        (Bounded::lru(20), "lru of 20 entries"),
        (Bounded::lru(10).in_bytes(), "lru of 10 bytes"),
        (
            Bounded::lru(10).partitions(2),
            "lru of 10 entries in 2 partitions",
        ),
    ] {
        let cache = place.there.cache::<u64, String>("reports").bounded(wrong);
        let error = cache.open().await.unwrap_err();
        let Error::Bounded { source, .. } = &error else {
            panic!("{error}");
        };
        assert!(matches!(
            **source,
            BoundedError::Remote(RemoteError::BoundedOtherwise { .. })
        ));
        let says = error.to_string();
        assert!(
            says.contains("is lru of 10 entries on the server"),
            "{says}"
        );
        assert!(says.contains(&format!("opened as {names}:")), "{says}");
    }
    // It was not opened, so it can be.
    let there = open(&place.there, Bounded::lru(2).resizing()).await;
    assert!(there.get(&1).await.is_some());
    for key in 2..5 {
        here.set(&key, "value").await.unwrap();
    }
    assert_eq!(
        super::caches::there(&here, 0..5).await,
        [3, 4],
        "who had it open goes by it too"
    );
}

async fn partitions_share_the_capacity(place: Place) {
    let reports = open(&place.here, Bounded::lru(40).partitions(4)).await;
    for key in 0..400 {
        reports.set(&key, "value").await.unwrap();
        assert!(reports.get(&key).await.is_some());
    }
    assert_eq!(there(&reports, 0..400).await.len(), 40);
    let elsewhere = open(&place.there, Bounded::lru(40).partitions(4)).await;
    assert_eq!(there(&elsewhere, 0..400).await.len(), 40);
    for key in 0..400 {
        elsewhere.remove(&key).await.unwrap();
    }
    assert_eq!(there(&reports, 0..400).await.len(), 0);
}

async fn what_lives_for_no_time_is_not_stored(place: Place) {
    let reports = open(&place.here, Bounded::lru(2)).await;
    reports.set(&1, "value").await.unwrap();
    reports.set(&2, "value").await.unwrap();
    reports
        .entry(&3)
        .ttl(Duration::ZERO)
        .set("value")
        .await
        .unwrap();
    assert_eq!(there(&reports, 0..4).await, [1, 2]);
}

async fn a_cache_of_the_same_name_without_bounds_is_apart(place: Place) {
    let reports = open(&place.here, Bounded::lru(2)).await;
    let plain: Reports = place.there.cache("reports").build().unwrap();
    for key in 0..10 {
        plain.set(&key, "plain").await.unwrap();
    }
    assert_eq!(there(&reports, 0..10).await, [0; 0]);
    let again = place.here.cache::<u64, String>("reports").build();
    assert!(matches!(again, Err(Error::OpenedOtherwise { .. })));
}

#[tokio::test]
async fn without_a_server_memory_keeps_to_the_bounds() {
    let larder = Larder::in_memory().await.unwrap();
    let open = |name: &str, bounded| {
        let cache = larder.cache::<u64, String>(name);
        cache.near(NearCapacity::Off).bounded(bounded).open()
    };
    // What of three stays where the first is used, and a fourth comes.
    for (bounded, stays) in [
        (Bounded::fifo(3), [2, 3, 4]),
        (Bounded::lifo(3), [1, 2, 4]),
        (Bounded::lru(3), [1, 3, 4]),
        (Bounded::mru(3), [2, 3, 4]),
        (Bounded::lfu(3), [1, 3, 4]),
    ] {
        let reports = open(bounded.eviction().name(), bounded).await.unwrap();
        for key in [1, 2, 3] {
            reports.set(&key, "report").await.unwrap();
        }
        assert!(reports.get(&1).await.is_some());
        reports.set(&4, "report").await.unwrap();
        assert_eq!(there(&reports, 1..5).await, stays, "{bounded}");
    }
    let bytes = open("bytes", Bounded::lru(2_000).in_bytes()).await.unwrap();
    for key in 0..100 {
        bytes.set(&key, "x".repeat(200)).await.unwrap();
    }
    assert!(bytes.near_usage().weight <= 2_000);
    let error = open("none", Bounded::lru(0)).await.unwrap_err().to_string();
    assert!(error.contains("capacity of 0"), "{error}");
}

on_each_server!(
    each_operation_is_one_round_trip,
    a_server_that_comes_later_is_asked_then,
);

async fn each_operation_is_one_round_trip(kind: Kind) {
    let server = start(kind);
    let larder = larder(&server).await;
    for (eviction, read, read_many) in [
        (ServerEviction::Fifo, "GET", "MGET"),
        (ServerEviction::Lru, "EVALSHA", "EVALSHA"),
        (ServerEviction::Lfu, "EVALSHA", "EVALSHA"),
    ] {
        let name = eviction.name();
        let settings = format!("cache:bounded:{{{name}:0}}");
        let cache = larder.cache(name).near(NearCapacity::Off);
        let cache: Reports = cache
            .bounded(Bounded::new(eviction, 3))
            .open()
            .await
            .unwrap();
        // The server gets to know the scripts.
        let round = async || {
            cache.set(&1, "value").await.unwrap();
            cache.get(&1).await.unwrap();
            cache.get_many(&[1, 2, 3]).await;
            cache
                .get_or_load(&2, always("value".to_owned()))
                .await
                .unwrap();
            cache.remove(&1).await.unwrap();
            cache.remove(&2).await.unwrap();
        };
        round().await;
        eventually("nothing is looked for any more", async || {
            number(&server, &["HEXISTS", &settings, "lost"]) == 0
        })
        .await;
        let monitor = server.monitor().unwrap();
        round().await;
        let wanted = [
            "EVALSHA", read, read_many, read, "EVALSHA", "EVALSHA", "EVALSHA", "EVALSHA",
        ];
        assert_eq!(names(&monitor), wanted, "{eviction:?}");
    }
}

async fn a_server_that_comes_later_is_asked_then(kind: Kind) {
    let server = start(kind);
    let first = larder(&server).await;
    let reports = open(&first, Bounded::lru(10)).await;
    reports.set(&1, "value").await.unwrap();
    let second = larder(&server).await;
    server.pause().unwrap();
    let opening = second
        .cache("reports")
        .near(NearCapacity::Off)
        .bounded(Bounded::fifo(10));
    let wrong: Reports = opening.open().await.unwrap();
    server.resume().unwrap();
    eventually("the server answers", async || {
        second.health().await.remote.state == larder::RemoteState::Up
    })
    .await;
    assert!(wrong.get(&1).await.is_none(), "it misses");
    let refused = eventually_refused(&wrong).await;
    assert!(
        refused.contains("is lru of 10 entries on the server, and was opened as fifo"),
        "{refused}"
    );
    assert!(reports.get(&1).await.is_some());
}

/// What a write says once the server answers.
async fn eventually_refused(cache: &Reports) -> String {
    let said = std::sync::Mutex::new(String::new());
    eventually("a write is refused", async || {
        let Err(Error::Remote { source, .. }) = cache.set(&2, "value").await else {
            return false;
        };
        *said.lock().unwrap() = source.to_string();
        true
    })
    .await;
    said.into_inner().unwrap()
}
