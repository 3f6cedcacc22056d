//! A typed cache for Rust services: in memory, on Valkey and on Redis.

pub mod config;
