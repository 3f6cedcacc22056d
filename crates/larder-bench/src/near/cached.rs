//! `cached`: its macro, and its sharded store used directly.

use std::sync::Arc;

use cached::ShardedLruCache;
use cached::macros::cached;

use super::CAPACITY;
use super::subject::{Near, Payload};
use crate::Failure;
use crate::workload::Key;

// The macro makes one function one cache, and its capacity a literal.
const _: () = assert!(CAPACITY == 150_000);

#[cached(max_size = 150_000, key = "String", convert = { key.to_owned() })]
async fn by_string(key: &str, value: Option<Arc<Payload>>) -> Option<Arc<Payload>> {
    let _ = key;
    std::future::ready(value).await
}

#[cached(max_size = 150_000, key = "u64", convert = { key })]
async fn by_int(key: u64, value: Option<Arc<Payload>>) -> Option<Arc<Payload>> {
    let _ = key;
    std::future::ready(value).await
}

/// `#[cached]` on an async function. `None` is not cached, so a call without a value looks up.
pub(super) struct Macro;

impl Near<String> for Macro {
    const NAME: &'static str = "cached";
    type Hit = Arc<Payload>;

    async fn open(_capacity: usize) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn put(&self, key: String, value: Payload) -> Result<(), Failure> {
        by_string(&key, Some(Arc::new(value))).await;
        Ok(())
    }

    fn get(&self, key: &String) -> impl Future<Output = Option<Arc<Payload>>> + Send {
        by_string(key, None)
    }

    async fn settle(&self) -> Result<usize, Failure> {
        Ok(0)
    }
}

impl Near<u64> for Macro {
    const NAME: &'static str = "cached";
    type Hit = Arc<Payload>;

    async fn open(_capacity: usize) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn put(&self, key: u64, value: Payload) -> Result<(), Failure> {
        by_int(key, Some(Arc::new(value))).await;
        Ok(())
    }

    fn get(&self, key: &u64) -> impl Future<Output = Option<Arc<Payload>>> + Send {
        by_int(*key, None)
    }

    async fn settle(&self) -> Result<usize, Failure> {
        Ok(0)
    }
}

/// The store behind `#[concurrent_cached(max_size = …)]`.
pub(super) struct Sharded<K: Key>(ShardedLruCache<K, Arc<Payload>>);

impl<K: Key> Near<K> for Sharded<K> {
    const NAME: &'static str = "cached-sharded";
    type Hit = Arc<Payload>;

    async fn open(capacity: usize) -> Result<Self, Failure> {
        let builder = ShardedLruCache::builder().max_size(capacity);
        Ok(Self(builder.build()?))
    }

    async fn put(&self, key: K, value: Payload) -> Result<(), Failure> {
        self.0.set(key, Arc::new(value));
        Ok(())
    }

    async fn get(&self, key: &K) -> Option<Arc<Payload>> {
        self.0.get(key)
    }

    async fn settle(&self) -> Result<usize, Failure> {
        Ok(self.0.len())
    }
}
