//! For services built with axum: the larder as an argument, tenants, and routes for health, metrics and purges.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use axum::Router;
//! use axum::routing::get;
//! use larder::Larder;
//! use larder::http::HttpCacheLayer;
//! use larder::http::axum::{TenantLayer, TenantName, health, purge};
//!
//! async fn page(TenantName(tenant): TenantName, larder: Larder) -> String {
//!     let pages = larder.cache::<String, String>("pages"); // …
//!     # drop(pages);
//!     format!("Hello, {tenant}")
//! }
//!
//! let larder = Larder::in_memory().await?;
//! let cached = HttpCacheLayer::application(&larder)
//!     .ttl(Duration::from_secs(60))
//!     .tenant(TenantName::of) // a response is one tenant's
//!     .build()?;
//! let token = std::env::var("PURGE_TOKEN").unwrap_or_else(|_| "a long one, kept secret".into());
//! let router: Router = Router::new()
//!     .route("/page", get(page))
//!     .layer(cached)
//!     .layer(TenantLayer::header(http::HeaderName::from_static("x-tenant"))) // runs first
//!     .route("/health", health(&larder))
//!     .route("/purge", purge(&larder, &token)?)
//!     .with_state(larder);
//! # let _ = router;
//! # Ok(())
//! # }
//! ```
//!
//! [`TenantLayer`] goes outside of the cache's layer: where it does not, no response is stored.
//!
//! A header says a tenant that whoever sends the request may choose: it is for services behind a gateway
//! that sets it. Where the tenant is a claim of a token, [`TenantLayer::by`] takes it from where the
//! authentication has left it.

mod health;
mod metrics;
mod purge;
mod tenant;

use std::convert::Infallible;

use ::axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;

use crate::larder::Larder;

pub use health::health;
pub use metrics::metrics;
pub use purge::{PurgeTokenError, purge};
pub use tenant::{NoTenant, SetTenant, TenantLarder, TenantLayer, TenantName};

/// The larder of a router's state, as an argument of a handler.
impl<S> FromRequestParts<S> for Larder
where
    Self: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self::from_ref(state))
    }
}
