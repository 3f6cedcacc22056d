//! Application mode: the route's word counts.

use std::time::Duration;

use http::{StatusCode, header};
use larder::Larder;
use larder::http::{ApplicationMode, HttpCacheBuilder, HttpCacheLayer};

use crate::common::eventually;
use crate::origin::World;

async fn route(
    options: impl FnOnce(HttpCacheBuilder<ApplicationMode>) -> HttpCacheBuilder<ApplicationMode>,
) -> World {
    World::with(|larder: &Larder| {
        let builder = HttpCacheLayer::application(larder).ttl(Duration::from_secs(10));
        options(builder).build().unwrap()
    })
    .await
}

async fn is_stored(world: &World, request: &str) -> bool {
    world.get_with("/", request).await;
    world.get_with("/", request).await.is_hit()
}

#[tokio::test]
async fn status_headers_and_body_are_kept() {
    let world = route(|route| route).await;
    world.origin.answers(
        201,
        "content-type: a/b\nlink: <a>\nlink: <b>\nx-a: 1",
        "hello",
    );
    let first = world.get("/").await;
    let hit = world.get("/").await;
    assert!(!first.is_hit() && hit.is_hit());
    assert_eq!((hit.status.as_u16(), &*hit.body), (201, "hello"));
    for name in ["content-type", "link", "x-a"] {
        let of = |headers: &http::HeaderMap| -> Vec<_> {
            headers.get_all(name).iter().cloned().collect()
        };
        assert_eq!(of(&first.headers), of(&hit.headers), "{name}");
    }
}

#[tokio::test]
async fn the_ttl_is_the_routes_whatever_the_client_says() {
    let world = route(|route| route).await;
    world.get("/").await;
    for wish in [
        "cache-control: no-cache",
        "cache-control: no-store",
        "cache-control: max-age=0",
    ] {
        assert!(world.get_with("/", wish).await.is_hit(), "{wish}");
    }
    world.advance(9);
    assert!(world.get("/").await.is_hit());
    world.advance(1);
    assert!(!world.get("/").await.is_hit());
    let none = route(|route| route.ttl(Duration::ZERO)).await;
    assert!(!is_stored(&none, "").await);
}

