//! A route for Prometheus.

use ::axum::http::header::CONTENT_TYPE;
use ::axum::routing::{MethodRouter, get};

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A route that says what `render` does, in the text format of Prometheus: the larder's numbers and the
/// service's own, as the recorder has them that the service installed.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use metrics_exporter_prometheus::PrometheusBuilder;
///
/// let recorder = PrometheusBuilder::new().install_recorder()?; // before the larder is built
/// let router: axum::Router = axum::Router::new()
///     .route("/metrics", larder::http::axum::metrics(move || recorder.render()));
/// # let _ = router;
/// # Ok(())
/// # }
/// ```
pub fn metrics<S>(render: impl Fn() -> String + Clone + Send + Sync + 'static) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    get(async move || ([(CONTENT_TYPE, TEXT)], render()))
}
