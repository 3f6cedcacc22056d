//! §3: what is stored. Each case asks twice; whether the second is a hit tells.

use crate::origin::{World, date};

/// Whether a response is stored that answers a request.
async fn is_stored(request: &str, status: u16, response: &str) -> bool {
    let world = World::standard().await;
    world.origin.answers(status, response, "hello");
    let first = world.get_with("/", request).await;
    assert!(!first.is_hit());
    assert_eq!((first.status.as_u16(), &*first.body), (status, "hello"));
    let second = world.get_with("/", request).await;
    assert_eq!((second.status.as_u16(), &*second.body), (status, "hello"));
    assert_eq!(
        second.is_hit(),
        world.origin.times() == 1,
        "{}",
        second.cache_status()
    );
    second.is_hit()
}

#[tokio::test]
async fn what_says_how_long_it_is_fresh_is_stored() {
    assert!(is_stored("", 200, "cache-control: max-age=60").await);
    assert!(is_stored("", 200, "cache-control: s-maxage=60").await);
    assert!(is_stored("", 200, &format!("expires: {}", date(60))).await);
    assert!(is_stored("", 302, "cache-control: max-age=60").await);
    assert!(is_stored("", 599, "cache-control: max-age=60").await);
    assert!(!is_stored("", 200, "").await);
}

#[tokio::test]
async fn what_must_not_be_stored_is_not() {
    assert!(!is_stored("", 200, "cache-control: no-store, max-age=60").await);
    assert!(!is_stored("", 200, "cache-control: NO-STORE, max-age=60").await);
    assert!(!is_stored("", 200, "cache-control: private, max-age=60").await);
    assert!(!is_stored("cache-control: no-store", 200, "cache-control: max-age=60").await);
    assert!(
        !is_stored(
            "",
            206,
            "cache-control: max-age=60\ncontent-range: bytes 0-4/9"
        )
        .await
    );
    assert!(!is_stored("", 200, "cache-control: max-age=60\nset-cookie: a=b").await);
}

#[tokio::test]
async fn section_3_5_authorised_responses_say_that_they_are_shared() {
    let request = "authorization: Basic eDp5";
    assert!(!is_stored(request, 200, "cache-control: max-age=60").await);
    assert!(is_stored(request, 200, "cache-control: max-age=60, public").await);
    assert!(is_stored(request, 200, "cache-control: max-age=60, must-revalidate").await);
    assert!(is_stored(request, 200, "cache-control: s-maxage=60").await);
}

#[tokio::test]
async fn an_authorised_request_keeps_nothing_from_others() {
    let world = World::standard().await;
    world.origin.answers(200, "cache-control: max-age=60", "x");
    world.get_with("/", "authorization: Basic eDp5").await;
    world.get("/").await;
    assert!(world.get("/").await.is_hit());
    assert!(
        world
            .get_with("/", "authorization: Basic eDp5")
            .await
            .is_hit()
    );
}

#[tokio::test]
async fn section_3_1_what_ends_at_a_hop_is_not_stored() {
    let world = World::standard().await;
    let headers = "cache-control: max-age=60, private=\"x-user\"\nconnection: x-hop\nx-hop: 1\n\
                   keep-alive: timeout=5\nproxy-authenticate: Basic\nx-user: ann\nx-kept: 2";
    world.origin.answers(200, headers, "hello");
    world.get("/").await;
    let hit = world.get("/").await;
    assert!(hit.is_hit());
    for gone in [
        "connection",
        "x-hop",
        "keep-alive",
        "proxy-authenticate",
        "x-user",
    ] {
        assert!(!hit.headers.contains_key(gone), "{gone}");
    }
    assert_eq!(hit.header("x-kept"), "2");
    assert_eq!(hit.header("content-length"), "5");
    assert!(!hit.header("date").is_empty());
}

#[tokio::test]
async fn requests_with_a_body_or_a_switch_of_protocols_pass() {
    let world = World::standard().await;
    world.origin.answers(200, "cache-control: max-age=60", "x");
    world.get("/").await;
    for passing in [
        "content-length: 3",
        "transfer-encoding: chunked",
        "upgrade: h2c",
    ] {
        let answer = world.get_with("/", passing).await;
        assert_eq!(
            answer.cache_status(),
            "larder; fwd=bypass; fwd-status=200",
            "{passing}"
        );
    }
    assert!(world.get_with("/", "content-length: 0").await.is_hit());
}

#[tokio::test]
async fn a_request_that_names_two_hosts_passes() {
    let world = World::standard().await;
    world.origin.answers(200, "cache-control: max-age=60", "x");
    for (uri, hosts) in [
        ("http://a.example/", "host: evil.example"),
        ("/", "host: a.example\nhost: evil.example"),
    ] {
        let answer = world.get_with(uri, hosts).await;
        assert_eq!(answer.cache_status(), "larder; fwd=bypass; fwd-status=200");
    }
    assert!(!world.get("/").await.is_hit());
}

#[tokio::test]
async fn urls_are_told_apart_by_host_path_and_query() {
    let world = World::standard().await;
    world.origin.answers(200, "cache-control: max-age=60", "x");
    world.get("/a?x=1").await;
    for (other, host) in [
        ("/a?x=2", "a.example"),
        ("/a", "a.example"),
        ("/A?x=1", "a.example"),
        ("/a?x=1", "b.example"),
    ] {
        assert!(
            !world
                .get_with(other, &format!("host: {host}"))
                .await
                .is_hit(),
            "{host}{other}"
        );
    }
    assert!(world.get_with("/a?x=1", "host: A.EXAMPLE").await.is_hit());
}

#[tokio::test]
async fn what_an_open_quote_may_have_swallowed_is_heeded() {
    for open in [
        "max-age=60, ext=\"a, private, no-store",
        "max-age=60, must-understand, ext=\"a, private",
        "max-age=60, public, ext=\"\\\"",
    ] {
        let response = format!("cache-control: {open}");
        assert!(!is_stored("", 200, &response).await, "{open}");
    }
    assert!(is_stored("", 200, "cache-control: max-age=60, ext=\"a, private\"").await);
}
