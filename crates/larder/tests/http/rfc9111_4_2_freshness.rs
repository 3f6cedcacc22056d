//! §4.2 and §5.1: how long a response is fresh, and how old it says it is.

use std::time::Duration;

use larder::http::HttpCacheLayer;

use crate::origin::{World, date};

/// For how many seconds a response is served.
async fn fresh_for(world: &World, headers: &str, steps: &[u64]) -> Vec<bool> {
    world.origin.answers(200, headers, "x");
    world.get("/").await;
    let mut hits = Vec::new();
    let mut now = 0;
    for at in steps {
        world.advance(at - now);
        now = *at;
        hits.push(
            world
                .get_with("/", "cache-control: only-if-cached")
                .await
                .is_hit(),
        );
    }
    hits
}

#[tokio::test]
async fn a_response_is_fresh_until_its_lifetime_is_over() {
    let of = async |headers: &str, steps: &[u64]| {
        fresh_for(&World::standard().await, headers, steps).await
    };
    assert_eq!(
        of("cache-control: max-age=10", &[9, 10]).await,
        [true, false]
    );
    assert_eq!(
        of("cache-control: max-age=5, s-maxage=10", &[9, 10]).await,
        [true, false]
    );
    let expires = format!("date: {}\nexpires: {}", date(0), date(1_000));
    assert_eq!(of(&expires, &[900, 1_001]).await, [true, false]);
    assert_eq!(
        of("cache-control: max-age=10\nage: 6", &[3, 4]).await,
        [true, false]
    );
}

#[tokio::test]
async fn malformed_times_count_as_stale() {
    for bad in [
        "expires: 0",
        "expires: tomorrow",
        "cache-control: max-age=soon",
        "cache-control: max-age=1.5",
        "cache-control: max-age=-1",
        "cache-control: max-age=60 public",
        "cache-control: max-age=10, max-age=20",
        "cache-control: max-age=\"10",
    ] {
        let world = World::standard().await;
        assert_eq!(
            fresh_for(&world, &format!("{bad}\netag: \"a\""), &[0]).await,
            [false],
            "{bad}"
        );
    }
}

#[tokio::test]
async fn cache_control_goes_before_expires_and_a_broken_date_hurts_nobody() {
    let world = World::standard().await;
    let headers = format!(
        "cache-control: max-age=10\nexpires: 0\ndate: {}\ndate: never",
        date(-50)
    );
    assert_eq!(fresh_for(&world, &headers, &[9, 10]).await, [true, false]);
}

#[tokio::test]
async fn section_4_2_2_freshness_is_guessed_by_the_last_change() {
    let world = World::standard().await;
    let headers = format!("date: {}\nlast-modified: {}", date(0), date(-10_000));
    assert_eq!(
        fresh_for(&world, &headers, &[900, 1_001]).await,
        [true, false]
    );

    let none = World::with(|larder| {
        HttpCacheLayer::standard(larder)
            .heuristic_freshness(Duration::ZERO)
            .build()
            .unwrap()
    });
    assert_eq!(fresh_for(&none.await, &headers, &[0]).await, [false]);
}

#[tokio::test]
async fn section_4_2_3_age_is_said_and_grows() {
    let world = World::standard().await;
    world
        .origin
        .answers(200, "cache-control: max-age=100\nage: 7", "x");
    world.get("/").await;
    world.advance(5);
    let hit = world.get("/").await;
    assert_eq!(hit.header("age"), "12");
    assert!(
        hit.cache_status().contains("ttl=88"),
        "{}",
        hit.cache_status()
    );
}

#[tokio::test]
async fn an_old_date_makes_a_response_old() {
    let world = World::standard().await;
    world.origin.answers(
        200,
        &format!("cache-control: max-age=100\ndate: {}", date(-40)),
        "x",
    );
    world.get("/").await;
    let age: u64 = world.get("/").await.header("age").parse().unwrap();
    assert!((40..=90).contains(&age), "{age}");
}

#[tokio::test]
async fn a_response_without_a_date_gets_one() {
    let world = World::standard().await;
    world.origin.answers(200, "cache-control: max-age=100", "x");
    assert!(!world.get("/").await.header("date").is_empty());
    let first = world.get("/").await.header("date").to_owned();
    assert_eq!(world.get("/").await.header("date"), first);
}

#[tokio::test]
async fn section_4_2_3_the_time_that_the_body_takes_counts() {
    let world = World::standard().await;
    let clock = world.clock.clone();
    world.origin.does(move |_| {
        // Its second half comes three seconds after its head.
        let clock = clock.clone();
        let late = async move {
            clock.advance(Duration::from_secs(3));
            Ok::<_, std::convert::Infallible>(http_body::Frame::data(bytes::Bytes::from("late")))
        };
        let body = http_body_util::StreamBody::new(futures_util::stream::once(late));
        let response = http::Response::builder().header("cache-control", "max-age=5");
        async move { response.body(axum::body::Body::new(body)).unwrap() }
    });
    assert_eq!(world.get("/").await.body, "late");
    world.advance(1);
    let hit = world.get("/").await;
    assert_eq!((hit.is_hit(), hit.header("age")), (true, "4"));
    world.advance(1);
    let only = "cache-control: only-if-cached";
    assert!(!world.get_with("/", only).await.is_hit());
}
