//! A small axum service, bare and behind caches.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::routing::get;
use axum_response_cache::CacheLayer;
use larder::Larder;
use larder::http::HttpCacheLayer;
use serde::Serialize;
use tokio::net::TcpListener;

use super::Subject;
use crate::Failure;

/// What the handler's database takes.
const QUERY: Duration = Duration::from_millis(1);
const TTL: Duration = Duration::from_mins(10);

#[derive(Serialize)]
struct Item {
    id: usize,
    name: String,
}

/// A page of 50 items, about 2 KB of JSON, after a query.
pub(super) async fn page() -> impl IntoResponse {
    tokio::time::sleep(QUERY).await;
    let items: Vec<_> = (0..50)
        .map(|id| Item {
            id,
            name: format!("the item with number {id}"),
        })
        .collect();
    let json = serde_json::to_string(&items).unwrap_or_default();
    ([(CACHE_CONTROL, "max-age=600")], json)
}

pub(super) fn router() -> Router {
    Router::new().route("/items", get(page))
}

/// Serves a router on a free port, for as long as the program runs.
pub(super) async fn serve(router: Router) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

pub(super) async fn start() -> Result<Vec<Subject>, Failure> {
    let larder = Larder::in_memory().await?;
    let application = HttpCacheLayer::application(&larder)
        .name("application")
        .ttl(TTL)
        .build()?;
    let standard = HttpCacheLayer::standard(&larder).name("standard").build()?;
    let routers = [
        ("uncached", router()),
        ("larder", router().layer(application)),
        ("larder-standard", router().layer(standard)),
        (
            "axum-response-cache",
            router().layer(CacheLayer::with_lifespan(TTL)),
        ),
    ];
    let mut subjects = Vec::new();
    for (name, router) in routers {
        let address = serve(router).await?;
        subjects.push(Subject {
            name,
            address,
            path: "/items",
        });
    }
    Ok(subjects)
}
