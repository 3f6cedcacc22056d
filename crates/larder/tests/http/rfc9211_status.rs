//! RFC 9211: `Cache-Status`.

use larder::http::HttpCacheLayer;

use crate::origin::World;

#[tokio::test]
async fn says_what_became_of_the_request() {
    let world = World::standard().await;
    world.origin.answers(200, "cache-control: max-age=60", "x");
    let miss = world.get("/").await;
    assert_eq!(
        miss.cache_status(),
        "larder; fwd=uri-miss; fwd-status=200; stored"
    );
    assert_eq!(
        world.get("/").await.cache_status(),
        "larder; hit; ttl=60; detail=near"
    );
    world.origin.answers(200, "cache-control: no-store", "x");
    let refused = world.get("/b").await;
    assert_eq!(
        refused.cache_status(),
        "larder; fwd=uri-miss; fwd-status=200; detail=no-store"
    );
    let lately = world.get("/b").await;
    assert_eq!(
        lately.cache_status(),
        "larder; fwd=uri-miss; fwd-status=200; detail=not-stored-lately"
    );
    let part = world.get_with("/c", "range: bytes=0-1").await;
    assert_eq!(part.cache_status(), "larder; fwd=partial; fwd-status=200");
}

#[tokio::test]
async fn stands_behind_that_of_caches_nearer_to_the_origin() {
    let world = World::with(|larder| {
        HttpCacheLayer::standard(larder)
            .identity("edge.example:8080")
            .build()
            .unwrap()
    })
    .await;
    world.origin.answers(
        200,
        "cache-control: max-age=60\ncache-status: Origin; hit",
        "x",
    );
    let answer = world.get("/").await;
    let all: Vec<_> = answer.headers.get_all("cache-status").iter().collect();
    assert_eq!(
        all,
        [
            "Origin; hit",
            "edge.example:8080; fwd=uri-miss; fwd-status=200; stored"
        ]
    );
    assert!(!answer.headers.contains_key("x-cache"));
}

#[tokio::test]
async fn a_name_that_is_no_token_is_refused() {
    let larder = larder::Larder::in_memory().await.unwrap();
    for bad in ["", "my cache", "7up", "a\"b", "x\n"] {
        let error = HttpCacheLayer::standard(&larder)
            .identity(bad)
            .build()
            .unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("identity") && message.contains("token"),
            "{message}"
        );
    }
}
