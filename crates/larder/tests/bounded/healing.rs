//! What the server evicted, or somebody removed behind the cache's back, heals.

use std::sync::Arc;

use larder::bounded::{Bounded, ServerEviction};
use larder::remote::valkey::Valkey;
use larder_servers::{Kind, Server};

use super::common::{eventually, millis, on_each_server, start};
use super::store::{LONG, Store, connect, number};

on_each_server!(
    the_order_of_uses_expires_too,
    values_that_were_removed_behind_its_back_take_no_room,
    an_index_that_was_removed_is_made_anew,
    an_index_that_is_something_else_is_made_anew,
    a_flushed_server_begins_anew,
    what_has_expired_takes_no_room,
    a_lowered_capacity_is_reached_little_by_little,
    a_large_value_takes_the_place_of_many,
    a_large_value_is_stored_while_the_capacity_is_being_lowered,
    the_index_outlives_its_values_and_no_longer,
);

const PARTS: [&str; 5] = ["", ":order", ":expiry", ":sizes", ":uses"];

async fn store(server: &Server, bounded: Bounded) -> Store<Valkey> {
    let store = Store::new(Arc::new(connect(server).await), bounded);
    store.open().await;
    store
}

/// Whether index and values agree, and there are so many.
async fn is_whole(server: &Server, store: &Store<Valkey>, keys: u32, count: usize) -> bool {
    let there = store.there(keys).await;
    let order = format!("{}:order", store.index());
    let expiry = format!("{}:expiry", store.index());
    let noted = [order, expiry].map(|key| number(server, &["ZCARD", &key]));
    there.len() == count
        && noted
            .iter()
            .all(|noted| usize::try_from(*noted) == Ok(count))
}

async fn values_that_were_removed_behind_its_back_take_no_room(kind: Kind) {
    let server = start(kind);
    for eviction in ServerEviction::ALL {
        let store = store(&server, Bounded::new(eviction, 4)).await;
        for key in 0..4 {
            store.put(key).await;
        }
        for key in [0, 1, 2] {
            number(&server, &["DEL", store.key(key).as_str()]);
        }
        let mut key = 4;
        while !is_whole(&server, &store, key, 4).await {
            assert!(key < 200, "{eviction:?} still counts them");
            store.put(key).await;
            key += 1;
        }
        // A value that is gone is no overwrite.
        number(&server, &["DEL", store.key(key - 1).as_str()]);
        store.put(key - 1).await;
        assert!(is_whole(&server, &store, key, 4).await, "{eviction:?}");
    }
}

async fn an_index_that_was_removed_is_made_anew(kind: Kind) {
    let server = start(kind);
    for eviction in ServerEviction::ALL {
        for bounded in [
            Bounded::new(eviction, 4),
            Bounded::new(eviction, 4 * 24).in_bytes(),
        ] {
            let index_of = |store: &Store<Valkey>, part: &str| format!("{}{part}", store.index());
            let mut losses: Vec<Vec<&str>> = PARTS.map(|part| vec![part]).to_vec();
            losses.push(PARTS[1..].to_vec());
            losses.push(PARTS.to_vec());
            for lost in losses {
                let store = store(&server, bounded).await;
                // With their keys of 18 or 19 bytes they have 24 each.
                let put = async |key: u32| {
                    let len = 24 - store.key(key).as_str().len().min(23);
                    store.set(key, &vec![b'v'; len], LONG).await.unwrap();
                };
                for key in 0..4 {
                    put(key).await;
                }
                for part in &lost {
                    server.command(&["DEL", &index_of(&store, part)]).unwrap();
                }
                // What takes a value out does not take the loss for an empty cache.
                if eviction.notes_reads() {
                    store.get(0).await;
                }
                assert!(store.remove(0).await);
                put(0).await;
                put(4).await;
                eventually(
                    &format!("{bounded} without {lost:?} holds its values again, and no more"),
                    async || is_whole(&server, &store, 5, 4).await,
                )
                .await;
                for key in 5..12 {
                    put(key).await;
                    assert!(
                        is_whole(&server, &store, 12, 4).await,
                        "{bounded} without {lost:?}"
                    );
                }
            }
        }
    }
}

async fn an_index_that_is_something_else_is_made_anew(kind: Kind) {
    let server = start(kind);
    for eviction in [
        ServerEviction::Fifo,
        ServerEviction::Lru,
        ServerEviction::Lfu,
    ] {
        for part in &PARTS[1..] {
            let store = store(&server, Bounded::new(eviction, 4)).await;
            for key in 0..4 {
                store.put(key).await;
            }
            let key = format!("{}{part}", store.index());
            server.command(&["SET", &key, "somebody's"]).unwrap();
            assert!(store.get(0).await.is_some(), "a read is no error");
            store.put(4).await;
            store.put(5).await;
            eventually("the bound holds", async || {
                is_whole(&server, &store, 6, 4).await
            })
            .await;
        }
    }
}

async fn a_flushed_server_begins_anew(kind: Kind) {
    let server = start(kind);
    let store = store(&server, Bounded::lru(4)).await;
    store.put(0).await;
    server.command(&["FLUSHALL"]).unwrap();
    for key in 1..9 {
        store.put(key).await;
    }
    assert_eq!(store.there(9).await, [5, 6, 7, 8]);
}

