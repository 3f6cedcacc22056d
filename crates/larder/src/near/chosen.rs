//! The engine of a chosen policy: exact up to a size, and under locks of its own.
//!
//! The policies are behind a `dyn` [`Policy`](crate::bounded::policy::Policy): generic ones would be
//! compiled anew for each type of cache, eight times, and what a call through a table costs is little
//! beside the lock.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::RwLock;

use super::either::Kind;
use super::listener::Listener;
use super::{Admission, Engine, NearCapacity, NearKey, NearRef, Stored};
use crate::bounded::Cause;
use crate::bounded::policy::policy;
use crate::bounded::store::{Gone, Item, Store};
use crate::telemetry::Counter;
use crate::time::{Clock, Tick};

/// What one shard should hold at least, where there are several.
const SHARD_ENTRIES: u64 = 1 << 15;
const SHARD_BYTES: u64 = 64 << 20;
const MAX_SHARDS: u64 = 16;

pub(crate) struct Chosen<K, V> {
    shards: Box<[RwLock<Shard<K, V>>]>,
    heeds_hits: bool,
    clock: Clock,
    listener: Option<Arc<Listener<K, V>>>,
    evicted: Arc<Counter>,
}

type Shard<K, V> = Store<NearKey<K>, Stored<V>>;

impl<V> Item for Stored<V> {
    fn weight(&self) -> u64 {
        Stored::weight(self).into()
    }

    fn expires(&self) -> Tick {
        self.life().expires
    }
}

impl<K, V> Chosen<K, V> {
    /// `None` for the default, which is another engine.
    pub(crate) fn new(kind: &Kind<K, V>, capacity: NearCapacity) -> Option<Self> {
        let limit = capacity.limit();
        let shards = match capacity {
            NearCapacity::Entries(_) | NearCapacity::Off => limit / SHARD_ENTRIES,
            NearCapacity::Bytes(_) => limit / SHARD_BYTES,
        };
        // Down to a power of two, so that no shard is smaller than it should be.
        let shards = 1 << shards.clamp(1, MAX_SHARDS).ilog2();
        Self::sharded(kind, limit, shards)
    }

    /// The same as [`Quick::for_one`](super::Quick::for_one).
    pub(crate) fn for_one(kind: &Kind<K, V>, floor: u64) -> Option<Self> {
        let chosen = Self::sharded(kind, floor, 1)?;
        for shard in &chosen.shards {
            // It holds nothing, so nothing leaves.
            shard.write().resize(0, kind.clock.now(), &mut Vec::new());
        }
        Some(chosen)
    }

    fn sharded(kind: &Kind<K, V>, limit: u64, shards: u64) -> Option<Self> {
        let eviction = kind.eviction;
        let heeds_hits = policy(eviction, limit)?.heeds_hits();
        let shards = (0..shards)
            .map(|shard| {
                let limit = share(limit, shards, shard);
                Some(RwLock::new(Store::new(policy(eviction, limit)?, limit)))
            })
            .collect::<Option<_>>()?;
        Some(Self {
            shards,
            heeds_hits,
            clock: kind.clock.clone(),
            listener: kind.listener.clone(),
            evicted: Arc::clone(&kind.evicted),
        })
    }

    fn shard(&self, hash: u64) -> &RwLock<Shard<K, V>> {
        // Other bits than those that find a place in a shard's table. There is at least one shard.
        &self.shards[(hash >> 24) as usize & (self.shards.len() - 1)]
    }

    /// Called when no lock is held: what left is dropped here.
    fn report(&self, gone: impl IntoIterator<Item = Gone<NearKey<K>, Stored<V>>>) {
        let now = self.clock.now();
        for Gone { key, value, cause } in gone {
            if cause == Cause::Capacity {
                self.evicted.up();
            }
            if let Some(listener) = &self.listener {
                listener.tell(key, value, now, cause);
            }
        }
    }
}

/// The `shard`th of so many parts of a capacity, which make up the whole together.
fn share(capacity: u64, shards: u64, shard: u64) -> u64 {
    capacity / shards + u64::from(shard < capacity % shards)
}

