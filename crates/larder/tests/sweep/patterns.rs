//! Removal by pattern: what matches goes everywhere, and no load brings it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use larder::{Cache, Error, Larder};
use larder_servers::Kind;
use tokio::sync::Notify;

use crate::common::{
    Fault, FaultyRemote, Operation, When, always, eventually, larder, on_each_server, secs, soon,
    start,
};
use crate::{Site, everywhere};

everywhere!(
    what_matches_goes_and_nothing_else,
    keys_are_matched_as_they_read,
    keys_of_other_types_are_matched_as_they_read,
    a_pattern_reaches_what_its_view_covers,
    loads_under_way_elsewhere_are_not_stored,
    a_pattern_of_stars_clears_the_cache,
    what_others_keep_in_memory_goes_too,
);

type Texts = Cache<String, String>;

fn texts(larder: &Larder, name: &str) -> Texts {
    larder.cache(name).ttl(secs(600)).build().unwrap()
}

async fn fill(cache: &Texts, keys: &[&str]) {
    for key in keys {
        cache.set(*key, *key).await.unwrap();
    }
}

/// Which of the keys are there, as another process sees it.
async fn left<'a>(cache: &Texts, keys: &[&'a str]) -> Vec<&'a str> {
    let mut left = Vec::new();
    for key in keys {
        if cache.entry(*key).skip_near().get().await.is_some() {
            left.push(*key);
        }
    }
    left
}

async fn what_matches_goes_and_nothing_else(site: Site) {
    let (pages, beside) = (texts(&site.here, "pages"), texts(&site.here, "pages2"));
    let elsewhere = texts(&site.there, "pages");
    let keys = [
        "team:7:a",
        "team:7:b",
        "team:7:",
        "team:77:a",
        "xteam:7:a",
        "team:8:a",
    ];
    fill(&pages, &keys).await;
    fill(&beside, &keys).await;
    for key in keys {
        assert!(elsewhere.get(key).await.is_some());
    }
    let removed = pages.remove_matching("team:7:*").await.unwrap();
    assert_eq!((removed.values, removed.is_whole), (3, false));
    for key in &keys[..3] {
        assert!(pages.get(*key).await.is_none());
        eventually("it is seen elsewhere", async || {
            elsewhere.get(*key).await.is_none()
        })
        .await;
    }
    assert_eq!(left(&elsewhere, &keys).await, keys[3..]);
    assert_eq!(left(&beside, &keys).await, keys);
    let removed = pages.remove_matching("nothing?like*this").await.unwrap();
    assert_eq!((removed.values, removed.loads), (0, 0));
}

async fn keys_are_matched_as_they_read(site: Site) {
    let pages = texts(&site.here, "pages");
    let long = format!("long/{}/end", "x".repeat(500));
    let other = format!("long/{}/other", "x".repeat(500));
    let keys = [
        "",
        "a b",
        "a%20b",
        "a*b",
        "a?b",
        "[x]",
        "x",
        "\\",
        "^",
        "é1",
        "e\u{301}1",
        "42",
        "4",
        "{1}",
        "~tilde",
        "🗝",
        &long,
        &other,
    ];
    for (pattern, gone) in [
        ("a b", &["a b"][..]),
        ("a%20?", &["a%20b"]),
        ("a?b", &["a b", "a*b", "a?b"]),
        ("[x]", &["[x]"]),
        ("\\", &["\\"]),
        ("^*", &["^"]),
        ("?1", &["é1"]),
        ("4?", &["42"]),
        ("{*}", &["{1}"]),
        ("~*", &["~tilde"]),
        ("🗝", &["🗝"]),
        ("long/*/end", &[&long]),
        ("long/*", &[&long, &other]),
    ] {
        fill(&pages, &keys).await;
        let removed = pages.remove_matching(pattern).await.unwrap();
        assert_eq!(removed.values, gone.len() as u64, "{pattern}");
        let wanted: Vec<_> = keys.into_iter().filter(|key| !gone.contains(key)).collect();
        assert_eq!(left(&pages, &keys).await, wanted, "{pattern}");
    }
}

