//! RFC 5861: stale while it is revalidated, and where there is an error.

use std::time::Duration;

use http::StatusCode;
use larder::http::HttpCacheLayer;

use crate::common::eventually;
use crate::origin::{World, response};

#[tokio::test]
async fn stale_while_revalidate_answers_at_once_and_asks_behind() {
    let world = World::standard().await;
    world.origin.answers(
        200,
        "cache-control: max-age=10, stale-while-revalidate=5",
        "old",
    );
    world.get("/").await;
    world
        .origin
        .answers(200, "cache-control: max-age=10", "new");
    world.advance(14);
    let stale = world.get("/").await;
    assert_eq!((&*stale.body, stale.is_hit()), ("old", true));
    assert!(
        stale.cache_status().contains("ttl=-4"),
        "{}",
        stale.cache_status()
    );
    eventually("the new one", async || world.get("/").await.body == "new").await;
    assert_eq!(world.origin.times(), 2);
}

#[tokio::test]
async fn many_who_come_while_it_is_revalidated_cause_one_request() {
    let world = World::standard().await;
    world.origin.answers(
        200,
        "cache-control: max-age=10, stale-while-revalidate=5",
        "old",
    );
    world.get("/").await;
    world.advance(11);
    let gate = world
        .origin
        .holds(|_| response("cache-control: max-age=10", "new"));
    for _ in 0..50 {
        assert_eq!(world.get("/").await.body, "old");
    }
    gate.add_permits(50);
    eventually("the new one", async || world.get("/").await.body == "new").await;
    assert_eq!(world.origin.times(), 2);
}

#[tokio::test]
async fn past_the_window_the_client_waits() {
    let world = World::standard().await;
    world.origin.answers(
        200,
        "cache-control: max-age=10, stale-while-revalidate=5\netag: \"a\"",
        "old",
    );
    world.get("/").await;
    world
        .origin
        .answers(200, "cache-control: max-age=10", "new");
    world.advance(15);
    assert_eq!(world.get("/").await.body, "new");
}

#[tokio::test]
async fn stale_if_error_stands_in_for_5xx() {
    for status in [500, 502, 503, 504] {
        let world = World::standard().await;
        world
            .origin
            .answers(200, "cache-control: max-age=10, stale-if-error=5", "old");
        world.get("/").await;
        world.origin.answers(status, "", "broken");
        world.advance(14);
        let stale = world.get("/").await;
        assert_eq!((stale.status, &*stale.body), (StatusCode::OK, "old"));
        assert!(
            stale.cache_status().contains("stale-if-error"),
            "{}",
            stale.cache_status()
        );
        world.advance(1);
        let error = world.get("/").await;
        assert_eq!((error.status.as_u16(), &*error.body), (status, "broken"));
    }
}

#[tokio::test]
async fn stale_if_error_may_be_the_caches_own_choice_and_the_requests() {
    let world = World::with(|larder| {
        HttpCacheLayer::standard(larder)
            .stale_if_error(Duration::from_secs(5))
            .build()
            .unwrap()
    })
    .await;
    world
        .origin
        .answers(200, "cache-control: max-age=10\netag: \"a\"", "old");
    world.get("/").await;
    world.origin.answers(503, "", "broken");
    world.advance(14);
    assert_eq!(world.get("/").await.body, "old");
    world.advance(10);
    assert_eq!(world.get("/").await.body, "broken");
    assert_eq!(
        world
            .get_with("/", "cache-control: stale-if-error=60")
            .await
            .body,
        "old"
    );
}

#[tokio::test]
async fn what_must_be_revalidated_never_stands_in() {
    for strict in [
        "must-revalidate",
        "proxy-revalidate",
        "s-maxage=10",
        "no-cache",
    ] {
        let world = World::standard().await;
        let headers =
            format!("cache-control: max-age=10, stale-if-error=60, {strict}\netag: \"a\"");
        world.origin.answers(200, &headers, "old");
        world.get("/").await;
        world.origin.answers(503, "", "broken");
        world.advance(11);
        assert_eq!(
            world.get("/").await.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{strict}"
        );
    }
}

#[tokio::test]
async fn an_error_leaves_what_is_stored_to_be_confirmed_later() {
    let world = World::standard().await;
    world
        .origin
        .answers(200, "cache-control: max-age=10\netag: \"a\"", "old");
    world.get("/").await;
    world.advance(11);
    world.origin.answers(503, "", "broken");
    assert_eq!(world.get("/").await.body, "broken");
    world
        .origin
        .answers(304, "etag: \"a\"\ncache-control: max-age=10", "");
    assert_eq!(world.get("/").await.body, "old");
    assert!(world.get("/").await.is_hit());
}

#[tokio::test]
async fn a_client_that_wants_only_what_is_stored_asks_for_nothing_behind_its_back() {
    let world = World::standard().await;
    let swr = "cache-control: max-age=10, stale-while-revalidate=60";
    world.origin.answers(200, swr, "old");
    world.get("/").await;
    world.origin.answers(200, swr, "new");
    world.advance(11);
    for wish in ["only-if-cached", "no-store, only-if-cached"] {
        for _ in 0..5 {
            let stale = world.get_with("/", &format!("cache-control: {wish}")).await;
            assert_eq!((&*stale.body, stale.is_hit()), ("old", true), "{wish}");
            tokio::task::yield_now().await;
        }
        assert_eq!(world.origin.times(), 1, "{wish}");
    }
    // The next one does.
    assert!(world.get("/").await.is_hit());
    eventually("the new one", async || world.get("/").await.body == "new").await;
    assert_eq!(world.origin.times(), 2);
}
