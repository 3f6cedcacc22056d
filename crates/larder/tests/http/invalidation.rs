//! RFC 9111 §4.4: what unsafe methods invalidate; and what larder's own ways do.

use http::request::Parts;
use larder::http::HttpCacheLayer;

use crate::common::{eventually, soon};
use crate::origin::{World, response};

async fn filled() -> World {
    let world = World::standard().await;
    world
        .origin
        .answers(200, "cache-control: max-age=60", "old");
    for uri in ["/a", "/b", "/c"] {
        world.get(uri).await;
        assert!(world.get(uri).await.is_hit());
    }
    world
}

#[tokio::test]
async fn the_schemes_own_port_is_no_other_origin() {
    let world = World::standard().await;
    world.origin.answers(200, "cache-control: max-age=60", "x");
    let host = "host: a.example:80";
    world.get_with("/item", host).await;
    assert!(world.get_with("/item", "").await.is_hit());
    world.origin.answers(200, "location: /item", "");
    world.send("POST", "/list", host).await;
    assert!(!world.get_with("/item", host).await.is_hit());
}

#[tokio::test]
async fn an_unsafe_method_invalidates_its_url() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "FROB"] {
        let world = filled().await;
        let answer = world.send(method, "/a", "").await;
        assert_eq!(answer.cache_status(), "larder; fwd=method; fwd-status=200");
        assert!(!world.get("/a").await.is_hit(), "{method}");
        assert!(world.get("/b").await.is_hit());
    }
}

#[tokio::test]
async fn a_safe_method_or_an_error_invalidates_nothing() {
    let world = filled().await;
    world.send("OPTIONS", "/a", "").await;
    world.send("HEAD", "/a", "").await;
    assert!(world.get("/a").await.is_hit());
    world.origin.answers(500, "", "");
    world.send("POST", "/a", "").await;
    world.origin.answers(404, "", "");
    world.send("DELETE", "/a", "").await;
    assert!(world.get("/a").await.is_hit());
}

#[tokio::test]
async fn an_answer_that_was_lost_invalidates() {
    for status in [408, 502, 504] {
        let world = filled().await;
        world.origin.answers(status, "", "");
        world.send("POST", "/a", "").await;
        assert!(!world.get("/a").await.is_hit(), "{status}");
    }
}

#[tokio::test]
async fn urls_of_the_same_origin_that_the_response_names_go_too() {
    let world = filled().await;
    world.origin.answers(
        201,
        "location: /b\ncontent-location: http://a.example/c",
        "",
    );
    world.send("POST", "/list", "").await;
    world
        .origin
        .answers(200, "cache-control: max-age=60", "new");
    for uri in ["/b", "/c"] {
        assert_eq!(world.get(uri).await.body, "new");
    }
    assert_eq!(world.get("/a").await.body, "old");
    world
        .origin
        .answers(201, "location: http://evil.example/a", "");
    world.send("POST", "/list", "").await;
    assert!(world.get("/a").await.is_hit());
}

#[tokio::test]
async fn a_response_on_its_way_is_not_stored_after_an_invalidation() {
    let world = World::standard().await;
    let stored = |_: &Parts| response("cache-control: max-age=60", "old");
    let gate = world
        .origin
        .holds_where(|request| request.method == "GET", stored);
    let (slow, origin) = (world.clone(), world.origin.clone());
    let slow = tokio::spawn(async move { slow.get("/").await });
    eventually("the origin is asked", async || origin.times() == 1).await;
    world.send("POST", "/", "").await;
    gate.add_permits(1);
    assert_eq!(soon("the first answer", slow).await.unwrap().body, "old");
    world
        .origin
        .answers(200, "cache-control: max-age=60", "new");
    assert_eq!(world.get("/").await.body, "new");
}

#[tokio::test]
async fn tags_and_tenants_work_as_for_any_value() {
    let world = World::with(|larder| {
        HttpCacheLayer::standard(larder)
            .tenant(|request| Some(request.headers.get("x-tenant")?.to_str().ok()?.to_owned()))
            .tags(|request| vec![format!("path:{}", request.uri.path())])
            .build()
            .unwrap()
    })
    .await;
    world
        .origin
        .answers(200, "cache-control: max-age=60\nvary: accept-language", "x");
    let of = async |tenant: &str| {
        world
            .get_with("/a", &format!("x-tenant: {tenant}"))
            .await
            .is_hit()
    };
    assert!(!of("one").await && !of("two").await && !world.get("/a").await.is_hit());
    assert!(of("one").await && of("two").await && world.get("/a").await.is_hit());
    world.larder.tenant("one").clear().await.unwrap();
    assert!(!of("one").await && of("two").await);
    assert!(of("one").await);
    world
        .larder
        .tenant("one")
        .invalidate_tag("path:/a")
        .await
        .unwrap();
    assert!(!of("one").await && of("two").await);
    // A tenant that cannot be is answered, and nothing is stored.
    let long = "x".repeat(300);
    assert!(!of(&long).await && !of(&long).await);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_prevent_it() {
    let world = filled().await;
    let stored = |_: &Parts| response("cache-control: max-age=60", "new");
    let gate = world
        .origin
        .holds_where(|request| request.method == "POST", stored);
    let times = world.origin.times();
    let posting = tokio::spawn({
        let world = world.clone();
        async move { world.send("POST", "/a", "").await }
    });
    eventually("the origin is asked", async || world.origin.times() > times).await;
    posting.abort();
    assert!(soon("the end", posting).await.is_err());
    gate.add_permits(1);
    eventually("it is invalidated", async || {
        world.get("/a").await.body == "new"
    })
    .await;
}

#[tokio::test]
async fn a_host_that_no_url_can_have_is_invalidated_too() {
    let world = World::standard().await;
    let host = "host: a b";
    world
        .origin
        .answers(200, "cache-control: max-age=60", "old");
    world.get_with("/a", host).await;
    assert!(world.get_with("/a", host).await.is_hit());
    world.send("POST", "/a", host).await;
    assert!(!world.get_with("/a", host).await.is_hit());
}
