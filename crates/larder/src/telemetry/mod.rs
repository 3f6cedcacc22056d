//! What a cache counts about itself, and how that is told.
//!
//! Counting is larder's own, so that it costs a near hit a nanosecond or two and goes on without any exporter. With the
//! feature `metrics` a task of each larder passes it on once a second ([`export`](crate::larder)), and times
//! of loads and of the server's answers are recorded as they come.

mod counter;
mod invalidations;
mod load_times;
#[cfg(feature = "metrics")]
pub(crate) mod names;
mod stats;
#[cfg(feature = "metrics")]
mod timed;

pub(crate) use counter::{Counter, HitCounter, OWN, thread_number};
pub(crate) use invalidations::{Invalidated, Invalidations};
pub(crate) use load_times::LoadTimes;
pub use stats::CacheStats;
pub(crate) use stats::{Counters, Miss};
#[cfg(feature = "metrics")]
pub(crate) use timed::timed;

/// Nothing is timed.
#[cfg(not(feature = "metrics"))]
pub(crate) fn timed(
    remote: std::sync::Arc<dyn crate::remote::Remote>,
) -> std::sync::Arc<dyn crate::remote::Remote> {
    remote
}
