//! larder: the whole public API, near tiers kept in step by pushes, as by default.

use larder::wire::Envelope;
use larder::{Cache, Config, Larder};
use redis::RedisResult;

use super::subject::{TTL, Tiers};
use crate::Failure;
use crate::member::trusted;

pub(super) struct Pushed {
    cache: Cache<String, u64>,
    _larder: Larder,
}

impl Tiers for Pushed {
    const NAME: &'static str = "larder";

    async fn open(url: &str) -> Result<Self, Failure> {
        let larder = Larder::with(Config::builder().url(url).build()?).await?;
        let cache = larder.cache("fence").ttl(TTL).build()?;
        trusted(&larder).await?;
        Ok(Self {
            cache,
            _larder: larder,
        })
    }

    async fn get_or_load(
        &self,
        key: &str,
        load: impl Future<Output = RedisResult<u64>> + Send,
    ) -> Result<u64, Failure> {
        Ok(*self.cache.get_or_load(key, || load).await?)
    }

    async fn get(&self, key: &str) -> Result<Option<u64>, Failure> {
        Ok(self.cache.get(key).await.map(|version| *version))
    }

    async fn remove(&self, key: &str) -> Result<(), Failure> {
        self.cache.remove(key).await?;
        Ok(())
    }

    async fn set(&self, key: &str, version: u64) -> Result<(), Failure> {
        Ok(self.cache.set(key, version).await?)
    }

    fn stored_key(key: &str) -> String {
        format!("cache:fence:{key}")
    }

    fn version_in(stored: &[u8]) -> Option<u64> {
        let envelope = Envelope::parse(stored).ok()?;
        serde_json::from_slice(envelope.payload).ok()
    }
}
