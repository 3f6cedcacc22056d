//! foyer's memory cache, with its defaults. Its entries are counted references, so the value is
//! stored as it is.

use foyer_memory::{Cache, CacheBuilder, CacheEntry};

use super::subject::{Near, Payload};
use crate::Failure;
use crate::workload::Key;

pub(super) struct Memory<K: Key>(Cache<K, Payload>);

impl<K: Key> Near<K> for Memory<K> {
    const NAME: &'static str = "foyer";
    type Hit = CacheEntry<K, Payload>;

    async fn open(capacity: usize) -> Result<Self, Failure> {
        Ok(Self(CacheBuilder::new(capacity).build()))
    }

    async fn put(&self, key: K, value: Payload) -> Result<(), Failure> {
        self.0.insert(key, value);
        Ok(())
    }

    async fn get(&self, key: &K) -> Option<CacheEntry<K, Payload>> {
        self.0.get(key)
    }

    async fn settle(&self) -> Result<usize, Failure> {
        Ok(self.0.entries())
    }
}
