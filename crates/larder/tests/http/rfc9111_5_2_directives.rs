//! §5.2: the directives of requests and responses, and `Pragma` (§5.4).

use http::StatusCode;
use larder::http::HttpCacheLayer;

use crate::origin::World;

async fn filled(headers: &str) -> World {
    let world = World::standard().await;
    world.origin.answers(200, headers, "x");
    world.get("/").await;
    world
}

#[tokio::test]
async fn a_request_may_want_the_origins_word() {
    for wish in [
        "cache-control: no-cache",
        "pragma: no-cache",
        "cache-control: max-age=4",
        "cache-control: min-fresh=6",
    ] {
        let world = filled("cache-control: max-age=10").await;
        world.advance(5);
        let answer = world.get_with("/", wish).await;
        assert!(
            answer.cache_status().starts_with("larder; fwd=request"),
            "{wish}: {}",
            answer.cache_status()
        );
        assert_eq!(world.origin.times(), 2);
        // What it brought is stored.
        world.advance(6);
        assert!(world.get("/").await.is_hit(), "{wish}");
    }
}

#[tokio::test]
async fn a_request_may_take_a_stale_response() {
    let world = filled("cache-control: max-age=10\netag: \"a\"").await;
    world.advance(15);
    let stale = world.get_with("/", "cache-control: max-stale=5").await;
    assert!(
        stale.is_hit() && stale.cache_status().contains("ttl=-5"),
        "{}",
        stale.cache_status()
    );
    assert!(
        !world
            .get_with("/", "cache-control: max-stale=4")
            .await
            .is_hit()
    );
    for strict in ["must-revalidate", "proxy-revalidate", "s-maxage=10"] {
        let world = filled(&format!("cache-control: max-age=10, {strict}\netag: \"a\"")).await;
        world.advance(11);
        assert!(
            !world
                .get_with("/", "cache-control: max-stale")
                .await
                .is_hit(),
            "{strict}"
        );
    }
}

#[tokio::test]
async fn only_if_cached_never_asks_the_origin() {
    let world = filled("cache-control: max-age=10\netag: \"a\"").await;
    let only = "cache-control: only-if-cached";
    assert!(world.get_with("/", only).await.is_hit());
    assert_eq!(
        world.get_with("/other", only).await.status,
        StatusCode::GATEWAY_TIMEOUT
    );
    world.advance(11);
    let refused = world.get_with("/", only).await;
    assert_eq!(refused.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(
        refused.cache_status().starts_with("larder"),
        "{}",
        refused.cache_status()
    );
    assert!(
        world
            .get_with("/", "cache-control: only-if-cached, max-stale")
            .await
            .is_hit()
    );
    assert_eq!(world.origin.times(), 1);
}

#[tokio::test]
async fn what_a_request_says_can_be_ignored() {
    let world = World::with(|larder| {
        HttpCacheLayer::standard(larder)
            .ignore_request_directives()
            .build()
            .unwrap()
    })
    .await;
    world.origin.answers(200, "cache-control: max-age=10", "x");
    world.get_with("/", "cache-control: no-store").await;
    for wish in [
        "cache-control: no-cache",
        "pragma: no-cache",
        "cache-control: max-age=0",
        "cache-control: no-store",
    ] {
        assert!(world.get_with("/", wish).await.is_hit(), "{wish}");
    }
}

#[tokio::test]
async fn must_understand_goes_before_no_store() {
    let world = filled("cache-control: must-understand, no-store, max-age=10").await;
    assert!(world.get("/").await.is_hit());
    let world = World::standard().await;
    world
        .origin
        .answers(299, "cache-control: must-understand, max-age=10", "x");
    world.get("/").await;
    assert!(!world.get("/").await.is_hit());
}

#[tokio::test]
async fn fields_of_no_cache_and_private_are_left_out() {
    let world = filled(
        "cache-control: max-age=10, no-cache=\"set-cookie\", private=\"x-a, x-b\"\n\
                        set-cookie: a=b\nx-a: 1\nx-b: 2\nx-c: 3",
    )
    .await;
    let hit = world.get("/").await;
    assert!(hit.is_hit());
    for gone in ["set-cookie", "x-a", "x-b"] {
        assert!(!hit.headers.contains_key(gone), "{gone}");
    }
    assert_eq!(hit.header("x-c"), "3");
}

#[tokio::test]
async fn malformed_directives_forbid_and_never_permit() {
    for bad in [
        "no-store=yes",
        "no-cache=\"set-cookie",
        "private=\"",
        "max-age",
        ", ,max-age=x,,",
    ] {
        let world = filled(&format!("cache-control: {bad}")).await;
        assert!(!world.get("/").await.is_hit(), "{bad}");
    }
    let world = filled("cache-control: , unknown=\"a, no-store\" ,,max-age=10,").await;
    assert!(
        world.get("/").await.is_hit(),
        "a comma within quotes separates nothing"
    );
}

#[tokio::test]
async fn head_is_answered_from_a_stored_get() {
    let world = filled("cache-control: max-age=10\netag: \"a\"").await;
    let head = world.send("HEAD", "/", "").await;
    assert!(head.is_hit());
    assert_eq!(
        (head.status, &*head.body, head.header("content-length")),
        (StatusCode::OK, "", "1")
    );
    let copy = world.send("HEAD", "/", "if-none-match: \"a\"").await;
    assert_eq!(copy.status, StatusCode::NOT_MODIFIED);
    // What is not there is the origin's to answer, and not stored.
    world.send("HEAD", "/other", "").await;
    assert_eq!(world.origin.last().method, "HEAD");
    assert!(!world.get("/other").await.is_hit());
}

#[tokio::test]
async fn one_users_answer_takes_no_fresh_response_from_the_others() {
    for (status, refused) in [
        (200, "cache-control: private"),
        (200, "set-cookie: a=b"),
        (403, ""),
        (401, "cache-control: no-store"),
    ] {
        let world = filled("cache-control: max-age=60").await;
        world.origin.answers(status, refused, "mine");
        let wish = "cookie: s\ncache-control: no-cache";
        assert_eq!(world.get_with("/", wish).await.body, "mine");
        let hit = world.get("/").await;
        assert_eq!(
            (&*hit.body, hit.is_hit()),
            ("x", true),
            "{status} {refused}"
        );
    }
    // What is gone is gone.
    for status in [404, 410] {
        let world = filled("cache-control: max-age=60").await;
        world.origin.answers(status, "cache-control: no-store", "");
        world.get_with("/", "cache-control: no-cache").await;
        assert_eq!(world.get("/").await.status.as_u16(), status);
    }
}

#[tokio::test]
async fn a_client_error_leaves_a_stale_response_to_be_validated() {
    let world = filled("cache-control: max-age=10\netag: \"a\"").await;
    world.advance(11);
    world.origin.answers(403, "cache-control: no-store", "no");
    assert_eq!(world.get_with("/", "cookie: s").await.body, "no");
    world.origin.answers(304, "cache-control: max-age=10", "");
    assert_eq!(world.get("/").await.body, "x");
    assert!(world.get("/").await.is_hit());
}

#[tokio::test]
async fn only_if_cached_does_not_ask_about_what_was_not_stored_lately() {
    let world = filled("cache-control: private").await;
    let only = world.get_with("/", "cache-control: only-if-cached").await;
    assert_eq!(only.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(world.origin.times(), 1);
}
