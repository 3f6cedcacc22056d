//! A typed cache for Rust services: in memory, on Valkey and on Redis.

#[doc(hidden)]
pub mod wire;
