//! Faults of earlier systems, where they concern HTTP: each cannot come back.

use std::time::Duration;

use http::StatusCode;
use larder::http::HttpCacheLayer;

use crate::common::{eventually, soon};
use crate::origin::{World, response};

async fn route() -> World {
    World::with(|larder| {
        let route = HttpCacheLayer::application(larder).ttl(Duration::from_secs(10));
        route.stale(Duration::from_secs(10)).build().unwrap()
    })
    .await
}

#[tokio::test]
async fn fault_1_a_handler_ran_twice_when_it_failed_or_the_cache_did() {
    let world = route().await;
    world
        .origin
        .does(|_| async { panic!("a bug in a handler") });
    assert_eq!(
        world.get("/").await.status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert_eq!(world.origin.times(), 1);
    world.origin.answers(500, "", "");
    world.get("/").await;
    assert_eq!(world.origin.times(), 2);
    // The cache fails after the handler: it is closed while the handler runs.
    let larder = world.larder.clone();
    world.origin.does(move |_| {
        let larder = larder.clone();
        async move {
            larder.close_within(Duration::ZERO).await;
            http::Response::new("late".into())
        }
    });
    assert_eq!(world.get("/").await.body, "late");
    assert_eq!(world.origin.times(), 3);
    // Nor does a closed one make it run twice.
    world.origin.answers(200, "", "after");
    assert_eq!(world.get("/").await.body, "after");
    assert_eq!(world.origin.times(), 4);
}

#[tokio::test]
async fn fault_7_waiters_recomputed_one_after_another() {
    let world = route().await;
    let gate = world.origin.holds(|_| {
        let mut response = response("", "no");
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    });
    let ask = |_| {
        let world = world.clone();
        tokio::spawn(async move { world.get("/").await.status })
    };
    let asked: Vec<_> = (0..10).map(ask).collect();
    eventually("one asks", async || world.origin.times() == 1).await;
    gate.add_permits(1);
    // Without one of them having ended, all others are at it.
    eventually("all ask", async || world.origin.times() == 10).await;
    gate.add_permits(9);
    for each in asked {
        assert_eq!(
            soon("an answer", each).await.unwrap(),
            StatusCode::NOT_FOUND
        );
    }
}

#[tokio::test]
async fn fault_8_the_stale_window_did_nothing() {
    let world = route().await;
    world.origin.answers(200, "", "old");
    world.get("/").await;
    world.origin.answers(503, "", "broken");
    world.advance(19);
    assert_eq!(world.get("/").await.body, "old");
    world.advance(1);
    assert_eq!(world.get("/").await.body, "broken");
}

#[tokio::test]
async fn fault_11_errors_were_cached_and_headers_lost() {
    let world = route().await;
    world.origin.answers(500, "", "broken");
    world.get("/").await;
    world
        .origin
        .answers(200, "content-type: a/b\nx-a: 1\nx-a: 2\nlink: <c>", "hello");
    let first = world.get("/").await;
    assert_eq!((first.status, &*first.body), (StatusCode::OK, "hello"));
    let hit = world.get("/").await;
    assert!(hit.is_hit());
    let own = ["cache-status", "age", "content-length", "date"];
    let kept = |headers: &http::HeaderMap| {
        let mut headers = headers.clone();
        for name in own {
            headers.remove(name);
        }
        headers
    };
    assert_eq!(kept(&hit.headers), kept(&first.headers));
    assert_eq!(hit.headers.get_all("x-a").iter().count(), 2);
}
