//! larder: the whole public API, in memory.

use std::sync::Arc;
use std::time::Duration;

use larder::{Cache, Larder, NearCapacity};

use super::subject::{Near, Payload};
use crate::Failure;
use crate::workload::Key;

const TTL: Duration = Duration::from_hours(1);

async fn open<K: Key>(capacity: NearCapacity) -> Result<Cache<K, Payload>, Failure> {
    let larder = Larder::in_memory().await?;
    let cache = larder.cache("bench").ttl(TTL).near(capacity);
    Ok(cache.weigher(|_, _| size_of::<Payload>() as u64).build()?)
}

/// Capacity in entries.
pub(super) struct InEntries<K: Key>(Cache<K, Payload>);

impl<K: Key> Near<K> for InEntries<K> {
    const NAME: &'static str = "larder";
    type Hit = Arc<Payload>;

    async fn open(capacity: usize) -> Result<Self, Failure> {
        Ok(Self(open(NearCapacity::Entries(capacity as u64)).await?))
    }

    async fn put(&self, key: K, value: Payload) -> Result<(), Failure> {
        Ok(self.0.set(&key, value).await?)
    }

    fn get(&self, key: &K) -> impl Future<Output = Option<Arc<Payload>>> + Send {
        self.0.get(key)
    }

    async fn settle(&self) -> usize {
        self.0.near_usage().entries as usize
    }
}

/// Capacity in bytes, as by default; each value weighs its size.
pub(super) struct InBytes<K: Key>(Cache<K, Payload>);

impl<K: Key> Near<K> for InBytes<K> {
    const NAME: &'static str = "larder-bytes";
    type Hit = Arc<Payload>;

    async fn open(capacity: usize) -> Result<Self, Failure> {
        let weight = size_of::<Payload>() as u64 + NearCapacity::ENTRY_OVERHEAD;
        let bytes = NearCapacity::Bytes(capacity as u64 * weight);
        Ok(Self(open(bytes).await?))
    }

    async fn put(&self, key: K, value: Payload) -> Result<(), Failure> {
        Ok(self.0.set(&key, value).await?)
    }

    fn get(&self, key: &K) -> impl Future<Output = Option<Arc<Payload>>> + Send {
        self.0.get(key)
    }

    async fn settle(&self) -> usize {
        self.0.near_usage().entries as usize
    }
}
