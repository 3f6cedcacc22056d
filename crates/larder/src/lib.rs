//! A typed cache for Rust services: in memory, on Valkey and on Redis.

#[cfg(feature = "json")]
mod any;
mod cache;
pub mod config;
mod entry;
mod error;
mod gate;
pub mod global;
mod health;
pub mod key;
mod larder;
mod load;
mod near;
mod options;
mod outcome;
pub mod remote;
mod space;
mod telemetry;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod time;
mod value;
#[doc(hidden)]
pub mod wire;

#[cfg(feature = "json")]
pub use any::{AnyCache, AnyLoadError};
pub use cache::{Cache, CacheBuilder, NearUsage};
pub use config::{Config, ConfigBuilder};
pub use entry::Entry;
pub use error::Error;
pub use health::{CacheHealth, Health};
pub use key::CacheKey;
pub use larder::{Larder, LarderBuilder};
pub use load::{ForeignError, LoadError};
pub use near::NearCapacity;
pub use options::Coherence;
pub use outcome::{Found, Freshness, Outcome, Source, StaleReason};
pub use telemetry::CacheStats;
pub use time::{Clock, MAX_TTL};
pub use value::CacheValue;
pub use wire::Codec;
