//! The HTTP layer, by the sections of RFC 9111 and its companions, and by what services, clients and
//! origins may do to it.

#[path = "../common/mod.rs"]
mod common;

mod application;
#[cfg(feature = "axum")]
mod axum_helpers;
mod bodies;
mod coalescing;
mod counting;
mod faults;
mod invalidation;
mod origin;
mod ranges;
mod rfc5861_stale;
mod rfc9111_3_storing;
mod rfc9111_4_1_vary;
mod rfc9111_4_2_freshness;
mod rfc9111_4_3_validation;
mod rfc9111_5_2_directives;
mod rfc9211_status;
mod rfc9213_targeted;
mod servers;
mod sharing;
