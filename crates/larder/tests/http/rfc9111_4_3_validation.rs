//! §4.3: conditional requests and 304, both ways.

use axum::body::Body;
use http::{Response, StatusCode};

use crate::origin::{World, date};

/// An origin that has a response of the tag "a", and says 304 to who has it.
async fn tagged(extra: &'static str) -> World {
    let world = World::standard().await;
    world.origin.does(move |request| async move {
        let mut response = Response::builder().header("etag", "\"a\"");
        if let Some((name, value)) = extra.split_once(": ") {
            response = response.header(name, value);
        }
        if request
            .headers
            .get("if-none-match")
            .is_some_and(|tag| tag == "\"a\"")
        {
            let response = response.status(304).header("x-new", "yes");
            return response
                .header("cache-control", "max-age=20")
                .body(Body::empty())
                .unwrap();
        }
        response
            .header("cache-control", "max-age=10")
            .body(Body::from("hello"))
            .unwrap()
    });
    world
}

#[tokio::test]
async fn a_stale_response_is_confirmed_and_fresh_again() {
    let world = tagged("").await;
    world.get("/").await;
    world.advance(11);
    let confirmed = world.get("/").await;
    assert_eq!(
        (confirmed.status, &*confirmed.body),
        (StatusCode::OK, "hello")
    );
    assert!(
        confirmed.cache_status().starts_with("larder; fwd=stale"),
        "{}",
        confirmed.cache_status()
    );
    assert_eq!(world.origin.last().headers["if-none-match"], "\"a\"");
    // By the 304's own lifetime, and with its fields.
    world.advance(19);
    let hit = world.get("/").await;
    assert_eq!(
        (hit.is_hit(), &*hit.body, hit.header("x-new")),
        (true, "hello", "yes")
    );
    assert_eq!(hit.header("content-length"), "5");
    assert_eq!(world.origin.times(), 2);
}

#[tokio::test]
async fn a_changed_response_takes_the_old_ones_place() {
    let world = tagged("").await;
    world.get("/").await;
    world.advance(11);
    world
        .origin
        .answers(200, "cache-control: max-age=10\netag: \"b\"", "new");
    assert_eq!(world.get("/").await.body, "new");
    assert_eq!(world.get("/").await.body, "new");
    assert_eq!(world.origin.times(), 2);
}

#[tokio::test]
async fn dates_validate_where_there_is_no_tag() {
    let world = World::standard().await;
    let changed = date(-100);
    world.origin.answers(
        200,
        &format!("cache-control: max-age=1\nlast-modified: {changed}"),
        "x",
    );
    world.get("/").await;
    world.advance(2);
    world.origin.answers(304, "cache-control: max-age=5", "");
    assert_eq!(world.get("/").await.body, "x");
    assert_eq!(
        world.origin.last().headers["if-modified-since"],
        changed.as_str()
    );
    assert!(world.get("/").await.is_hit());
}

#[tokio::test]
async fn a_304_that_names_another_response_is_not_believed() {
    let world = tagged("").await;
    world.get("/").await;
    world.advance(11);
    world.origin.answers(304, "etag: \"z\"", "");
    assert_eq!(world.get("/").await.status, StatusCode::BAD_GATEWAY);
    world
        .origin
        .answers(200, "cache-control: max-age=10", "new");
    assert_eq!(world.get("/").await.body, "new");
}

#[tokio::test]
async fn a_client_with_a_copy_gets_a_304() {
    let world = tagged("").await;
    world.get("/").await;
    for tags in ["\"a\"", "W/\"a\"", "\"x\", \"a\"", "*"] {
        let answer = world.get_with("/", &format!("if-none-match: {tags}")).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (StatusCode::NOT_MODIFIED, ""),
            "{tags}"
        );
        assert_eq!(answer.header("etag"), "\"a\"");
        assert!(!answer.headers.contains_key("content-length"));
        assert!(answer.is_hit() && !answer.header("age").is_empty());
    }
    let other = world.get_with("/", "if-none-match: \"b\"").await;
    assert_eq!((other.status, &*other.body), (StatusCode::OK, "hello"));
    assert_eq!(world.origin.times(), 1);
}

#[tokio::test]
async fn a_clients_copy_does_not_keep_the_whole_from_being_stored() {
    let world = tagged("").await;
    let first = world.get_with("/", "if-none-match: \"a\"").await;
    assert_eq!((first.status, &*first.body), (StatusCode::NOT_MODIFIED, ""));
    assert!(!world.origin.last().headers.contains_key("if-none-match"));
    let hit = world.get("/").await;
    assert_eq!((hit.is_hit(), &*hit.body), (true, "hello"));
}

