//! RFC 9213: fields that speak to some caches alone.

use http::HeaderName;
use larder::http::HttpCacheLayer;

use crate::origin::World;

async fn is_stored(world: &World, headers: &str) -> bool {
    world.origin.answers(200, headers, "x");
    world.get("/").await;
    world.get("/").await.is_hit()
}

#[tokio::test]
async fn cdn_cache_control_goes_before_cache_control_and_expires() {
    let of = async |headers| is_stored(&World::standard().await, headers).await;
    assert!(of("cache-control: no-store\ncdn-cache-control: max-age=60").await);
    assert!(!of("cache-control: max-age=60\ncdn-cache-control: no-store").await);
    assert!(of("expires: 0\ncdn-cache-control: max-age=60").await);
    assert!(!of("cache-control: max-age=60\nexpires: 0\ncdn-cache-control: must-revalidate").await);
    // What cannot be read is not there.
    assert!(of("cache-control: max-age=60\ncdn-cache-control: NO-STORE=").await);
    assert!(of("cache-control: max-age=60\ncdn-cache-control:").await);
}

#[tokio::test]
async fn the_list_of_targets_is_the_owners() {
    let world = World::with(|larder| {
        let targets = ["ours-cache-control", "cdn-cache-control"].map(HeaderName::from_static);
        HttpCacheLayer::standard(larder)
            .targets(targets)
            .build()
            .unwrap()
    })
    .await;
    let headers = "cdn-cache-control: no-store\nours-cache-control: max-age=60";
    assert!(is_stored(&world, headers).await);
    let none = World::with(|larder| {
        HttpCacheLayer::standard(larder)
            .targets([])
            .build()
            .unwrap()
    })
    .await;
    assert!(
        !is_stored(
            &none,
            "cache-control: no-store\ncdn-cache-control: max-age=60"
        )
        .await
    );
}

#[tokio::test]
async fn targeted_fields_are_passed_on() {
    let world = World::standard().await;
    assert!(is_stored(&world, "cdn-cache-control: max-age=60").await);
    assert_eq!(
        world.get("/").await.header("cdn-cache-control"),
        "max-age=60"
    );
}
