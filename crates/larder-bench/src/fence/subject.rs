//! What a cache of two tiers has to be able to do.

use std::time::Duration;

use redis::RedisResult;

use super::BOUND;
use crate::Failure;

/// How long values live on the server.
pub(super) const TTL: Duration = Duration::from_mins(10);
/// How long peers keep values in memory: nobody tells them of changes, so this is what bounds how
/// old their answers are.
pub(super) const NEAR_TTL: Duration = BOUND;

/// One process's cache: memory, and a server that it shares. Values are versions.
pub(super) trait Tiers: Send + Sync + Sized + 'static {
    const NAME: &'static str;

    fn open(url: &str) -> impl Future<Output = Result<Self, Failure>> + Send;

    fn get_or_load(
        &self,
        key: &str,
        load: impl Future<Output = RedisResult<u64>> + Send,
    ) -> impl Future<Output = Result<u64, Failure>> + Send;

    fn get(&self, key: &str) -> impl Future<Output = Result<Option<u64>, Failure>> + Send;

    fn remove(&self, key: &str) -> impl Future<Output = Result<(), Failure>> + Send;

    fn set(&self, key: &str, version: u64) -> impl Future<Output = Result<(), Failure>> + Send;

    /// The key on the server.
    fn stored_key(key: &str) -> String;

    /// The version in what the server holds.
    fn version_in(stored: &[u8]) -> Option<u64>;
}
