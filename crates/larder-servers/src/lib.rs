//! Starts real Valkey and Redis servers for larder's tests and benches.
