//! Who reads or loads a thousand keys, and how.

use std::convert::Infallible;
use std::pin::Pin;

use futures_util::future::join_all;
use larder::Cache;
use redis::aio::MultiplexedConnection;

use super::{KEYS, LENGTH, STORED};
use crate::Failure;
use crate::remote::Entries;
use crate::workload::Random;

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

pub(super) trait Subject: Send {
    fn name(&self) -> &'static str;

    /// What a batch needs and is not measured.
    fn prepare(&mut self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    /// One batch; how many keys it brought.
    fn batch(&mut self) -> Answer<'_, usize>;
}

/// Where a batch of neighbouring keys begins.
fn somewhere() -> usize {
    thread_local! {
        static RANDOM: std::cell::RefCell<Random> = const { std::cell::RefCell::new(Random(7)) };
    }
    RANDOM.with_borrow_mut(|random| random.below(STORED - KEYS))
}

/// larder's `get_many`, with its near tier off.
pub(super) struct Many(pub(super) Entries);

impl Subject for Many {
    fn name(&self) -> &'static str {
        "larder"
    }

    fn batch(&mut self) -> Answer<'_, usize> {
        Box::pin(async {
            let from = somewhere() as u64;
            let keys: Vec<u64> = (from..from + KEYS as u64).collect();
            let found = self.0.cache.get_many(&keys).await;
            let whole = found.values().filter(|value| value.len() == LENGTH);
            Ok(whole.count())
        })
    }
}

/// The `redis` crate alone: an `MGET` of the same keys, whose answer is not decoded.
pub(super) struct Bare {
    connection: MultiplexedConnection,
    entries: Entries,
}

impl Bare {
    pub(super) fn new(connection: MultiplexedConnection, entries: Entries) -> Self {
        Self {
            connection,
            entries,
        }
    }
}

impl Subject for Bare {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn batch(&mut self) -> Answer<'_, usize> {
        Box::pin(async {
            let from = somewhere();
            let mut get = redis::cmd("MGET");
            for key in &self.entries.keys[from..from + KEYS] {
                get.arg(key);
            }
            let values: Vec<Option<Vec<u8>>> = get.query_async(&mut self.connection).await?;
            let length = self.entries.stored.len();
            let whole = values
                .iter()
                .flatten()
                .filter(|value| value.len() == length);
            Ok(whole.count())
        })
    }
}

/// Batches of new keys, every other of which is stored beforehand.
struct Halves {
    cache: Cache<u64, String>,
    next: u64,
}

impl Halves {
    async fn store(&mut self) -> Result<(), Failure> {
        self.next += KEYS as u64;
        let stored = self.keys().into_iter().step_by(2);
        self.cache
            .set_many(stored.map(|key| (key, value())))
            .await?;
        Ok(())
    }

    fn keys(&self) -> Vec<u64> {
        (self.next..self.next + KEYS as u64).collect()
    }
}

fn value() -> String {
    ('a'..='z').cycle().take(LENGTH).collect()
}

/// All with one call.
pub(super) struct Batched(Halves);

impl Batched {
    pub(super) fn new(cache: Cache<u64, String>) -> Self {
        Self(Halves { cache, next: 0 })
    }
}

impl Subject for Batched {
    fn name(&self) -> &'static str {
        "larder"
    }

    fn prepare(&mut self) -> Answer<'_, ()> {
        Box::pin(self.0.store())
    }

    fn batch(&mut self) -> Answer<'_, usize> {
        Box::pin(async {
            let load = async |missing: Vec<u64>| {
                Ok::<_, Infallible>(missing.into_iter().map(|key| (key, value())))
            };
            let all = self.0.cache.get_or_load_many(&self.0.keys(), load).await?;
            Ok(all.len())
        })
    }
}

/// Each key with a call of its own, all at once.
pub(super) struct OneByOne(Halves);

impl OneByOne {
    pub(super) fn new(cache: Cache<u64, String>) -> Self {
        // Other keys than the batches have.
        let next = 1 << 40;
        Self(Halves { cache, next })
    }
}

impl Subject for OneByOne {
    fn name(&self) -> &'static str {
        "larder-singles"
    }

    fn prepare(&mut self) -> Answer<'_, ()> {
        Box::pin(self.0.store())
    }

    fn batch(&mut self) -> Answer<'_, usize> {
        Box::pin(async {
            let keys = self.0.keys();
            let calls = keys.iter().map(async |key| {
                let load = async || Ok::<_, Infallible>(value());
                self.0.cache.get_or_load(key, load).await.is_ok()
            });
            let all = join_all(calls).await;
            Ok(all.into_iter().filter(|found| *found).count())
        })
    }
}
