//! The default engine: `quick_cache`, a concurrent CLOCK-Pro.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};

use super::departures::{Departures, Leaving};
use super::either::Kind;
use super::ghosts::Ghosts;
use super::{Admission, AsHashed, Engine, NearCapacity, NearKey, NearRef, Stored};
use crate::bounded::Cause;
use crate::telemetry::Counter;
use crate::time::Tick;

/// The share of a shard's capacity above which `quick_cache` refuses an entry without a word.
/// Checked here first, so that the caller hears of it.
const LARGEST_SHARE: f64 = 0.95;

#[derive(Clone, Debug)]
struct ByWeight;

impl<K, V> Weighter<NearKey<K>, Stored<V>> for ByWeight {
    #[inline]
    fn weight(&self, _key: &NearKey<K>, stored: &Stored<V>) -> u64 {
        u64::from(stored.weight())
    }
}

type Inner<K, V> = Cache<NearKey<K>, Stored<V>, ByWeight, AsHashed, Departures<K, V>>;

pub(crate) struct Quick<K, V> {
    cache: Inner<K, V>,
    ghosts: Ghosts,
    shards: u64,
    departures: Departures<K, V>,
    evicted: Arc<Counter>,
}

/// What one shard should hold at least. The count of shards follows from the capacity and not
/// from the cores, since the largest entry is a share of a shard: it must not depend on the
/// machine.
const SHARD_BYTES: u64 = 4 << 20;
const SHARD_ENTRIES: u64 = 1024;
const MAX_SHARDS: u64 = 64;
/// What an average entry is taken to weigh when tables are first sized. They grow as needed.
const ASSUMED_BYTES: u64 = 1024;

/// Up to this many entries the table is made in its full size at once.
const RESERVED: u64 = 1 << 18;

impl<K: Hash + Eq, V> Quick<K, V> {
    pub(crate) fn new(kind: &Kind<K, V>, capacity: NearCapacity) -> Self {
        let departures = Departures::of(kind);
        let limit = capacity.limit();
        let (shards, items) = match capacity {
            NearCapacity::Entries(_) | NearCapacity::Off => (limit / SHARD_ENTRIES, limit),
            NearCapacity::Bytes(_) => (limit / SHARD_BYTES, limit / ASSUMED_BYTES),
        };
        let (cache, items) = made((shards, items), limit, &departures);
        let shards = cache.capacity().checked_div(cache.shard_capacity());
        if matches!(capacity, NearCapacity::Entries(limit) if limit <= RESERVED) {
            // A table that grows by doubling ends up to twice as large as it need be.
            cache.reserve(items);
        }
        Self {
            cache,
            ghosts: Ghosts::default(),
            shards: shards.unwrap_or(1),
            departures,
            evicted: Arc::clone(&kind.evicted),
        }
    }

    /// As [`Either::for_one`](super::either::Either::for_one).
    pub(crate) fn for_one(kind: &Kind<K, V>, floor: u64) -> Self {
        let departures = Departures::of(kind);
        let (cache, _) = made((1, floor / ASSUMED_BYTES), 0, &departures);
        Self {
            cache,
            ghosts: Ghosts::default(),
            shards: 1,
            departures,
            evicted: Arc::clone(&kind.evicted),
        }
    }
}

/// The table, of so many shards and entries if may be, and for how many it is meant.
fn made<K: Hash + Eq, V>(
    (shards, items): (u64, u64),
    limit: u64,
    departures: &Departures<K, V>,
) -> (Inner<K, V>, usize) {
    let shards = usize::try_from(shards.clamp(1, MAX_SHARDS)).unwrap_or(1);
    // `quick_cache` halves the shards until each holds 32 items, by the same rule everywhere.
    let items = usize::try_from(items.clamp(32, 1 << 32)).unwrap_or(32);
    let options = OptionsBuilder::new()
        .shards(shards.next_power_of_two())
        .estimated_items_capacity(items)
        .weight_capacity(limit)
        // larder remembers what was evicted by itself, in less room.
        .ghost_allocation(0.0)
        .build();
    let hash_builder = AsHashed::default();
    let cache = match options {
        Ok(options) => Cache::with_options(options, ByWeight, hash_builder, departures.clone()),
        // `build` fails only where a capacity was not given, and both are.
        Err(_) => Cache::with(items, limit, ByWeight, hash_builder, departures.clone()),
    };
    (cache, items)
}

impl<K, V> Engine<K, V> for Quick<K, V>
where
    K: Hash + Eq + Clone + Send + Sync,
    V: Send + Sync,
{
    #[inline]
    fn get<Q>(&self, key: &NearRef<'_, Q>) -> Option<Stored<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.cache.get(key)
    }

    fn insert(&self, key: NearKey<K>, stored: Stored<V>) -> Admission {
        let (weight, limit) = (u64::from(stored.weight()), self.largest());
        if weight > limit {
            self.remove(&key.as_ref());
            return Admission::TooLarge { weight, limit };
        }
        let hash = key.as_ref().hash64();
        let back = self.ghosts.take(hash).then(|| key.clone());
        let told = self.departures.are_told().then(|| key.clone());
        let mut leaving = Leaving::by_insertion();
        self.cache.insert_with_lifecycle(key, stored, &mut leaving);
        for evicted in leaving.keys() {
            let evicted = evicted.as_ref().hash64();
            // The engine reports the value that was replaced as it does the others.
            if evicted != hash {
                self.evicted.up();
                self.ghosts.put(evicted, || self.cache.len());
            }
        }
        if let Some(back) = back {
            // A use, for which the engine keeps it when it looks for the next to leave.
            self.cache.get(&back);
        }
        if let Some(inserted) = told {
            leaving.tell(&inserted);
        }
        Admission::Stored
    }

    fn remove<Q>(&self, key: &NearRef<'_, Q>) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let removed = self.cache.remove(key);
        let was_there = removed.is_some();
        if let Some((key, stored)) = removed {
            self.departures.tell(key, stored, Cause::Removed);
        }
        was_there
    }

    fn remove_if_expired(&self, key: &NearKey<K>, now: Tick) -> bool {
        let removed = self
            .cache
            .remove_if(&key.as_ref(), |stored| stored.life().expires <= now);
        let was_there = removed.is_some();
        if let Some((key, stored)) = removed {
            self.departures.tell(key, stored, Cause::Expired);
        }
        was_there
    }

    fn clear(&self) {
        // Not `clear`, which drops what it held under its lock.
        for (key, stored) in self.cache.drain() {
            self.departures.tell(key, stored, Cause::Cleared);
        }
    }

    fn resize(&self, capacity: u64) {
        self.cache.set_capacity(capacity);
    }

    fn largest(&self) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a positive number, rounded down"
        )]
        let share = (self.cache.shard_capacity() as f64 * LARGEST_SHARE) as u64;
        // A shard of a few entries counts them one by one: an entry of weight 1 always fits.
        share.max(u64::from(self.cache.shard_capacity() > 0))
    }

    fn room_for(&self, weight: u64) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "above what an entry can weigh there is nothing to tell apart"
        )]
        let shard = (weight as f64 / LARGEST_SHARE).ceil() as u64 + 1;
        shard * self.shards
    }

    fn capacity(&self) -> u64 {
        self.cache.capacity()
    }

    fn len(&self) -> usize {
        self.cache.len()
    }

    fn weight(&self) -> u64 {
        self.cache.weight()
    }

    fn walk(&self) -> impl Iterator<Item = (NearKey<K>, Tick)> + Send {
        self.cache
            .iter()
            .map(|(key, stored)| (key, stored.life().expires))
    }
}
