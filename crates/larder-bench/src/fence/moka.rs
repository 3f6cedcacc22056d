//! moka's async cache before a second tier written by hand: the usual pattern.

use std::sync::Arc;

use moka::future::Cache;
use redis::{RedisError, RedisResult};

use super::redis::{Redis, stored_key, version_in};
use super::subject::{NEAR_TTL, Tiers};
use crate::Failure;

pub(super) struct OverRedis {
    near: Cache<String, u64>,
    redis: Redis,
}

impl Tiers for OverRedis {
    const NAME: &'static str = "moka+redis";

    async fn open(url: &str) -> Result<Self, Failure> {
        Ok(Self {
            near: Cache::builder().time_to_live(NEAR_TTL).build(),
            redis: Redis::open(url).await?,
        })
    }

    async fn get_or_load(
        &self,
        key: &str,
        load: impl Future<Output = RedisResult<u64>> + Send,
    ) -> Result<u64, Failure> {
        let fetch = async {
            if let Some(version) = self.redis.get(key).await? {
                return Ok(version);
            }
            let version = load.await?;
            self.redis.set(key, version).await?;
            Ok(version)
        };
        let fetched = self.near.try_get_with(key.to_owned(), fetch).await;
        Ok(fetched.map_err(|error: Arc<RedisError>| error.to_string())?)
    }

    async fn get(&self, key: &str) -> Result<Option<u64>, Failure> {
        if let Some(version) = self.near.get(key).await {
            return Ok(Some(version));
        }
        let version = self.redis.get(key).await?;
        if let Some(version) = version {
            self.near.insert(key.to_owned(), version).await;
        }
        Ok(version)
    }

    async fn remove(&self, key: &str) -> Result<(), Failure> {
        self.redis.delete(key).await?;
        self.near.invalidate(key).await;
        Ok(())
    }

    async fn set(&self, key: &str, version: u64) -> Result<(), Failure> {
        self.redis.set(key, version).await?;
        self.near.insert(key.to_owned(), version).await;
        Ok(())
    }

    fn stored_key(key: &str) -> String {
        stored_key(key)
    }

    fn version_in(stored: &[u8]) -> Option<u64> {
        version_in(stored)
    }
}
