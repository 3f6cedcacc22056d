//! What was removed is not served to a read that begins afterwards (G2), however hot its key is in
//! other threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use larder::remote::MemoryRemote;
use larder::{Cache, Larder, Strength};
use tokio::runtime::Handle;

const READERS: usize = 3;
const KEYS: u32 = 3;
const ROUNDS: u64 = 60;
/// Reads of each thread in a round: many more than it takes to fill a front, in all rounds together.
const READS: u64 = 300;
const TAG: &str = "hot";

type Numbers = Cache<u32, u64>;

/// Larders that share what they know; the first is read, the last changes.
struct Place(Vec<Larder>);

async fn memory_alone() -> Place {
    Place(vec![Larder::in_memory().await.unwrap()])
}

async fn beside_a_remote(larders: usize) -> Place {
    let store = MemoryRemote::new();
    let mut all = Vec::new();
    for _ in 0..larders {
        let larder = Larder::builder().remote(store.clone()).build();
        all.push(larder.await.unwrap());
    }
    Place(all)
}

fn numbers(larder: &Larder) -> Numbers {
    larder.cache("numbers").build().unwrap()
}

/// What the values are loaded from: its number only grows.
#[derive(Default)]
struct Source {
    now: AtomicU64,
    /// What a read that begins now must know of.
    told: AtomicU64,
    ended: AtomicBool,
}

/// Ends the readers, where the test fails too.
struct End<'a>(&'a Source);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

/// Reads all keys again and again; what it gets lives on until it gets something newer.
async fn read(cache: &Numbers, source: &Source, reads: &AtomicU64) {
    let mut kept: Vec<Option<Arc<u64>>> = vec![None; KEYS as usize];
    while !source.ended.load(Ordering::Relaxed) {
        for (key, kept) in (0..KEYS).zip(&mut kept) {
            let least = source.told.load(Ordering::Acquire);
            let found = if let Some(found) = cache.get(&key).await {
                found
            } else {
                let entry = cache.entry(&key).tags([TAG]);
                let load = async || Ok::<_, String>(source.now.load(Ordering::Acquire));
                entry.get_or_load(load).await.unwrap()
            };
            assert!(*found >= least, "key {key}: {found} after {least}");
            *kept = Some(found);
        }
        reads.fetch_add(1, Ordering::Release);
    }
}

/// Changes the source, then the cache as `change` does, and tells the readers of it: from then on no
/// read may bring anything older.
fn hammer(Place(larders): &Place, change: &impl AsyncFn(&Larder, &Numbers, u64)) {
    let (source, reads) = (Source::default(), [const { AtomicU64::new(0) }; READERS]);
    let (read_by, changed_by) = (&larders[0], &larders[larders.len() - 1]);
    let (theirs, ours) = (numbers(read_by), numbers(changed_by));
    let runtime = Handle::current();
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let _end = End(&source);
            let readers: Vec<_> = reads
                .iter()
                .map(|reads| {
                    let (cache, source, runtime) = (theirs.clone(), &source, runtime.clone());
                    scope.spawn(move || runtime.block_on(read(&cache, source, reads)))
                })
                .collect();
            for round in 1..=ROUNDS {
                for (reads, reader) in reads.iter().zip(&readers) {
                    let enough = reads.load(Ordering::Acquire) + READS;
                    while reads.load(Ordering::Acquire) < enough && !reader.is_finished() {
                        std::thread::yield_now();
                    }
                }
                source.now.store(round, Ordering::Release);
                runtime.block_on(change(changed_by, &ours, round));
                source.told.store(round, Ordering::Release);
            }
        });
    });
    let hits = theirs.stats().near_hits;
    assert!(hits > ROUNDS * READS, "{hits} of the reads were hits");
}

async fn remove(_: &Larder, cache: &Numbers, _: u64) {
    for key in 0..KEYS {
        cache.remove(&key).await.unwrap();
    }
}

async fn replace(_: &Larder, cache: &Numbers, round: u64) {
    for key in 0..KEYS {
        cache.set(&key, round).await.unwrap();
    }
}

async fn invalidate_the_tag(larder: &Larder, _: &Numbers, _: u64) {
    larder.invalidate_tag(TAG).await.unwrap();
}

async fn expire_the_tag(larder: &Larder, _: &Numbers, _: u64) {
    let expired = larder.invalidate_tags([TAG], Strength::Expire);
    expired.await.unwrap();
}

async fn clear_the_cache(_: &Larder, cache: &Numbers, _: u64) {
    cache.clear().await.unwrap();
}

async fn clear_everything(larder: &Larder, _: &Numbers, _: u64) {
    larder.clear().await.unwrap();
}

macro_rules! everywhere {
    ($($change:ident),+ $(,)?) => {
        mod memory_alone {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $change() {
                super::hammer(&super::memory_alone().await, &super::$change);
            })+
        }
        mod beside_a_remote {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $change() {
                super::hammer(&super::beside_a_remote(1).await, &super::$change);
            })+
        }
        mod by_another_larder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $change() {
                super::hammer(&super::beside_a_remote(2).await, &super::$change);
            })+
        }
    };
}

everywhere!(
    remove,
    replace,
    invalidate_the_tag,
    expire_the_tag,
    clear_the_cache,
    clear_everything,
);
