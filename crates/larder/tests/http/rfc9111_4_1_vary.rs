//! §4.1: which requests share a response.

use std::sync::Arc;

use axum::body::Body;
use http::Response;
use larder::Strength;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::common::soon;
use crate::origin::World;

/// An origin that answers in the language it was asked for.
async fn languages() -> World {
    let world = World::standard().await;
    world.origin.does(|request| async move {
        let language = request.headers.get("accept-language");
        let language = language
            .map_or("none", |value| value.to_str().unwrap())
            .to_owned();
        let response = Response::builder()
            .header("cache-control", "max-age=60")
            .header("vary", "Accept-Language");
        response.body(Body::from(language)).unwrap()
    });
    world
}

#[tokio::test]
async fn each_variant_has_its_own_response() {
    let world = languages().await;
    for language in ["de", "fr", "de, fr;q=0.5"] {
        let first = world
            .get_with("/", &format!("accept-language: {language}"))
            .await;
        assert_eq!((&*first.body, first.is_hit()), (language, false));
    }
    assert_eq!(world.get("/").await.body, "none");
    for language in ["de", "fr", "de, fr;q=0.5"] {
        let again = world
            .get_with("/", &format!("accept-language: {language}"))
            .await;
        assert_eq!((&*again.body, again.is_hit()), (language, true));
    }
    assert_eq!(world.origin.times(), 4);
}

#[tokio::test]
async fn a_miss_of_a_variant_says_so() {
    let world = languages().await;
    let first = world.get_with("/", "accept-language: de").await;
    assert!(first.cache_status().starts_with("larder; fwd=uri-miss"));
    let other = world.get_with("/", "accept-language: fr").await;
    assert!(other.cache_status().starts_with("larder; fwd=vary-miss"));
}

#[tokio::test]
async fn a_response_that_varies_by_all_is_not_stored() {
    let world = World::standard().await;
    world
        .origin
        .answers(200, "cache-control: max-age=60\nvary: *", "x");
    world.get("/").await;
    assert!(!world.get("/").await.is_hit());
}

#[tokio::test]
async fn an_unsafe_method_invalidates_all_variants() {
    let world = languages().await;
    for language in ["de", "fr"] {
        world
            .get_with("/", &format!("accept-language: {language}"))
            .await;
    }
    world.send("POST", "/", "").await;
    for language in ["de", "fr"] {
        let again = world
            .get_with("/", &format!("accept-language: {language}"))
            .await;
        assert!(!again.is_hit(), "{language}");
    }
}

