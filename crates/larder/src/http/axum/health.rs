//! A route that says how a larder is.

use ::axum::http::StatusCode;
use ::axum::response::{IntoResponse, Response};
use ::axum::routing::{MethodRouter, get};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;

use crate::health::{Health, NearTrust};
use crate::larder::Larder;

/// A route that says how the larder is, as JSON: `status`, which is `ok`, `degraded`, `disabled` or
/// `closed`, and what is wrong. It is 200 as long as the service can do its work, also without the
/// server, and 503 once the larder is closed. It names no keys and no addresses.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), larder::Error> {
/// # let larder = larder::Larder::in_memory().await?;
/// let router: axum::Router = axum::Router::new()
///     .route("/health", larder::http::axum::health(&larder));
/// # let _ = router;
/// # Ok(())
/// # }
/// ```
pub fn health<S: Clone + Send + Sync + 'static>(larder: &Larder) -> MethodRouter<S> {
    let larder = larder.clone();
    get(async move || answer(&larder.health().await))
}

#[derive(Serialize)]
struct Answer {
    status: &'static str,
    /// Which kind of server answers.
    server: Option<String>,
    round_trip_ms: Option<f64>,
    /// Whether this process's memory is known to be current.
    near_trusted: bool,
    pending_writes: usize,
}

fn answer(health: &Health) -> Response {
    let status = if health.closed {
        "closed"
    } else if !health.enabled {
        "disabled"
    } else if health.is_degraded() {
        "degraded"
    } else {
        "ok"
    };
    let server = health.remote.server.as_ref();
    let answer = Answer {
        status,
        server: server.map(|server| server.kind.clone()),
        round_trip_ms: health
            .remote
            .round_trip
            .map(|time| time.as_secs_f64() * 1e3),
        near_trusted: !matches!(health.near, NearTrust::Untrusted { .. }),
        pending_writes: health.pending_writes,
    };
    let code = if health.closed {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    match serde_json::to_string(&answer) {
        Ok(json) => (code, headers, json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
