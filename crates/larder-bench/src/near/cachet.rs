//! cachet: one memory tier and no telemetry, which is its quickest form.

use std::sync::Arc;

use cachet::{Cache, CacheEntry};
use tick::Clock;

use super::subject::{Near, Payload};
use crate::Failure;
use crate::workload::Key;

pub(super) struct Memory<K: Key>(Cache<K, Arc<Payload>>);

impl<K: Key> Near<K> for Memory<K> {
    const NAME: &'static str = "cachet";
    type Hit = Arc<Payload>;

    async fn open(capacity: usize) -> Result<Self, Failure> {
        let builder = Cache::builder::<K, Arc<Payload>>(Clock::new_tokio());
        let cache = builder
            .memory_with(|memory| memory.max_capacity(capacity as u64))
            .build();
        Ok(Self(cache))
    }

    async fn put(&self, key: K, value: Payload) -> Result<(), Failure> {
        let entry = CacheEntry::new(Arc::new(value));
        self.0.insert(key, entry).await?;
        Ok(())
    }

    async fn get(&self, key: &K) -> Option<Arc<Payload>> {
        let found = self.0.get(key).await;
        found.ok().flatten().map(CacheEntry::into_value)
    }

    async fn settle(&self) -> Result<usize, Failure> {
        // It has no call that finishes pending work: what a lookup does in passing has to do.
        for n in 0..1000 {
            let _ = self.0.get(&K::number(n)).await;
        }
        Ok(self.0.len().await.unwrap_or_default() as usize)
    }
}