impl<K, V> Chosen<K, V>
where
    K: Hash + Eq + Clone + Send + Sync,
    V: Send + Sync,
{
    /// The entry under `at`, if it is `good`: then this is a use of it.
    pub(crate) fn hit<Q>(
        &self,
        at: &NearRef<'_, Q>,
        good: impl Fn(&Stored<V>) -> bool,
    ) -> Option<Stored<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if !self.heeds_hits {
            return self.get(at).filter(good);
        }
        let hash = at.hash64();
        let mut shard = self.shard(hash).write();
        let slot = shard.find(hash, at)?;
        let (_, stored) = shard.at(slot)?;
        if !good(stored) {
            return None;
        }
        let stored = stored.clone();
        shard.hit(slot);
        Some(stored)
    }
}

impl<K, V> Engine<K, V> for Chosen<K, V>
where
    K: Hash + Eq + Clone + Send + Sync,
    V: Send + Sync,
{
    /// No use of the entry: those go through [`hit`](Self::hit).
    fn get<Q>(&self, key: &NearRef<'_, Q>) -> Option<Stored<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = key.hash64();
        let shard = self.shard(hash).read();
        let (_, stored) = shard.at(shard.find(hash, key)?)?;
        Some(stored.clone())
    }

    fn insert(&self, key: NearKey<K>, stored: Stored<V>) -> Admission {
        let hash = key.as_ref().hash64();
        let weight = stored.weight().into();
        let mut gone = Vec::new();
        let mut shard = self.shard(hash).write();
        let stored = shard.insert(hash, key, stored, self.clock.now(), &mut gone);
        let limit = shard.capacity();
        drop(shard);
        self.report(gone);
        match stored {
            Ok(()) => Admission::Stored,
            Err(_dropped_here) => Admission::TooLarge { weight, limit },
        }
    }

    fn remove<Q>(&self, key: &NearRef<'_, Q>) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (hash, now) = (key.hash64(), self.clock.now());
        let gone = self.shard(hash).write().remove_if(hash, key, now, |_| true);
        let was_there = gone.is_some();
        self.report(gone);
        was_there
    }

    fn remove_if_expired(&self, key: &NearKey<K>, now: Tick) -> bool {
        let key = key.as_ref();
        let has_expired = |stored: &Stored<V>| stored.life().expires <= now;
        let hash = key.hash64();
        let gone = self
            .shard(hash)
            .write()
            .remove_if(hash, &key, now, has_expired);
        let was_there = gone.is_some();
        self.report(gone);
        was_there
    }

    fn clear(&self) {
        for shard in &self.shards {
            let gone = shard.write().clear(self.clock.now());
            self.report(gone);
        }
    }

    fn resize(&self, capacity: u64) {
        let shards = self.shards.len() as u64;
        for (shard, number) in self.shards.iter().zip(0..) {
            let mut gone = Vec::new();
            let limit = share(capacity, shards, number);
            shard.write().resize(limit, self.clock.now(), &mut gone);
            self.report(gone);
        }
    }

    fn largest(&self) -> u64 {
        let capacities = self.shards.iter().map(|shard| shard.read().capacity());
        capacities.min().unwrap_or(0)
    }

    fn room_for(&self, weight: u64) -> u64 {
        weight.saturating_mul(self.shards.len() as u64)
    }

    fn capacity(&self) -> u64 {
        let capacities = self.shards.iter().map(|shard| shard.read().capacity());
        capacities.sum()
    }

    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    fn weight(&self) -> u64 {
        self.shards.iter().map(|shard| shard.read().weight()).sum()
    }

    fn walk(&self) -> impl Iterator<Item = (NearKey<K>, Tick)> + Send {
        self.shards.iter().flat_map(|shard| {
            let mut place = 0;
            std::iter::from_fn(move || {
                let shard = shard.read();
                let (at, key, stored) = shard.from(place)?;
                place = at + 1;
                Some((key.clone(), stored.life().expires))
            })
        })
    }
}
