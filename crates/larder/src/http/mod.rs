//! Stores the responses of HTTP services: a layer for `tower`, and so for axum, hyper and what else is
//! built of its services.
//!
//! Here for a start.

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod axum;
mod body;
mod builder;
mod exchange;
mod fetch;
mod key;
mod plan;
mod respond;
mod rules;
mod service;
mod stored;

pub use body::CacheBody;
pub use builder::{ApplicationMode, HttpCacheBuilder, StandardMode};
pub use rules::hops::remove_hop_by_hop;
pub use service::{HttpCache, HttpCacheLayer};
