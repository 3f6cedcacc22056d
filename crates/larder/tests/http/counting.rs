//! A request is counted once, as a hit or as a miss, however many entries it looks at.

use larder::CacheStats;

use crate::origin::World;

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
