//! `quick_cache`: its bare `get`, which is not async. It has no TTL.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::subject::{Near, Payload};
use crate::Failure;
use crate::workload::Key;

pub(super) struct Bare<K: Key>(Cache<K, Arc<Payload>>);

impl<K: Key> Near<K> for Bare<K> {
    const NAME: &'static str = "quick_cache";
    type Hit = Arc<Payload>;

    async fn open(capacity: usize) -> Result<Self, Failure> {
        Ok(Self(Cache::new(capacity)))
    }

    async fn put(&self, key: K, value: Payload) -> Result<(), Failure> {
        self.0.insert(key, Arc::new(value));
        Ok(())
    }

    async fn get(&self, key: &K) -> Option<Arc<Payload>> {
        self.0.get(key)
    }

    async fn settle(&self) -> Result<usize, Failure> {
        Ok(self.0.len())
    }
}
