//! moka: its async cache, without a TTL and with one.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::subject::{Near, Payload};
use crate::Failure;
use crate::workload::Key;

/// Its default: entries live until they are evicted.
pub(super) struct Plain<K: Key>(Cache<K, Arc<Payload>>);

impl<K: Key> Near<K> for Plain<K> {
    const NAME: &'static str = "moka";
    type Hit = Arc<Payload>;

    async fn open(capacity: usize) -> Result<Self, Failure> {
        Ok(Self(Cache::new(capacity as u64)))
    }

    async fn put(&self, key: K, value: Payload) -> Result<(), Failure> {
        self.0.insert(key, Arc::new(value)).await;
        Ok(())
    }

    fn get(&self, key: &K) -> impl Future<Output = Option<Arc<Payload>>> + Send {
        self.0.get(key)
    }

    async fn settle(&self) -> Result<usize, Failure> {
        self.0.run_pending_tasks().await;
        Ok(self.0.entry_count() as usize)
    }
}

/// With a TTL, as larder always has one.
pub(super) struct WithTtl<K: Key>(Cache<K, Arc<Payload>>);

impl<K: Key> Near<K> for WithTtl<K> {
    const NAME: &'static str = "moka-ttl";
    type Hit = Arc<Payload>;

    async fn open(capacity: usize) -> Result<Self, Failure> {
        let builder = Cache::builder().max_capacity(capacity as u64);
        Ok(Self(builder.time_to_live(Duration::from_hours(1)).build()))
    }

    async fn put(&self, key: K, value: Payload) -> Result<(), Failure> {
        self.0.insert(key, Arc::new(value)).await;
        Ok(())
    }

    fn get(&self, key: &K) -> impl Future<Output = Option<Arc<Payload>>> + Send {
        self.0.get(key)
    }

    async fn settle(&self) -> Result<usize, Failure> {
        self.0.run_pending_tasks().await;
        Ok(self.0.entry_count() as usize)
    }
}