#[tokio::test]
async fn errors_are_not_stored_unless_asked() {
    for status in [301, 400, 404, 500, 503] {
        let world = route(|route| route).await;
        world.origin.answers(status, "", "no");
        assert!(!is_stored(&world, "").await, "{status}");
    }
    let world = route(|route| route.status(StatusCode::NOT_FOUND)).await;
    world.origin.answers(404, "", "no");
    assert!(is_stored(&world, "").await);
    assert_eq!(world.get("/").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_one_users_is_not_stored_unless_asked() {
    let set_cookie = "set-cookie: session=1";
    let world = route(|route| route).await;
    world.origin.answers(200, set_cookie, "x");
    assert!(!is_stored(&world, "").await);
    let asked = route(HttpCacheBuilder::<ApplicationMode>::store_set_cookie).await;
    asked.origin.answers(200, set_cookie, "x");
    assert!(is_stored(&asked, "").await);

    let request = "authorization: Bearer x";
    let world = route(|route| route).await;
    assert!(!is_stored(&world, request).await);
    assert!(is_stored(&world, "").await);
    assert!(
        !world.get_with("/", request).await.is_hit(),
        "nor is what others may have given to it"
    );
    let asked = route(HttpCacheBuilder::store_authorized).await;
    assert!(is_stored(&asked, request).await);
}

#[tokio::test]
async fn a_handler_may_say_no() {
    for no in ["no-store", "private", "no-cache", "private=\"x\""] {
        let world = route(|route| route).await;
        world
            .origin
            .answers(200, &format!("cache-control: {no}"), "x");
        assert!(!is_stored(&world, "").await, "{no}");
    }
}

#[tokio::test]
async fn a_handler_may_keep_fields_from_others() {
    let world = route(|route| route).await;
    let headers = "cache-control: no-cache=\"set-cookie, x-a\"\nset-cookie: a=1\nx-a: 1\nx-b: 2";
    world.origin.answers(200, headers, "x");
    let first = world.get("/").await;
    assert_eq!(
        (first.header("x-a"), first.header("set-cookie")),
        ("1", "a=1")
    );
    let second = world.get("/").await;
    assert!(second.is_hit(), "{second:?}");
    let fields = ["x-a", "set-cookie", "x-b"].map(|name| second.header(name));
    assert_eq!(fields, ["", "", "2"]);
}

#[tokio::test]
async fn the_key_is_of_the_parts_that_were_chosen() {
    let world = route(|route| {
        route
            .query(["page"])
            .header(header::ACCEPT_LANGUAGE)
            .any_host()
    })
    .await;
    let of = async |uri: &str, headers: &str| world.get_with(uri, headers).await.is_hit();
    assert!(!of("/x?page=1&utm=a", "accept-language: de").await);
    assert!(of("/x?utm=b&page=%31", "accept-language: de").await);
    assert!(of("/x?page=1", "accept-language: de\nhost: b.example").await);
    assert!(!of("/x?page=2", "accept-language: de").await);
    assert!(!of("/x?page=1", "accept-language: fr").await);
    assert!(!of("/y?page=1", "accept-language: de").await);

    let world = route(|route| route).await;
    let of =
        async |uri: &str, host: &str| world.get_with(uri, &format!("host: {host}")).await.is_hit();
    assert!(!of("/x?b=1&a=2", "a.example").await);
    assert!(of("/x?a=2&b=1", "a.example").await);
    assert!(!of("/x?a=2&b=1", "b.example").await);
}

#[tokio::test]
async fn vary_is_heeded_beside_the_chosen_fields() {
    let world = route(|route| route.header(header::ACCEPT_LANGUAGE)).await;
    world
        .origin
        .answers(200, "vary: accept-encoding, accept-language", "x");
    let of = async |headers: &str| world.get_with("/", headers).await.is_hit();
    assert!(!of("accept-encoding: gzip\naccept-language: de").await);
    assert!(!of("accept-encoding: br\naccept-language: de").await);
    assert!(!of("accept-encoding: br\naccept-language: fr").await);
    assert!(of("accept-encoding: br\naccept-language: de").await);
}

#[tokio::test]
async fn a_stale_response_stands_in_for_a_handler_that_fails() {
    let world = route(|route| route.stale(Duration::from_secs(20))).await;
    world.origin.answers(200, "", "old");
    world.get("/").await;
    world.advance(11);
    world.origin.answers(500, "", "broken");
    let stale = world.get("/").await;
    assert_eq!((stale.status, &*stale.body), (StatusCode::OK, "old"));
    assert!(stale.cache_status().contains("stale-if-error"));
    world
        .origin
        .does(|_| async { panic!("a bug in a handler") });
    assert_eq!(world.get("/").await.body, "old");
    world.advance(19);
    assert_eq!(
        world.get("/").await.status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

#[tokio::test]
async fn a_stale_response_is_served_while_the_handler_runs() {
    let world = route(|route| route.stale_while_revalidate(Duration::from_secs(20))).await;
    world.origin.answers(200, "", "old");
    world.get("/").await;
    world.advance(11);
    world.origin.answers(200, "", "new");
    assert_eq!(world.get("/").await.body, "old");
    eventually("the new one", async || world.get("/").await.body == "new").await;
}

#[tokio::test]
async fn a_tag_invalidates_what_bears_it() {
    let world =
        route(|route| route.tags(|request| vec![request.uri.path().replace('/', "p:")])).await;
    world.get("/a").await;
    world.get("/b").await;
    world.larder.invalidate_tag("p:a").await.unwrap();
    assert!(!world.get("/a").await.is_hit());
    assert!(world.get("/b").await.is_hit());
}

#[tokio::test]
async fn unsafe_methods_pass_and_invalidate_nothing() {
    let world = route(|route| route).await;
    world.get("/").await;
    let post = world.send("POST", "/", "").await;
    assert_eq!(post.cache_status(), "larder; fwd=method; fwd-status=200");
    assert!(world.get("/").await.is_hit());
}

#[tokio::test]
async fn clients_with_copies_and_wishes_for_parts_are_answered() {
    let world = route(|route| route).await;
    world.origin.answers(200, "etag: \"a\"", "0123456789");
    let first = world.get_with("/", "if-none-match: \"a\"").await;
    assert_eq!(first.status, StatusCode::NOT_MODIFIED);
    assert_eq!(world.get("/").await.body, "0123456789");
    assert_eq!(world.get_with("/", "range: bytes=1-2").await.body, "12");
    assert_eq!(world.origin.times(), 1);
}

#[tokio::test]
async fn a_disabled_larder_lets_everything_through() {
    let config = larder::Config::builder().enabled(false).build().unwrap();
    let larder = Larder::with(config).await.unwrap();
    let layer = HttpCacheLayer::application(&larder).build().unwrap();
    let world = World::of(
        larder,
        larder::Clock::manual(),
        &layer,
        crate::origin::Origin::new(),
    );
    world.origin.answers(200, "x-a: 1", "hello");
    for times in 1..4 {
        let answer = world.get("/").await;
        assert_eq!((&*answer.body, answer.header("x-a")), ("hello", "1"));
        assert!(!answer.cache_status().contains("stored"), "{answer:?}");
        assert_eq!(world.origin.times(), times);
    }
}

#[tokio::test]
async fn queries_and_fields_that_differ_in_a_byte_are_told_apart() {
    let world = route(|route| route.header(header::USER_AGENT)).await;
    let uris = ["/?a", "/?a=", "/?a=%ff", "/?a=%fe", "/?%ff", "/?%fe"];
    for hit in [false, true] {
        for uri in uris {
            assert_eq!(world.get(uri).await.is_hit(), hit, "{uri}");
        }
        for agent in [&b"Ren\xe9"[..], b"Ren\xe8", b"Ren\xef\xbf\xbd"] {
            let mut request = http::Request::new(axum::body::Body::empty());
            let headers = request.headers_mut();
            headers.insert("host", http::HeaderValue::from_static("a.example"));
            let agent = http::HeaderValue::from_bytes(agent).unwrap();
            headers.insert("user-agent", agent.clone());
            assert_eq!(world.send_whole(request).await.is_hit(), hit, "{agent:?}");
        }
    }
}

#[tokio::test]
async fn a_stale_window_of_any_length_goes_with_vary() {
    let world = route(|route| route.stale(Duration::MAX)).await;
    world.origin.answers(200, "vary: accept-language", "x");
    assert!(is_stored(&world, "accept-language: de").await);
}
