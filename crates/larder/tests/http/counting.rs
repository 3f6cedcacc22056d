//! A request is counted once, as a hit or as a miss, however many entries it looks at.

use larder::http::HttpCacheLayer;
use larder::remote::MemoryRemote;
use larder::{CacheStats, Clock, Larder};

use crate::common::{eventually, soon};
use crate::origin::{Origin, World, response};

async fn stats(world: &World) -> CacheStats {
    world.larder.health().await.caches[0].stats
}

#[tokio::test]
async fn a_page_is_a_miss_and_then_a_hit() {
    let world = World::standard().await;
    for vary in ["", "\nvary: accept-language"] {
        let before = stats(&world).await;
        let headers = format!("cache-control: max-age=60{vary}");
        world.origin.answers(200, &headers, "x");
        let uri = format!("/{}", vary.len());
        world.get(&uri).await;
        let first = stats(&world).await.since(&before);
        assert_eq!(
            (first.hits(), first.misses(), first.misses_absent),
            (0, 1, 1)
        );
        world.get(&uri).await;
        world.send("HEAD", &uri, "").await;
        let all = stats(&world).await.since(&before);
        assert_eq!((all.near_hits, all.hits(), all.misses()), (2, 2, 1));
    }
}

#[tokio::test]
async fn what_is_asked_about_is_a_miss_and_what_stands_in_a_stale_hit() {
    let world = World::standard().await;
    let headers = "cache-control: max-age=10, stale-if-error=1000\netag: \"a\"";
    world.origin.answers(200, headers, "x");
    world.get("/").await;
    let before = stats(&world).await;
    world.advance(11);
    world.origin.answers(304, headers, "");
    world.get("/").await;
    let asked = stats(&world).await.since(&before);
    assert_eq!(
        (asked.hits(), asked.misses(), asked.misses_expired),
        (0, 1, 1)
    );
    world.advance(11);
    world.origin.answers(500, "", "");
    assert_eq!(world.get("/").await.body, "x");
    let stands_in = stats(&world).await.since(&before).since(&asked);
    assert_eq!((stands_in.stale_hits(), stands_in.misses()), (1, 0));
}

#[tokio::test]
async fn what_is_not_stored_is_a_miss_each_time() {
    let world = World::standard().await;
    world.origin.answers(200, "cache-control: no-store", "x");
    for times in 1..4 {
        world.get("/").await;
        let stats = stats(&world).await;
        assert_eq!((stats.hits(), stats.misses()), (0, times));
    }
}

#[tokio::test]
async fn what_only_a_client_does_not_want_is_no_miss() {
    let world = World::standard().await;
    world.origin.answers(200, "cache-control: max-age=60", "x");
    world.get("/").await;
    let before = stats(&world).await;
    world.get_with("/", "cache-control: no-cache").await;
    let stats = stats(&world).await.since(&before);
    assert_eq!((stats.hits(), stats.misses(), stats.loads), (0, 0, 1));
}

#[tokio::test]
async fn what_cannot_be_stored_is_counted_once_too() {
    let world = World::with(|larder| {
        let layer = HttpCacheLayer::standard(larder).tags(|_| vec![String::new()]);
        layer.build().unwrap()
    })
    .await;
    world.origin.answers(200, "cache-control: max-age=60", "x");
    for times in 1..3 {
        world.get("/").await;
        let stats = stats(&world).await;
        assert_eq!((stats.hits(), stats.misses()), (0, times), "{stats:?}");
    }
}

/// Two processes on one server; one asks for a page, and while the origin makes it the other does.
async fn waited_for(headers: &'static str) -> (CacheStats, CacheStats) {
    let (clock, server, origin) = (Clock::manual(), MemoryRemote::new(), Origin::new());
    let mut worlds = Vec::new();
    for _ in 0..2 {
        let larder = Larder::builder()
            .remote(server.clone())
            .clock(clock.clone());
        let larder = larder.build().await.unwrap();
        let layer = HttpCacheLayer::standard(&larder).build().unwrap();
        worlds.push(World::of(larder, clock.clone(), &layer, origin.clone()));
    }
    let gate = origin.holds(move |_| response(headers, "x"));
    let ask = |world: &World| {
        let world = world.clone();
        tokio::spawn(async move { world.get("/").await })
    };
    let first = ask(&worlds[0]);
    eventually("the origin is asked", async || origin.times() == 1).await;
    let second = ask(&worlds[1]);
    let waits = async || stats(&worlds[1]).await.leases_awaited > 0;
    eventually("the other one waits", waits).await;
    gate.add_permits(9);
    for answer in [first, second] {
        assert_eq!(soon("an answer", answer).await.unwrap().body, "x");
    }
    (stats(&worlds[0]).await, stats(&worlds[1]).await)
}

#[tokio::test]
async fn who_waits_for_another_process_is_counted_once() {
    for (headers, hits) in [
        ("cache-control: max-age=60", 1),
        ("cache-control: max-age=60\nvary: accept-language", 1),
        ("cache-control: no-store", 0),
    ] {
        let (first, second) = waited_for(headers).await;
        assert_eq!((first.hits(), first.misses()), (0, 1), "{headers}");
        let counted = (second.hits(), second.misses());
        assert_eq!(counted, (hits, 1 - hits), "{headers}: {second:?}");
    }
}
