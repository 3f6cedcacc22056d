//! Bodies: long ones, ones that lie, ones that break off, and clients that leave.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use larder::http::HttpCacheLayer;
use tokio::sync::mpsc;

use crate::common::{eventually, soon};
use crate::origin::{Answer, World};

type Sender = mpsc::UnboundedSender<Result<Frame<Bytes>, std::io::Error>>;

struct Chunks(mpsc::UnboundedReceiver<Result<Frame<Bytes>, std::io::Error>>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx)
    }
}

/// A cache that stores up to 10 bytes, and an origin whose next body the test sends.
async fn streaming(headers: &'static str) -> (World, Sender) {
    let world = World::with(|larder| {
        HttpCacheLayer::standard(larder)
            .max_body(10)
            .build()
            .unwrap()
    })
    .await;
    let (send, receive) = mpsc::unbounded_channel();
    let body = parking_lot::Mutex::new(Some(receive));
    world.origin.does(move |_| {
        let body = body
            .lock()
            .take()
            .map_or_else(Body::empty, |body| Body::new(Chunks(body)));
        let mut response = Response::new(body);
        *response.headers_mut() = crate::origin::lines(headers);
        async move { response }
    });
    (world, send)
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a body yields")]
fn data(text: &'static str) -> Result<Frame<Bytes>, std::io::Error> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

#[tokio::test]
async fn the_first_client_gets_each_part_as_it_comes() {
    let (world, send) = streaming("cache-control: max-age=60").await;
    let mut body = soon("the head", world.begin("GET", "/", ""))
        .await
        .into_body();
    for part in ["one", "two"] {
        send.send(data(part)).unwrap();
        let frame = soon("a part", body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    drop(send);
    assert!(soon("the end", body.frame()).await.is_none());
    let hit = world.get("/").await;
    assert_eq!((hit.is_hit(), &*hit.body), (true, "onetwo"));
}

#[tokio::test]
async fn a_body_over_the_limit_streams_through_and_is_not_stored() {
    let (world, send) = streaming("cache-control: max-age=60").await;
    let mut body = soon("the head", world.begin("GET", "/", ""))
        .await
        .into_body();
    for part in ["0123456", "789abcd", "efg", "hij"] {
        send.send(data(part)).unwrap();
        let frame = soon("a part", body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "1".parse().unwrap());
    send.send(Ok(Frame::trailers(trailers.clone()))).unwrap();
    let last = soon("trailers", body.frame()).await.unwrap().unwrap();
    assert_eq!(last.into_trailers().unwrap(), trailers);
    drop(send);
    assert!(soon("the end", body.frame()).await.is_none());
    assert!(!world.get("/").await.is_hit());
}

#[tokio::test]
async fn a_body_of_just_the_limit_is_stored_and_one_more_is_not() {
    let of = async |body: &'static str| {
        let world = World::with(|larder| {
            HttpCacheLayer::standard(larder)
                .max_body(10)
                .build()
                .unwrap()
        })
        .await;
        world.origin.answers(200, "cache-control: max-age=60", body);
        assert_eq!(world.get("/").await.body, body);
        let again = world.get("/").await;
        assert_eq!(again.body, body);
        again.is_hit()
    };
    assert!(of("0123456789").await);
    assert!(of("").await);
    assert!(!of("0123456789a").await);
}

#[tokio::test]
async fn a_body_of_a_mebibyte_is_stored_as_it_is() {
    let world = World::standard().await;
    let body: &'static str = "x".repeat(1 << 20).leak();
    world.origin.answers(200, "cache-control: max-age=60", body);
    for is_hit in [false, true] {
        let answer = world.get("/").await;
        assert!(answer.body == body && answer.is_hit() == is_hit);
    }
}

#[tokio::test]
async fn one_that_says_that_it_is_too_long_is_not_even_read() {
    let (world, send) = streaming("cache-control: max-age=60\ncontent-length: 11").await;
    let response = soon("the head", world.begin("GET", "/", "")).await;
    let status = response.headers()["cache-status"].to_str().unwrap();
    assert!(status.ends_with("detail=too-large"), "{status}");
    drop(send);
}

#[tokio::test]
async fn an_origin_that_lies_about_its_length_has_nothing_stored() {
    for (says, sent) in [("5", "four"), ("5", "sixsix"), ("0", "x")] {
        let world = World::standard().await;
        world.origin.answers(
            200,
            &format!("cache-control: max-age=60\ncontent-length: {says}"),
            sent,
        );
        world.get("/").await;
        let again = world.get("/").await;
        assert!(!again.is_hit(), "{says} {sent}");
        assert_eq!(world.origin.times(), 2);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_stored_and_breaks_off_for_the_client() {
    let (world, send) = streaming("cache-control: max-age=60").await;
    let body = soon("the head", world.begin("GET", "/", ""))
        .await
        .into_body();
    send.send(data("half")).unwrap();
    send.send(Err(std::io::Error::other("gone"))).unwrap();
    let error = soon("the end", body.collect()).await.unwrap_err();
    assert!(error.to_string().contains("gone"), "{error}");
    world
        .origin
        .answers(200, "cache-control: max-age=60", "whole");
    assert_eq!(world.get("/").await.body, "whole");
}

/// Panics after its first part.
struct Panics(bool);

impl http_body::Body for Panics {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        assert!(!self.0, "a bug in a handler");
        self.0 = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"half")))))
    }
}

