//! The routes of the service.

use std::fmt::Write;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, Json, Path, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use larder::Larder;
use larder::http::HttpCacheLayer;
use larder::http::axum::{TenantLayer, TenantName, health, purge};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::Failure;
use crate::shop::{Product, Shop};

/// Whose request it is. A header says what the client wants it to say: a service that is open to the world
/// takes the tenant from its authentication instead (`TenantLayer::by`).
const SHOP: HeaderName = HeaderName::from_static("x-shop");

pub(crate) fn router(
    shop: &Shop,
    metrics: PrometheusHandle,
    purge_token: Option<&str>,
) -> Result<Router, Failure> {
    // Caches whole responses: status, headers and body. Who asks twice for the catalogue does not even
    // reach the handler.
    let cached = HttpCacheLayer::application(&shop.larder)
        .name("pages")
        .ttl(Duration::from_mins(1))
        .stale(Duration::from_mins(10)) // if the database is away
        .tenant(TenantName::of) // each shop has its own
        .tags(|_request| vec!["catalogue".to_owned()])
        .build()?;

    let mut router = Router::new()
        .route("/products/{id}", get(product).put(put_product))
        .route("/catalogue", get(catalogue).layer(cached))
        // Runs before all routes above it, and tells them and the cache whose request it is.
        .layer(TenantLayer::header(SHOP))
        // Those below are for whoever runs the service, and have no tenant.
        .route("/health", health(&shop.larder))
        .route(
            "/metrics",
            larder::http::axum::metrics(move || metrics.render()),
        );
    if let Some(token) = purge_token {
        router = router.route("/purge", purge(&shop.larder, token)?);
    }
    Ok(router.with_state(shop.clone()))
}

/// `GET /products/1`. Nothing of the cache is to be seen here: it is in `Shop::product`.
async fn product(
    TenantName(name): TenantName, // 400 where there is none
    State(shop): State<Shop>,
    Path(id): Path<u32>,
) -> Result<Json<Product>, Problem> {
    match shop.product(&name, id).await? {
        Some(product) => Ok(Json(product)),
        None => Err(Problem::NotFound),
    }
}

/// `PUT /products/1`
async fn put_product(
    TenantName(name): TenantName,
    State(shop): State<Shop>,
    Path(id): Path<u32>,
    Json(product): Json<Product>,
) -> Result<StatusCode, Problem> {
    shop.put(&name, id, product).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /catalogue`
async fn catalogue(
    TenantName(name): TenantName,
    State(shop): State<Shop>,
) -> Result<Html<String>, Problem> {
    let mut page = String::from("<ul>");
    for Product { name, cents } in shop.products(name).await? {
        let name = name.replace('&', "&amp;").replace('<', "&lt;");
        // Writing to a `String` does not fail.
        let _ = write!(page, "<li>{name}: {}.{:02}</li>", cents / 100, cents % 100);
    }
    page.push_str("</ul>");
    Ok(Html(page))
}

/// With this, a handler can ask for the larder itself as one of its arguments.
impl FromRef<Shop> for Larder {
    fn from_ref(shop: &Shop) -> Self {
        shop.larder.clone()
    }
}

/// What a handler answers when it cannot do what it was asked to.
enum Problem {
    NotFound,
    Failed(Failure),
}

impl From<Failure> for Problem {
    fn from(error: Failure) -> Self {
        Self::Failed(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "no such product").into_response(),
            Self::Failed(error) => {
                eprintln!("a request failed: {error}"); // the client need not know what
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
