//! Stores the responses of HTTP services: a layer for `tower`, and so for axum, hyper and whatever else is
//! built of its services.
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
//!
//! let larder = Larder::in_memory().await?;
//! let cached = HttpCacheLayer::application(&larder).ttl(Duration::from_secs(60)).build()?;
//! let router: Router = Router::new().route("/", get(async || "Hello")).layer(cached);
//! # let _ = router;
//! # Ok(())
//! # }
//! ```
//!
//! [`HttpCacheLayer::application`] is for routes that say how long their responses live,
//! [`HttpCacheLayer::standard`] is a shared cache by RFC 9111. What each does and does not do, section by
//! section, is in the guide's page on HTTP.
//!
//! # How
//!
//! ```text
//!  request ─► plan ─► what is stored ─► rules ─► fresh, or stale and allowed ─► respond
//!              │                          │
//!              │ not for the cache        │ nothing, or not good enough
//!              ▼                          ▼
//!           service                 flight of the key ─► fetch ─► service
//!                                         │                 │ head: to the client, at once
//!                                         │                 │ body: to the client and the collector
//!                                         ▼                 ▼
//!                              who waited: respond ◄── stored value
//! ```
//!
//! - `rules` decides, in plain functions of requests, responses and times; each file is a section of an
//!   RFC, with its tests. Why they are written here is said there.
//! - `plan` is what the builder made: which requests are for the cache, under which key, and which rules
//!   judge a response. The two modes differ here and nowhere else.
//! - `exchange` is a request's way. Flights, leases, tags, tenants and fencing are the cache's own: it calls
//!   [`Entry::lookup_or_spawn_with`](crate::Entry::lookup_or_spawn_with) with a `fetch`.
//! - `fetch` asks the service. It answers its own client over a channel as soon as the head is there, and
//!   then goes on collecting, whether or not the client stays; what it brings is the cache's value.
//! - `body` is what both read from.
//!
//! ## Freshness
//!
//! A stored response has its own terms: lifetime, age when it came, what it forbids. Its age is told by the
//! cache ([`Outcome::age`](crate::Outcome::age)), so no two machines' clocks need to agree (G7). The cache's
//! TTL is what is left of the lifetime, and its stale window as long as the response may be of any use: to
//! stand in for an error, or to be asked about. Whether it is served is the rules' decision.
//!
//! ## Vary
//!
//! Where responses vary, an index lies under the URL's key: by which fields, and a random id. Both make the
//! keys of the variants, so whoever removes the index removes all of them: nothing leads there any more.
//! The first variant is stored before the index is, which is fenced as each fill is (G2). An index is never
//! written otherwise: where a response varies by more than it says, it is removed, and the next response
//! makes a new one.
//!
//! ## What is not stored
//!
//! It is noted under the key for a few seconds, so that requests do not queue up for a response that only
//! one of them can have. A request with `Authorization` makes such a note elsewhere, where only its like
//! look: else one such request could keep everybody's page from being stored. An error leaves no note and
//! what is stored, for when the service has recovered. So does an answer that is one client's alone where a
//! fresh response is stored, which that client did not want: else anyone could take it from all.

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod axum;
mod body;
mod builder;
mod change;
mod exchange;
mod fetch;
mod key;
mod plan;
mod respond;
mod rules;
mod seen;
mod serve;
mod service;
mod stored;

pub use body::CacheBody;
pub use builder::{ApplicationMode, HttpCacheBuilder, StandardMode};
pub use rules::hops::remove_hop_by_hop;
pub use service::{HttpCache, HttpCacheLayer};