async fn what_has_expired_takes_no_room(kind: Kind) {
    let server = start(kind);
    for eviction in ServerEviction::ALL {
        let store = store(&server, Bounded::new(eviction, 6)).await;
        store.put(0).await;
        for key in 1..5 {
            store.set(key, b"value", millis(20)).await.unwrap();
        }
        store.put(5).await;
        eventually("they expire", async || store.there(6).await == [0, 5]).await;
        for key in 6..10 {
            store.put(key).await;
        }
        assert_eq!(store.there(10).await, [0, 5, 6, 7, 8, 9], "{eviction:?}");
        assert!(is_whole(&server, &store, 10, 6).await);
    }
}

async fn a_lowered_capacity_is_reached_little_by_little(kind: Kind) {
    let server = start(kind);
    for (eviction, last) in [
        (ServerEviction::Lru, 1_000),
        (ServerEviction::Lifo, 0),
        (ServerEviction::Lfu, 1_000),
    ] {
        let store = store(&server, Bounded::new(eviction, 1_000)).await;
        for key in 0..1_000 {
            store.put(key).await;
        }
        let smaller = Store {
            remote: Arc::clone(&store.remote),
            bounds: super::store::bounds(
                store.bounds.name().as_str(),
                Bounded::new(eviction, 10).resizing(),
            ),
        };
        smaller.open().await;
        assert_eq!(
            store.there(1_000).await.len(),
            1_000,
            "nothing goes by itself"
        );
        // Who has it open goes by the new one.
        let (mut before, mut steps) = (1_000, 0);
        while before > 10 {
            store.put(1_000 + steps).await;
            let count = store.there(1_100).await.len();
            assert!(before - count < 128, "at most so many at once");
            before = count;
            steps += 1;
        }
        assert_eq!((before, steps), (10, 8), "{eviction:?}");
        let there = store.there(1_100).await;
        assert!(there.contains(&last), "{eviction:?} leaves {there:?}");
    }
}

async fn a_large_value_takes_the_place_of_many(kind: Kind) {
    let server = start(kind);
    let capacity = 60_000;
    let store = store(&server, Bounded::lru(capacity).in_bytes()).await;
    for key in 0..1_000 {
        store.set(key, &[b'v'; 20], LONG).await.unwrap();
    }
    assert_eq!(store.there(1_000).await.len(), 1_000);
    // More than one script may take out.
    let len = usize::try_from(capacity).unwrap() - store.key(1_000).as_str().len();
    store.set(1_000, &vec![b'v'; len], LONG).await.unwrap();
    assert_eq!(store.there(1_001).await, [1_000]);
    assert!(is_whole(&server, &store, 1_001, 1).await);
}

/// It need not wait until all that is too much has gone.
async fn a_large_value_is_stored_while_the_capacity_is_being_lowered(kind: Kind) {
    let server = start(kind);
    let store = store(&server, Bounded::lru(60_000).in_bytes()).await;
    for key in 0..1_000 {
        store.set(key, &[b'v'; 20], LONG).await.unwrap();
    }
    let smaller = Bounded::lru(10_000).in_bytes().resizing();
    let smaller = Store {
        remote: Arc::clone(&store.remote),
        bounds: super::store::bounds(store.bounds.name().as_str(), smaller),
    };
    smaller.open().await;
    // Some 150 of them give way to it, more than one script may take out.
    store.set(1_000, &[b'v'; 6_000], LONG).await.unwrap();
    let there = store.there(1_001).await;
    assert!(there.contains(&1_000));
    assert!(there.len() > 700, "{}", there.len());
}

/// Of one value, whose place in the order is a new one with each use.
async fn the_order_of_uses_expires_too(kind: Kind) {
    let server = start(kind);
    let store = store(&server, Bounded::lfu(3)).await;
    store.put(1).await;
    for _ in 0..3 {
        assert!(store.get(1).await.is_some());
        let order = format!("{}:order", store.index());
        assert!(number(&server, &["PEXPIRETIME", &order]) > 0);
    }
}

async fn the_index_outlives_its_values_and_no_longer(kind: Kind) {
    let server = start(kind);
    let store = store(&server, Bounded::lfu(4_000).in_bytes()).await;
    let ends = |part: &str| {
        number(
            &server,
            &["PEXPIRETIME", &format!("{}{part}", store.index())],
        )
    };
    for ttl in [LONG, 100 * LONG, 10 * LONG] {
        store.set(1, b"value", ttl).await.unwrap();
        store.set(2, b"value", LONG).await.unwrap();
        for part in PARTS {
            for key in [1, 2] {
                let value = number(&server, &["PEXPIRETIME", store.key(key).as_str()]);
                assert!(ends(part) > value, "{part}");
            }
        }
        // Emptied and begun anew, it expires too.
        assert!(store.remove(1).await && store.remove(2).await);
        assert_eq!(
            number(&server, &["EXISTS", &format!("{}:uses", store.index())]),
            0
        );
    }
}
