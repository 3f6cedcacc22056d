//! The caches and their policies, behind one request: look up, and where nothing is there, store.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use larder::bounded::Eviction;
use larder::{Cache, Larder, NearCapacity};
use tokio::runtime::Runtime;

use crate::Failure;

/// What a cache holds: behind an `Arc`, so that a hit clones no more than that.
type Value = Arc<u64>;

/// A cache, driven through its public API.
trait Policy: Send + Sync + 'static {
    /// Whether the key was there. If not, it is now.
    fn request(&self, key: u64) -> impl Future<Output = bool> + Send;
}

/// A cache whose requests are driven together, so that no call is boxed.
pub(super) trait Driven: Send + Sync {
    /// How many of the requests were hits.
    fn drive(&self, runtime: &Runtime, keys: &[u64]) -> u64;
}

impl<P: Policy> Driven for P {
    fn drive(&self, runtime: &Runtime, keys: &[u64]) -> u64 {
        runtime.block_on(async {
            let mut hits = 0;
            for key in keys {
                hits += u64::from(self.request(*key).await);
            }
            hits
        })
    }
}

/// What opens an empty cache of so many entries.
type Open = Box<dyn Fn(&Runtime, u64) -> Result<Box<dyn Driven>, Failure>>;

/// The subjects with their names, larder's first.
pub(super) fn all() -> Vec<(&'static str, Open)> {
    let ours = Eviction::ALL.map(|eviction| (name(eviction), larder(eviction)));
    let mut all = Vec::from(ours);
    all.push(("quick_cache", open(quick_cache::sync::Cache::new)));
    all.push((
        "moka",
        open(|capacity| moka::future::Cache::new(capacity as u64)),
    ));
    all.push(("foyer-lru", foyer(foyer_memory::LruConfig::default())));
    all.push(("foyer-lfu", foyer(foyer_memory::LfuConfig::default())));
    all.push(("foyer-fifo", foyer(foyer_memory::FifoConfig::default())));
    all.push(("foyer-s3fifo", foyer(foyer_memory::S3FifoConfig::default())));
    all.push(("foyer-sieve", foyer(foyer_memory::SieveConfig)));
    all
}

fn name(eviction: Eviction) -> &'static str {
    match eviction {
        Eviction::Default => "larder",
        Eviction::Fifo => "larder-fifo",
        Eviction::Lifo => "larder-lifo",
        Eviction::Lru => "larder-lru",
        Eviction::Mru => "larder-mru",
        Eviction::Lfu => "larder-lfu",
        Eviction::Sieve => "larder-sieve",
        Eviction::S3Fifo => "larder-s3fifo",
        Eviction::WTinyLfu => "larder-wtinylfu",
        _ => "larder-other",
    }
}

fn open<P: Policy>(new: impl Fn(usize) -> P + 'static) -> Open {
    Box::new(move |_, capacity| Ok(Box::new(new(usize::try_from(capacity)?))))
}

fn foyer(config: impl Into<foyer_memory::EvictionConfig> + Clone + 'static) -> Open {
    open(move |capacity| {
        let builder = foyer_memory::CacheBuilder::new(capacity).with_shards(1);
        builder.with_eviction_config(config.clone()).build() as foyer_memory::Cache<u64, u64>
    })
}

fn larder(eviction: Eviction) -> Open {
    Box::new(move |runtime, capacity| {
        let cache: Cache<u64, u64> = runtime.block_on(async {
            let cache = Larder::in_memory().await?.cache("policies");
            let cache = cache.ttl(Duration::from_hours(1));
            cache
                .near(NearCapacity::Entries(capacity))
                .eviction(eviction)
                .build()
        })?;
        Ok(Box::new(cache))
    })
}

impl Policy for Cache<u64, u64> {
    async fn request(&self, key: u64) -> bool {
        let is_hit = self.get(&key).await.map(black_box).is_some();
        // The key is one that can be stored.
        is_hit || self.set(&key, key).await.is_err()
    }
}

impl Policy for quick_cache::sync::Cache<u64, Value> {
    async fn request(&self, key: u64) -> bool {
        let is_hit = self.get(&key).map(black_box).is_some();
        if !is_hit {
            self.insert(key, Arc::new(key));
        }
        is_hit
    }
}

impl Policy for moka::future::Cache<u64, Value> {
    async fn request(&self, key: u64) -> bool {
        let is_hit = self.get(&key).await.map(black_box).is_some();
        if !is_hit {
            self.insert(key, Arc::new(key)).await;
        }
        is_hit
    }
}

/// Its entries are counted references themselves.
impl Policy for foyer_memory::Cache<u64, u64> {
    async fn request(&self, key: u64) -> bool {
        let is_hit = self.get(&key).map(black_box).is_some();
        if !is_hit {
            self.insert(key, key);
        }
        is_hit
    }
}