async fn keys_of_other_types_are_matched_as_they_read(site: Site) {
    let numbers: Cache<i64, String> = site.here.cache("numbers").build().unwrap();
    for key in [4, 42, 421, -42] {
        numbers.set(&key, "v").await.unwrap();
    }
    assert_eq!(numbers.remove_matching("42*").await.unwrap().values, 2);
    assert!(numbers.exists(&4).await && numbers.exists(&-42).await);

    let pairs: Cache<(String, u32), String> = site.here.cache("pairs").build().unwrap();
    for key in [("a", 1), ("a", 2), ("b", 1)] {
        pairs.set(&(key.0.to_owned(), key.1), "v").await.unwrap();
    }
    let removed = pairs.remove_matching(r#"["a",*]"#).await.unwrap();
    assert_eq!(removed.values, 2);
    assert!(pairs.exists(&("b".to_owned(), 1)).await);
}

async fn a_pattern_reaches_what_its_view_covers(site: Site) {
    let pages = texts(&site.here, "pages");
    let views = [pages.clone(), pages.tenant("acme"), pages.tenant("other")];
    for view in &views {
        fill(view, &["a1", "b1"]).await;
    }
    let removed = views[1].remove_matching("a*").await.unwrap();
    assert_eq!(removed.values, 1);
    assert_eq!(left(&views[1], &["a1", "b1"]).await, ["b1"]);
    assert_eq!(left(&views[0], &["a1", "b1"]).await, ["a1", "b1"]);
    // As a clear does.
    let removed = pages.remove_matching("?1").await.unwrap();
    assert_eq!(removed.values, 5);
    for view in &views {
        assert!(left(view, &["a1", "b1"]).await.is_empty());
    }
}

async fn loads_under_way_elsewhere_are_not_stored(site: Site) {
    let pages = texts(&site.here, "pages");
    let elsewhere = texts(&site.there, "pages");
    let long = "l".repeat(400);
    let long_key = format!("a:{long}");
    let keys = ["a:1", "a:2", &long_key];
    // The stamps of the cache are made before, so that nothing else voids the loads.
    fill(&pages, &["other"]).await;
    let (begun, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let mut loads = Vec::new();
    for cache in [&elsewhere, &pages] {
        for key in keys {
            let key = if std::ptr::eq(cache, &raw const pages) {
                format!("{key}-here")
            } else {
                key.to_owned()
            };
            let (cache, begun, go_on) = (cache.clone(), Arc::clone(&begun), Arc::clone(&go_on));
            loads.push((
                key.clone(),
                tokio::spawn(async move {
                    let load = async || {
                        let notified = go_on.notified();
                        begun.fetch_add(1, Ordering::SeqCst);
                        notified.await;
                        Ok::<_, std::io::Error>("old".to_owned())
                    };
                    cache.get_or_load(&key, load).await.unwrap()
                }),
            ));
        }
    }
    eventually("the loads begin", async || {
        begun.load(Ordering::SeqCst) == loads.len()
    })
    .await;
    let removed = pages.remove_matching("a:*").await.unwrap();
    assert_eq!(removed.loads, 6, "{removed:?}");
    go_on.notify_waiters();
    for (key, load) in loads {
        assert_eq!(*soon("the load", load).await.unwrap(), "old");
        for cache in [&pages, &elsewhere] {
            eventually("it is not kept", async || cache.get(&key).await.is_none()).await;
            assert!(cache.entry(&key).skip_near().get().await.is_none(), "{key}");
        }
    }
    assert_eq!(site.count("cache:pages:").await, 1);
}

async fn a_pattern_of_stars_clears_the_cache(site: Site) {
    let pages = texts(&site.here, "pages");
    let acme = pages.tenant("acme");
    for pattern in ["*", "***"] {
        fill(&pages, &["a", "b"]).await;
        fill(&acme, &["a"]).await;
        let removed = acme.remove_matching(pattern).await.unwrap();
        assert!(removed.is_whole);
        assert!(acme.get("a").await.is_none() && pages.get("a").await.is_some());
        pages.remove_matching(pattern).await.unwrap();
        assert!(pages.get("a").await.is_none());
    }
    for pattern in ["", &"a".repeat(1_025)] {
        let error = pages.remove_matching(pattern).await.unwrap_err();
        assert!(matches!(error, Error::Pattern { .. }), "{error}");
    }
}

async fn what_others_keep_in_memory_goes_too(site: Site) {
    let pages = texts(&site.here, "pages");
    let elsewhere = texts(&site.there, "pages");
    fill(&pages, &["a", "b"]).await;
    let read = async || {
        elsewhere.get("a").await;
        elsewhere.get("b").await;
        let before = elsewhere.stats().near_hits;
        elsewhere.get("a").await;
        elsewhere.get("b").await;
        elsewhere.stats().near_hits - before
    };
    eventually("it is in memory", async || read().await == 2).await;
    // Of nothing that is there: what another process holds, the server may have evicted.
    let before = elsewhere.stats();
    pages.remove_matching("c*").await.unwrap();
    eventually("it is asked for again", async || {
        elsewhere.get("a").await;
        elsewhere.stats().since(&before).remote_hits > 0
    })
    .await;
    assert!(elsewhere.get("a").await.is_some());
}

#[tokio::test]
async fn without_a_server_a_pattern_works_in_memory() {
    let here = Larder::in_memory().await.unwrap();
    let pages = texts(&here, "pages");
    let acme = pages.tenant("acme");
    fill(&pages, &["a1", "a2", "b1"]).await;
    fill(&acme, &["a1"]).await;
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let load = tokio::spawn({
        let (pages, begun, go_on) = (pages.clone(), Arc::clone(&begun), Arc::clone(&go_on));
        async move {
            let load = async || {
                begun.notify_one();
                go_on.notified().await;
                Ok::<_, std::io::Error>("old".to_owned())
            };
            pages.get_or_load("a3", load).await.unwrap()
        }
    });
    soon("the load", begun.notified()).await;
    let removed = pages.remove_matching("a?").await.unwrap();
    assert_eq!((removed.values, removed.loads), (3, 1));
    go_on.notify_one();
    load.await.unwrap();
    for key in ["a1", "a2", "a3"] {
        assert!(pages.get(key).await.is_none(), "{key}");
    }
    assert!(acme.get("a1").await.is_none() && pages.get("b1").await.is_some());
}

#[tokio::test]
async fn a_removal_that_the_server_did_not_take_clears_the_cache_when_it_can() {
    let stub = FaultyRemote::new();
    let on = async || {
        Larder::builder()
            .remote(stub.clone())
            .build()
            .await
            .unwrap()
    };
    let (here, there) = (on().await, on().await);
    let (pages, elsewhere) = (texts(&here, "pages"), texts(&there, "pages"));
    fill(&pages, &["a", "b"]).await;
    for op in [Operation::Remove, Operation::Splice] {
        stub.inject([op], Fault::Fail);
    }
    let error = pages.remove_matching("a*").await.unwrap_err();
    assert!(matches!(error, Error::Pending { .. }), "{error}");
    assert!(pages.get("a").await.is_none(), "the server is not believed");
    for op in [Operation::Remove, Operation::Splice] {
        stub.heal_only([op]);
    }
    eventually("it is made up for", async || {
        elsewhere.get("a").await.is_none() && here.health().await.pending_writes == 0
    })
    .await;

    // Where only the look through it fails, the cache is cleared at once.
    fill(&pages, &["a", "b"]).await;
    stub.inject([Operation::Remove], Fault::Fail);
    let removed = pages.remove_matching("a*").await.unwrap();
    assert!(removed.is_whole, "{removed:?}");
    assert!(elsewhere.entry("a").skip_near().get().await.is_none());
}

#[tokio::test]
async fn a_removal_whose_caller_has_left_goes_on() {
    let stub = FaultyRemote::new();
    let here = Larder::builder()
        .remote(stub.clone())
        .build()
        .await
        .unwrap();
    let pages = texts(&here, "pages");
    fill(&pages, &["a", "b"]).await;
    let held = stub.hold(Operation::Scan, When::Before);
    let removal = tokio::spawn({
        let pages = pages.clone();
        async move { pages.remove_matching("a").await }
    });
    held.reached().await;
    removal.abort();
    held.release();
    eventually("it is removed", async || {
        pages.entry("a").skip_near().get().await.is_none()
    })
    .await;
    here.close().await;
}

on_each_server!(
    a_value_that_a_load_stores_behind_the_look_is_found,
    strangers_stay
);

/// Many loads end at any moment of the removal: whatever it is, nothing old is left.
async fn a_value_that_a_load_stores_behind_the_look_is_found(kind: Kind) {
    let server = start(kind);
    let (here, there) = (larder(&server).await, larder(&server).await);
    let (pages, elsewhere) = (texts(&here, "pages"), texts(&there, "pages"));
    let keys: Vec<String> = (0..2_000).map(|n| format!("a:{n}")).collect();
    for round in 0..3 {
        let begun = Arc::new(AtomicUsize::new(0));
        let mut loads = tokio::task::JoinSet::new();
        for (n, key) in keys.iter().cloned().enumerate() {
            let (elsewhere, begun) = (elsewhere.clone(), Arc::clone(&begun));
            loads.spawn(async move {
                let load = async || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(std::time::Duration::from_millis(100 + n as u64 / 20)).await;
                    Ok::<_, std::io::Error>("old".to_owned())
                };
                elsewhere.get_or_load(&key, load).await.unwrap();
            });
        }
        eventually("the loads begin", async || {
            begun.load(Ordering::SeqCst) == keys.len()
        })
        .await;
        pages.remove_matching("a:*").await.unwrap();
        loads.join_all().await;
        for key in &keys {
            let found = pages.entry(key).skip_near().get().await;
            assert!(found.is_none(), "round {round}: {key} came back");
        }
    }
    let load = pages.get_or_load("a:1", always("new".to_owned())).await;
    assert_eq!(*load.unwrap(), "new");
}

async fn strangers_stay(kind: Kind) {
    let server = start(kind);
    let here = larder(&server).await;
    let pages = texts(&here, "pages");
    fill(&pages, &["a1"]).await;
    for command in [
        &["SET", "cache:pages:a2", "somebody's"][..],
        &["HSET", "cache:pages:a3", "f", "v"],
        &["SET", "cache:lease:{cache:pages:a4}", "somebody's lease"],
        &["RPUSH", "cache:pages:~a5", "v"],
        &["SET", "cache:pages:~a6", "v"],
    ] {
        server.command(command).unwrap();
    }
    let monitor = server.monitor().unwrap();
    let removed = pages.remove_matching("a*").await.unwrap();
    assert_eq!(removed.values, 1);
    let commands = monitor.commands().unwrap();
    for command in commands {
        assert!(!["KEYS", "FLUSHDB", "FLUSHALL"].contains(&command.name().as_str()));
    }
    let mut keys = crate::keys_of(&server);
    keys.retain(|key| !key.contains("stamp"));
    keys.sort();
    assert_eq!(keys.len(), 5, "{keys:?}");
}
