//! Contract fault 14: whatever bytes lie under our keys, they are a counted miss and no more.

use larder_servers::{Kind, Reply, Server};

use super::common::{Runs, larder, on_each_server, start};
use super::{Texts, bare, get};

on_each_server!(
    hostile_bytes_in_the_server_are_a_miss,
    damage_under_our_key_is_healed_by_the_next_load,
    what_is_not_ours_is_not_overwritten_by_a_load,
    what_a_newer_program_wrote_is_not_overwritten_by_a_load,
    another_type_under_our_key_is_unreadable_and_not_overwritten_by_a_load,
    another_type_says_nothing_against_the_server,
    a_removal_takes_another_type_away,
);

const KEY: &str = "cache:texts:1";

/// A value as larder writes it.
async fn envelope(server: &Server, cache: &Texts) -> Vec<u8> {
    cache
        .set(&1, "a value of some length".to_owned())
        .await
        .unwrap();
    let Reply::Text(bytes) = server.command(&["GET", KEY]).unwrap() else {
        panic!("no value");
    };
    bytes
}

fn put(server: &Server, bytes: &[u8]) {
    server.command(&[b"SET", KEY.as_bytes(), bytes]).unwrap();
}

/// Loads where there is a miss: whether it loaded.
async fn loads(cache: &Texts, value: &str) -> bool {
    let runs = Runs::default();
    let loaded = cache
        .get_or_load(&1, runs.load(value.to_owned()))
        .await
        .unwrap();
    assert!(runs.get() == 0 || *loaded == value);
    runs.get() == 1
}

async fn hostile_bytes_in_the_server_are_a_miss(kind: Kind) {
    let server = start(kind);
    let cache = bare(&larder(&server).await);
    let good = envelope(&server, &cache).await;
    let mut hostile: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\0".to_vec(),
        b"L".to_vec(),
        b"LRD".to_vec(),
        b"{\"a value\":true}".to_vec(),
        b"cos\nsystem\n(S'rm -rf /'\ntR.".to_vec(),
        vec![0xff; 100],
        vec![b'['; 100_000],
    ];
    // Every truncation, and damage at every place.
    hostile.extend((0..good.len()).map(|len| good[..len].to_vec()));
    hostile.extend((0..good.len()).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        bytes
    }));
    hostile.push([&good[..], b"x"].concat());
    hostile.push([&good[..], &good[..]].concat());
    for (at, bytes) in hostile.iter().enumerate() {
        put(&server, bytes);
        assert_eq!(get(&cache, 1).await, None, "{bytes:?}");
        assert!(cache.lookup(&1).await.is_none(), "{bytes:?}");
        assert_eq!(cache.stats().misses(), 2 * (at as u64 + 1));
    }
    put(&server, &good);
    assert!(get(&cache, 1).await.is_some());
}

async fn damage_under_our_key_is_healed_by_the_next_load(kind: Kind) {
    let server = start(kind);
    let cache = bare(&larder(&server).await);
    let good = envelope(&server, &cache).await;
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bytes in [&good[..good.len() - 1], &flipped[..], &good[..10]] {
        put(&server, bytes);
        assert!(loads(&cache, "healed").await);
        assert_eq!(get(&cache, 1).await.as_deref(), Some("healed"));
        assert!(!loads(&cache, "again").await);
    }
    assert_eq!(cache.stats().misses_unreadable, 3);
}

async fn what_is_not_ours_is_not_overwritten_by_a_load(kind: Kind) {
    let server = start(kind);
    let cache = bare(&larder(&server).await);
    put(&server, b"somebody else's");
    for _ in 0..2 {
        assert!(loads(&cache, "loaded").await);
        assert_eq!(
            server.command(&["GET", KEY]).unwrap().as_str(),
            Some("somebody else's")
        );
    }
    let stats = cache.stats();
    assert_eq!(
        (stats.misses_unreadable, stats.fills_refused, stats.fills),
        (2, 2, 0)
    );
    // Who sets it means it.
    cache.set(&1, "set".to_owned()).await.unwrap();
    assert_eq!(get(&cache, 1).await.as_deref(), Some("set"));
    put(&server, b"somebody else's");
    assert!(cache.remove(&1).await.unwrap());
}

async fn what_a_newer_program_wrote_is_not_overwritten_by_a_load(kind: Kind) {
    let server = start(kind);
    let cache = bare(&larder(&server).await);
    let mut newer = envelope(&server, &cache).await;
    newer[3] += 1;
    put(&server, &newer);
    for _ in 0..2 {
        assert!(loads(&cache, "the older program's").await);
        assert_eq!(
            server.command(&["GET", KEY]).unwrap(),
            Reply::Text(newer.clone())
        );
    }
    assert_eq!(cache.stats().fills_refused, 2);
}

const TYPES: [&[&str]; 4] = [
    &["HSET", KEY, "field", "value"],
    &["RPUSH", KEY, "a", "b"],
    &["SADD", KEY, "a"],
    &["XADD", KEY, "*", "field", "value"],
];

async fn another_type_under_our_key_is_unreadable_and_not_overwritten_by_a_load(kind: Kind) {
    let server = start(kind);
    let cache = bare(&larder(&server).await);
    for (at, command) in TYPES.iter().enumerate() {
        server.command(command).unwrap();
        assert_eq!(get(&cache, 1).await, None);
        assert!(cache.lookup(&1).await.is_none());
        assert!(loads(&cache, "loaded").await);
        let kept = server.command(&["TYPE", KEY]).unwrap();
        assert_ne!(kept.as_str(), Some("string"));
        let (stats, turns) = (cache.stats(), at as u64 + 1);
        assert_eq!(
            (stats.misses(), stats.misses_unreadable),
            (3 * turns, 3 * turns)
        );
        assert_eq!(
            (stats.fills, stats.fills_failed, stats.fills_refused),
            (0, 0, turns)
        );
        // Who sets it means it.
        cache.set(&1, "set".to_owned()).await.unwrap();
        assert_eq!(get(&cache, 1).await.as_deref(), Some("set"));
        assert!(cache.remove(&1).await.unwrap());
    }
}

async fn another_type_says_nothing_against_the_server(kind: Kind) {
    let server = start(kind);
    let larder = larder(&server).await;
    let cache = bare(&larder);
    cache.set(&2, "Bob".to_owned()).await.unwrap();
    server.command(TYPES[0]).unwrap();
    // Once by GET, and once by GETRANGE, as reads are done after a large value was seen.
    for _ in 0..2 {
        for _ in 0..20 {
            assert_eq!(get(&cache, 1).await, None);
        }
        assert_eq!(get(&cache, 2).await.as_deref(), Some("Bob"));
        assert!(!larder.health().await.is_degraded());
        cache.set(&3, "x".repeat(100_000)).await.unwrap();
    }
    let stats = cache.stats();
    assert_eq!((stats.misses(), stats.misses_unreadable), (40, 40));
}

async fn a_removal_takes_another_type_away(kind: Kind) {
    let server = start(kind);
    let cache = bare(&larder(&server).await);
    for command in TYPES {
        server.command(command).unwrap();
        assert!(cache.remove(&1).await.unwrap());
        assert!(loads(&cache, "loaded").await);
        assert_eq!(get(&cache, 1).await.as_deref(), Some("loaded"));
        assert!(cache.remove(&1).await.unwrap());
    }
}