#[tokio::test]
async fn a_response_that_varies_by_more_is_found_out() {
    let world = languages().await;
    world.get_with("/", "accept-language: de").await;
    world.origin.answers(
        200,
        "cache-control: max-age=60\nvary: accept-language, x-plan",
        "gold",
    );
    assert_eq!(
        world
            .get_with("/", "accept-language: fr\nx-plan: gold")
            .await
            .body,
        "gold"
    );
    // It is not given to another plan, now or later.
    world.origin.answers(
        200,
        "cache-control: max-age=60\nvary: accept-language, x-plan",
        "free",
    );
    for _ in 0..2 {
        let other = world
            .get_with("/", "accept-language: fr\nx-plan: free")
            .await;
        assert_eq!(other.body, "free");
    }
    let hit = world
        .get_with("/", "accept-language: fr\nx-plan: free")
        .await;
    assert_eq!((&*hit.body, hit.is_hit()), ("free", true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_for_two_variants_get_each_its_own() {
    let world = languages().await;
    let asked: Vec<_> = (0..40)
        .map(|at| {
            let world = world.clone();
            let language = if at % 2 == 0 { "de" } else { "fr" };
            tokio::spawn(async move {
                let answer = world
                    .get_with("/", &format!("accept-language: {language}"))
                    .await;
                assert_eq!(answer.body, language);
            })
        })
        .collect();
    for each in asked {
        soon("a variant", each).await.unwrap();
    }
    assert_eq!(world.origin.times(), 2);
}

#[tokio::test]
async fn requests_that_differ_in_a_byte_share_no_variant() {
    for (one, other) in [
        (&b"Ren\xe9"[..], &b"Ren\xe8"[..]),
        (b"https://good", b"https://good,"),
        (b"d e", b"de"),
        (b"en, de", b"de, en"),
    ] {
        let world = World::standard().await;
        world.origin.does(|request| async move {
            let asked = request.headers["accept-language"].as_bytes();
            let asked = format!("{asked:?}");
            let response = Response::builder()
                .header("cache-control", "max-age=60")
                .header("vary", "accept-language");
            response.body(Body::from(asked)).unwrap()
        });
        for asked in [one, other, one, other] {
            let mut request = http::Request::new(Body::empty());
            let headers = request.headers_mut();
            headers.insert("host", http::HeaderValue::from_static("a.example"));
            let value = http::HeaderValue::from_bytes(asked).unwrap();
            headers.insert("accept-language", value);
            let answer = world.send_whole(request).await;
            assert_eq!(answer.body, format!("{asked:?}"));
        }
        assert_eq!(world.origin.times(), 2);
    }
}

#[tokio::test]
async fn vary_counts_whatever_names_it() {
    for named in ["cache-control: no-cache=\"vary\"", "connection: vary"] {
        let world = World::standard().await;
        let stored = format!("cache-control: max-age=60\nvary: accept-language\n{named}");
        world.origin.answers(200, &stored, "x");
        world.get_with("/", "accept-language: de").await;
        assert!(world.get_with("/", "accept-language: de").await.is_hit());
        let other = world.get_with("/", "accept-language: fr").await;
        assert!(!other.is_hit(), "{named}");
    }
}

/// An origin whose responses vary by `first`, and by `then` from the first 304 on.
async fn varies_later(first: &'static str, then: &'static str) -> World {
    let world = World::standard().await;
    let vary = Arc::new(Mutex::new(first));
    world.origin.does(move |request| {
        let is_asked_about = request.headers.contains_key("if-none-match");
        let mut vary = vary.lock();
        if is_asked_about {
            *vary = then;
        }
        let response = Response::builder()
            .header("etag", "\"a\"")
            .header("vary", *vary);
        async move {
            if is_asked_about {
                let response = response.status(304).header("cache-control", "max-age=100");
                return response.body(Body::empty()).unwrap();
            }
            let cookie = request.headers["cookie"].to_str().unwrap().to_owned();
            let response = response.header("cache-control", "max-age=1");
            response.body(Body::from(cookie)).unwrap()
        }
    });
    world
}

#[tokio::test]
async fn a_304_may_say_that_responses_vary() {
    for (first, then) in [
        ("", "cookie"),
        ("x-plan", "cookie"),
        ("x-plan", "x-plan, cookie"),
    ] {
        let world = varies_later(first, then).await;
        world.get_with("/", "cookie: a").await;
        world.advance(2);
        let confirmed = world.get_with("/", "cookie: a").await;
        assert_eq!((confirmed.status.as_u16(), &*confirmed.body), (200, "a"));
        let status = confirmed.cache_status();
        assert!(status.starts_with("larder; fwd=stale"), "{status}");
        for is_hit in [false, true] {
            let other = world.get_with("/", "cookie: b").await;
            let answer = (&*other.body, other.is_hit());
            assert_eq!(answer, ("b", is_hit), "{first} {then}");
        }
        assert_eq!(world.get_with("/", "cookie: a").await.body, "a");
    }
}

#[tokio::test]
async fn what_a_304_confirmed_for_one_variant_is_found_under_it() {
    let world = varies_later("", "cookie").await;
    world.get_with("/", "cookie: a").await;
    world.advance(2);
    world.get_with("/", "cookie: a").await;
    let hit = world.get_with("/", "cookie: a").await;
    assert_eq!((hit.is_hit(), &*hit.body), (true, "a"));
    assert_eq!(hit.header("vary"), "cookie");
    assert_eq!(world.origin.times(), 2);
}

#[tokio::test]
async fn a_304_that_says_a_response_varies_is_not_stored_where_it_was_invalidated_meanwhile() {
    let world = varies_later("", "cookie").await;
    world.get_with("/", "cookie: a").await;
    world.advance(2);
    let (began, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (begins, goes) = (Arc::clone(&began), Arc::clone(&go));
    world.origin.does(move |_| {
        let (begins, goes) = (Arc::clone(&begins), Arc::clone(&goes));
        async move {
            begins.add_permits(1);
            goes.acquire().await.unwrap().forget();
            let response = Response::builder().status(304).header("etag", "\"a\"");
            let response = response.header("cache-control", "max-age=100");
            response
                .header("vary", "cookie")
                .body(Body::empty())
                .unwrap()
        }
    });
    let asking = tokio::spawn({
        let world = world.clone();
        async move { world.get_with("/", "cookie: a").await }
    });
    soon("the origin is asked", began.acquire())
        .await
        .unwrap()
        .forget();
    world.larder.invalidate(Strength::Remove).await.unwrap();
    go.add_permits(1);
    soon("the answer", asking).await.unwrap();
    world
        .origin
        .answers(200, "cache-control: max-age=100", "new");
    assert_eq!(world.get_with("/", "cookie: a").await.body, "new");
}