#[tokio::test]
async fn a_handler_that_panics_in_its_body_leaves_nothing_stored_and_nobody_waiting() {
    let world = World::standard().await;
    world.origin.does(|_| async {
        let response = Response::builder().header("cache-control", "max-age=60");
        response.body(Body::new(Panics(false))).unwrap()
    });
    let body = soon("the head", world.begin("GET", "/", ""))
        .await
        .into_body();
    assert!(soon("the end", body.collect()).await.is_err());
    world
        .origin
        .answers(200, "cache-control: max-age=60", "whole");
    assert_eq!(soon("the next", world.get("/")).await.body, "whole");
    assert!(world.get("/").await.is_hit());
}

#[tokio::test]
async fn a_handler_that_panics_is_an_error_of_one_request() {
    let world = World::standard().await;
    world
        .origin
        .does(|_| async { panic!("a bug in a handler") });
    let answer = soon("an answer", world.get("/")).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(
        answer.cache_status().ends_with("detail=panicked"),
        "{}",
        answer.cache_status()
    );
    world
        .origin
        .answers(200, "cache-control: max-age=60", "whole");
    assert_eq!(soon("the next", world.get("/")).await.body, "whole");
}

#[tokio::test]
async fn a_client_that_leaves_leaves_the_response_to_be_stored() {
    let (world, send) = streaming("cache-control: max-age=60").await;
    let response = soon("the head", world.begin("GET", "/", "")).await;
    send.send(data("one")).unwrap();
    drop(response);
    send.send(data("two")).unwrap();
    drop(send);
    let hit = soon("the stored one", world.get("/")).await;
    assert_eq!(hit.body, "onetwo");
    assert_eq!(world.origin.times(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_a_body_over_the_limit_ends_it() {
    let (world, send) = streaming("cache-control: max-age=60").await;
    drop(soon("the head", world.begin("GET", "/", "")).await);
    send.send(data("0123456789abcdef")).unwrap();
    eventually("the origin's body is dropped", async || send.is_closed()).await;
}

#[tokio::test]
async fn a_body_that_takes_too_long_goes_on_for_its_client() {
    let (send, receive) = mpsc::unbounded_channel();
    let larder = larder::Larder::in_memory().await.unwrap();
    let layer = HttpCacheLayer::standard(&larder)
        .load_timeout(std::time::Duration::from_millis(50))
        .build()
        .unwrap();
    let world = World::of(
        larder,
        larder::Clock::manual(),
        &layer,
        crate::origin::Origin::new(),
    );
    let body = parking_lot::Mutex::new(Some(receive));
    world.origin.does(move |_| {
        let body = Body::new(Chunks(body.lock().take().unwrap()));
        let response = Response::builder().header("cache-control", "max-age=60");
        async move { response.body(body).unwrap() }
    });
    let mut body = soon("the head", world.begin("GET", "/", ""))
        .await
        .into_body();
    // Who waits for it gives up waiting, and asks itself.
    let waiting = tokio::spawn({
        let world = world.clone();
        async move { world.begin("GET", "/", "").await.status() }
    });
    world
        .origin
        .answers(200, "cache-control: max-age=60", "other");
    assert_eq!(soon("the other", waiting).await.unwrap(), StatusCode::OK);
    send.send(data("late")).unwrap();
    assert_eq!(
        soon("a part", body.frame())
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap(),
        "late"
    );
    drop(send);
    assert!(soon("the end", body.frame()).await.is_none());
}

#[tokio::test]
async fn size_is_told_where_it_is_known() {
    let world = World::standard().await;
    world
        .origin
        .answers(200, "cache-control: max-age=60", "hello");
    for _ in 0..2 {
        let response = world.begin("GET", "/", "").await;
        assert_eq!(http_body::Body::size_hint(response.body()).exact(), Some(5));
        assert_eq!(Answer::of(response).await.body, "hello");
    }
}

#[tokio::test]
async fn a_get_with_a_body_is_not_stored_whatever_its_fields_say() {
    let world = World::standard().await;
    world
        .origin
        .answers(200, "cache-control: max-age=60", "of a body");
    let mut request = http::Request::new(Body::from("evil"));
    *request.uri_mut() = "/".parse().unwrap();
    let host = http::HeaderValue::from_static("a.example");
    request.headers_mut().insert("host", host);
    let answer = world.send_whole(request).await;
    assert_eq!(answer.cache_status(), "larder; fwd=bypass; fwd-status=200");
    world
        .origin
        .answers(200, "cache-control: max-age=60", "of none");
    assert_eq!(world.get("/").await.body, "of none");
}
