//! larder: the whole public API, in memory, and in memory beside a server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use larder::{Cache, Coherence, Config, Larder, NearCapacity};
use larder_servers::{Kind, Server};
use tokio::task::JoinSet;

use super::subject::{Near, Payload};
use crate::Failure;
use crate::member::trusted;
use crate::workload::{KEYS, Key};

/// Writes to the server that are under way together.
const WRITERS: usize = 64;
/// How often all keys are read until all are in memory: the pushes of their writes come meanwhile.
const PASSES: usize = 10;
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

    async fn settle(&self) -> Result<usize, Failure> {
        Ok(self.0.near_usage().entries as usize)
    }
}

/// The same with a curve of its hit rate by size.
pub(super) struct WithCurve<K: Key>(Cache<K, Payload>);

impl<K: Key> Near<K> for WithCurve<K> {
    const NAME: &'static str = "larder-curve";
    type Hit = Arc<Payload>;

    async fn open(capacity: usize) -> Result<Self, Failure> {
        let larder = Larder::in_memory().await?;
        let cache = larder.cache("bench").ttl(TTL);
        let cache = cache.near(NearCapacity::Entries(capacity as u64));
        Ok(Self(cache.miss_ratio_curve().build()?))
    }

    async fn put(&self, key: K, value: Payload) -> Result<(), Failure> {
        Ok(self.0.set(&key, value).await?)
    }

    fn get(&self, key: &K) -> impl Future<Output = Option<Arc<Payload>>> + Send {
        self.0.get(key)
    }

    async fn settle(&self) -> Result<usize, Failure> {
        Ok(self.0.near_usage().entries as usize)
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

    async fn settle(&self) -> Result<usize, Failure> {
        Ok(self.0.near_usage().entries as usize)
    }
}

/// Beside a Valkey that tells of each change; every key was read once, so that memory answers.
pub(super) struct Pushed<K: Key> {
    cache: Cache<K, Payload>,
    to_set: Mutex<Vec<(K, Payload)>>,
    larder: Larder,
    _server: Server,
}

impl<K: Key> Pushed<K> {
    /// Writes what was put, all of it together: one after another would take a minute.
    async fn write(&self) -> Result<(), Failure> {
        let to_set =
            std::mem::take(&mut *self.to_set.lock().unwrap_or_else(PoisonError::into_inner));
        let mut writers = JoinSet::new();
        for part in to_set.chunks(to_set.len().div_ceil(WRITERS).max(1)) {
            let (cache, part) = (self.cache.clone(), part.to_vec());
            writers.spawn(async move {
                for (key, value) in part {
                    cache.set(&key, value).await?;
                }
                Ok::<_, larder::Error>(())
            });
        }
        while let Some(written) = writers.join_next().await {
            written??;
        }
        Ok(())
    }
}

impl<K: Key> Near<K> for Pushed<K> {
    const NAME: &'static str = "larder-pushed";
    type Hit = Arc<Payload>;

    async fn open(capacity: usize) -> Result<Self, Failure> {
        let server = Server::start(Kind::Valkey)?;
        let larder = Larder::with(Config::builder().url(server.url()).build()?).await?;
        let cache = larder.cache("bench").ttl(TTL);
        let cache = cache.coherence(Coherence::Pushed);
        Ok(Self {
            cache: cache.near(NearCapacity::Entries(capacity as u64)).build()?,
            to_set: Mutex::default(),
            larder,
            _server: server,
        })
    }

    async fn put(&self, key: K, value: Payload) -> Result<(), Failure> {
        let mut to_set = self.to_set.lock().unwrap_or_else(PoisonError::into_inner);
        to_set.push((key, value));
        Ok(())
    }

    fn get(&self, key: &K) -> impl Future<Output = Option<Arc<Payload>>> + Send {
        self.cache.get(key)
    }

    async fn settle(&self) -> Result<usize, Failure> {
        self.write().await?;
        trusted(&self.larder).await?;
        // The server tells of this process's own writes too, so each key is read again.
        for _ in 0..PASSES {
            let before = self.asked_further();
            for n in 0..KEYS {
                self.cache.get(&K::number(n)).await;
            }
            if self.asked_further() == before {
                return Ok(self.cache.near_usage().entries as usize);
            }
        }
        Err(format!("after {PASSES} passes some keys are not in memory").into())
    }

    fn asked_further(&self) -> u64 {
        let stats = self.cache.stats();
        stats.remote_hits + stats.stale_hits()
    }
}
