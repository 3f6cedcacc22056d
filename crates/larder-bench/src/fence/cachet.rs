//! cachet: its memory tier, and as its fallback a tier on the server, written by hand since it has
//! none.

use cachet::{Cache, CacheEntry, CacheTier, Error, InsertOutcome};
use redis::RedisResult;
use tick::Clock;

use super::redis::{Redis, stored_key, version_in};
use super::subject::{NEAR_TTL, Tiers};
use crate::Failure;

pub(super) struct OverRedis(Cache<String, u64>);

impl Tiers for OverRedis {
    const NAME: &'static str = "cachet+redis";

    async fn open(url: &str) -> Result<Self, Failure> {
        let clock = Clock::new_tokio();
        let shared = Cache::builder(clock.clone()).storage(Shared(Redis::open(url).await?));
        let near = Cache::builder::<String, u64>(clock).memory().ttl(NEAR_TTL);
        let cache = near.fallback(shared).stampede_protection().build();
        Ok(Self(cache))
    }

    async fn get_or_load(
        &self,
        key: &str,
        load: impl Future<Output = RedisResult<u64>> + Send,
    ) -> Result<u64, Failure> {
        let entry = self.0.try_get_or_insert(key, || load).await?;
        Ok(entry.into_value())
    }

    async fn get(&self, key: &str) -> Result<Option<u64>, Failure> {
        Ok(self.0.get(key).await?.map(CacheEntry::into_value))
    }

    async fn remove(&self, key: &str) -> Result<(), Failure> {
        Ok(self.0.invalidate(key).await?)
    }

    async fn set(&self, key: &str, version: u64) -> Result<(), Failure> {
        self.0.insert(key.to_owned(), version).await?;
        Ok(())
    }

    fn stored_key(key: &str) -> String {
        stored_key(key)
    }

    fn version_in(stored: &[u8]) -> Option<u64> {
        version_in(stored)
    }
}

#[derive(Debug)]
struct Shared(Redis);

impl CacheTier<String, u64> for Shared {
    async fn get(&self, key: &String) -> Result<Option<CacheEntry<u64>>, Error> {
        let version = self.0.get(key).await.map_err(Error::from_source)?;
        Ok(version.map(CacheEntry::new))
    }

    async fn insert(&self, key: String, entry: CacheEntry<u64>) -> Result<InsertOutcome, Error> {
        let version = entry.into_value();
        self.0
            .set(&key, version)
            .await
            .map_err(Error::from_source)?;
        Ok(InsertOutcome::Accepted)
    }

    async fn invalidate(&self, key: &String) -> Result<(), Error> {
        self.0.delete(key).await.map_err(Error::from_source)
    }

    async fn clear(&self) -> Result<(), Error> {
        Err(Error::from_message("nothing here is cleared"))
    }
}
