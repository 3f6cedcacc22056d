//! What a cache counts about itself.

mod counter;
mod stats;

pub(crate) use counter::{Counter, HitCounter, OWN, thread_number};
pub use stats::CacheStats;
pub(crate) use stats::{Counters, Miss};
