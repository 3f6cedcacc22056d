//! Real axum and hyper servers, and a client that speaks over sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use larder::Larder;
use larder::http::HttpCacheLayer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::common::soon;
use crate::origin::Answer;

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn client() -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn ask(address: SocketAddr, path: &str) -> Answer {
    let uri = format!("http://{address}{path}");
    let response = client()
        .request(Request::get(uri).body(Body::empty()).unwrap())
        .await
        .unwrap();
    Answer::of(response).await
}

#[tokio::test]
async fn an_axum_router_answers_from_the_cache() {
    let larder = Larder::in_memory().await.unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let handler = move || {
        let runs = counted.fetch_add(1, Ordering::SeqCst);
        async move { ([("x-run", runs.to_string())], format!("page {runs}")) }
    };
    let layer = HttpCacheLayer::application(&larder)
        .ttl(Duration::from_mins(1))
        .build()
        .unwrap();
    let router = Router::new().route("/page", get(handler)).layer(layer);
    let address = serve(router).await;
    for _ in 0..3 {
        let answer = soon("an answer", ask(address, "/page")).await;
        assert_eq!((&*answer.body, answer.header("x-run")), ("page 0", "0"));
        assert_eq!(answer.header("content-length"), "6");
    }
    assert!(ask(address, "/page").await.is_hit());
    assert_eq!(ask(address, "/none").await.status, StatusCode::NOT_FOUND);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn nested_routers_with_paths_alike_are_told_apart() {
    let larder = Larder::in_memory().await.unwrap();
    let layer = HttpCacheLayer::application(&larder)
        .ttl(Duration::from_mins(1))
        .build()
        .unwrap();
    let inner = |name: &'static str| {
        Router::new()
            .route("/users", get(move || async move { name }))
            .layer(layer.clone())
    };
    let router = Router::new()
        .nest("/one", inner("one"))
        .nest("/two", inner("two"));
    let address = serve(router).await;
    for _ in 0..2 {
        for name in ["one", "two"] {
            let answer = soon("an answer", ask(address, &format!("/{name}/users"))).await;
            assert_eq!(answer.body, name);
        }
    }
    assert!(ask(address, "/two/users").await.is_hit());
}

/// An origin of raw bytes: whatever `answer` says, to each connection, which it then closes.
async fn raw(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

/// A cache that asks `origin` over a socket.
async fn before(origin: SocketAddr) -> SocketAddr {
    let larder = Larder::in_memory().await.unwrap();
    let forward = tower::service_fn(move |request: Request<Body>| async move {
        let uri = format!("http://{origin}{}", request.uri().path());
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let response = client().request(request).await;
        Ok::<_, std::convert::Infallible>(match response {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                let mut response = http::Response::new(Body::from(error.to_string()));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        })
    });
    let layer = HttpCacheLayer::standard(&larder).build().unwrap();
    serve(Router::new().fallback_service(layer.around(forward))).await
}

#[tokio::test]
async fn an_origin_that_breaks_off_has_nothing_stored() {
    let origin =
        raw("HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 10\r\n\r\nhalf").await;
    let cache = before(origin).await;
    for _ in 0..2 {
        let mut stream = TcpStream::connect(cache).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        let _ = soon("the end", stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        assert!(
            answer.contains("content-length: 10") && answer.ends_with("half"),
            "{answer}"
        );
        assert!(!answer.contains("; hit"), "{answer}");
    }
}

#[tokio::test]
async fn an_origin_that_sends_more_than_it_says_is_cut() {
    let origin = raw("HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 4\r\nconnection: close\r\n\r\nhalfmore").await;
    let cache = before(origin).await;
    for _ in 0..2 {
        assert_eq!(soon("an answer", ask(cache, "/")).await.body, "half");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_the_cache_whole() {
    let larder = Larder::in_memory().await.unwrap();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (runs, wait) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&gate));
    let counted = Arc::clone(&runs);
    let handler = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let wait = Arc::clone(&wait);
        async move {
            wait.acquire().await.unwrap().forget();
            "hello"
        }
    };
    let layer = HttpCacheLayer::application(&larder)
        .ttl(Duration::from_mins(1))
        .build()
        .unwrap();
    let address = serve(Router::new().route("/", get(handler)).layer(layer)).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    crate::common::eventually("the handler runs", async || {
        runs.load(Ordering::SeqCst) == 1
    })
    .await;
    drop(stream);
    gate.add_permits(1);
    // What it had asked for is stored, and the handler does not run again.
    assert_eq!(soon("an answer", ask(address, "/")).await.body, "hello");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}