#[tokio::test]
async fn conditions_for_the_origin_alone_go_there() {
    let world = tagged("").await;
    world.get("/").await;
    for condition in [
        "if-match: \"a\"",
        "if-unmodified-since: Sun, 06 Nov 1994 08:49:37 GMT",
    ] {
        assert!(!world.get_with("/", condition).await.is_hit());
    }
    assert_eq!(world.origin.times(), 3);
}

#[tokio::test]
async fn a_304_is_not_a_copy_of_an_error() {
    let world = World::standard().await;
    world
        .origin
        .answers(404, "cache-control: max-age=9\netag: \"a\"", "none");
    world.get("/").await;
    let answer = world.get_with("/", "if-none-match: \"a\"").await;
    assert_eq!(
        (answer.status, answer.is_hit()),
        (StatusCode::NOT_FOUND, true)
    );
}

#[tokio::test]
async fn a_304_loses_none_of_the_stored_fields_lines() {
    let world = World::standard().await;
    world.origin.answers(
        200,
        "cache-control: max-age=1\netag: \"a\"\nlink: <a>\nlink: <b>",
        "x",
    );
    world.get("/").await;
    world.advance(2);
    world
        .origin
        .answers(304, "etag: \"a\"\ncache-control: max-age=9", "");
    let confirmed = world.get("/").await;
    assert_eq!(confirmed.headers.get_all("link").iter().count(), 2);
}

#[tokio::test]
async fn no_cache_is_validated_each_time() {
    let world = World::standard().await;
    world
        .origin
        .answers(200, "cache-control: no-cache\netag: \"a\"", "x");
    world.get("/").await;
    world
        .origin
        .answers(304, "etag: \"a\"\ncache-control: no-cache", "");
    for times in 2..5 {
        let answer = world.get("/").await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "x"));
        assert_eq!(world.origin.times(), times);
        assert_eq!(world.origin.last().headers["if-none-match"], "\"a\"");
    }
}

#[tokio::test]
async fn a_304_that_is_not_believed_costs_one_request() {
    let world = World::standard().await;
    world.origin.does(|request| async move {
        let is_asked = request.headers.contains_key("if-none-match");
        let response = Response::builder()
            .status(if is_asked { 304 } else { 200 })
            .header("etag", if is_asked { "\"z\"" } else { "\"a\"" })
            .header("vary", "accept-language")
            .header("cache-control", "max-age=10");
        response.body(Body::from("x")).unwrap()
    });
    world.get("/").await;
    world.advance(11);
    assert_eq!(world.get("/").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(world.get("/").await.body, "x");
}

#[tokio::test]
async fn a_cookie_of_a_304_is_its_clients_alone() {
    let world = tagged("").await;
    world.get("/").await;
    world.advance(11);
    world.origin.answers(
        304,
        "etag: \"a\"\ncache-control: max-age=60\nset-cookie: a=1\nset-cookie: b=2",
        "",
    );
    let first = world.get("/").await;
    let cookies = first.headers.get_all("set-cookie").iter();
    let cookies: Vec<_> = cookies.map(|cookie| cookie.to_str().unwrap()).collect();
    assert_eq!(
        (first.status.as_u16(), cookies),
        (200, vec!["a=1", "b=2"]),
        "{first:?}"
    );
    let second = world.get("/").await;
    assert!(
        second.is_hit() && !second.headers.contains_key("set-cookie"),
        "{second:?}"
    );
}

#[tokio::test]
async fn a_304_may_say_that_the_response_is_not_to_be_stored_any_more() {
    for no in ["private", "no-store", "max-age=60\nvary: *"] {
        let world = tagged("").await;
        world.get("/").await;
        let not_modified = format!("etag: \"a\"\ncache-control: {no}");
        world.origin.answers(304, &not_modified, "");
        // One client alone does not want what is fresh.
        assert_eq!(
            world.get_with("/", "cache-control: no-cache").await.body,
            "hello"
        );
        assert!(world.get("/").await.is_hit(), "{no}");
        world.advance(11);
        assert_eq!(world.get("/").await.body, "hello", "{no}");
        world.origin.answers(200, "", "anew");
        assert_eq!(world.get("/").await.body, "anew", "{no}");
        assert!(!world.origin.last().headers.contains_key("if-none-match"));
    }
}
