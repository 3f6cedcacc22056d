//! A second tier written by hand, as it usually is: `GET`, `SET … PX`, `DEL`.

use redis::RedisResult;
use redis::aio::MultiplexedConnection;

use super::subject::TTL;
use super::truth::connect;
use crate::Failure;

#[derive(Clone, Debug)]
pub(super) struct Redis(MultiplexedConnection);

impl Redis {
    pub(super) async fn open(url: &str) -> Result<Self, Failure> {
        Ok(Self(connect(url).await?))
    }

    pub(super) async fn get(&self, key: &str) -> RedisResult<Option<u64>> {
        let mut get = redis::cmd("GET");
        get.arg(stored_key(key))
            .query_async(&mut self.0.clone())
            .await
    }

    pub(super) async fn set(&self, key: &str, version: u64) -> RedisResult<()> {
        let mut set = redis::cmd("SET");
        set.arg(stored_key(key)).arg(version);
        set.arg("PX").arg(TTL.as_millis() as u64);
        set.query_async(&mut self.0.clone()).await
    }

    pub(super) async fn delete(&self, key: &str) -> RedisResult<()> {
        let mut delete = redis::cmd("DEL");
        delete
            .arg(stored_key(key))
            .query_async(&mut self.0.clone())
            .await
    }
}

pub(super) fn stored_key(key: &str) -> String {
    format!("fence:{key}")
}

pub(super) fn version_in(stored: &[u8]) -> Option<u64> {
    std::str::from_utf8(stored).ok()?.parse().ok()
}
