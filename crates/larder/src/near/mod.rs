//! The near tier: decoded values in the memory of this process.
//!
//! A hit compares the tenant and the key in full, reads a coarse clock and clones an `Arc`. It
//! builds no stored key, computes no cryptographic hash and allocates nothing.
//!
//! The engine that chooses what to evict stands behind [`Engine`]: [`Quick`], or where a policy was chosen
//! [`Chosen`](chosen::Chosen). Everything else about an entry, its times and its weight, is larder's own and
//! lives in [`Stored`]. A tenant with a share of its own has an engine of its own: [`engines`]. [`Tier`]
//! puts a front for hot keys before the default engine in each thread: [`front`] says how, and why it
//! is safe.

mod capacity;
mod chosen;
mod departures;
mod either;
mod engines;
mod front;
mod fronts;
mod ghosts;
mod key;
mod listener;
mod quick;
mod stored;
mod sweep;
mod tier;
mod versions;

pub use capacity::NearCapacity;
pub(crate) use either::{Either, Kind};
pub(crate) use engines::Engines;
pub(crate) use key::{AsHashed, NearKey, NearRef};
pub use listener::Evicted;
pub(crate) use listener::{Listener, OnEvicted};
pub(crate) use stored::{Life, Stored};
pub(crate) use tier::Tier;

use quick::Quick;
use sweep::sweep;

use std::borrow::Borrow;
use std::hash::Hash;

/// What became of an entry that was offered to the near tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Admission {
    Stored,
    /// Heavier than the largest entry that the tier takes.
    TooLarge {
        weight: u64,
        limit: u64,
    },
}

/// A bounded map that chooses its own victims.
pub(crate) trait Engine<K, V> {
    fn get<Q>(&self, key: &NearRef<'_, Q>) -> Option<Stored<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized;

    fn insert(&self, key: NearKey<K>, stored: Stored<V>) -> Admission;

    fn remove<Q>(&self, key: &NearRef<'_, Q>) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized;

    /// Removes the entry if it has expired by now: a newer value under the key stays.
    fn remove_if_expired(&self, key: &NearKey<K>, now: crate::time::Tick) -> bool;

    fn clear(&self);

    fn resize(&self, capacity: u64);

    /// The heaviest entry that [`insert`](Self::insert) takes.
    fn largest(&self) -> u64;

    /// The capacity at which [`insert`](Self::insert) takes an entry of this weight.
    fn room_for(&self, weight: u64) -> u64;

    fn capacity(&self) -> u64;

    /// Entries now held.
    fn len(&self) -> usize;

    /// The sum of their weights.
    fn weight(&self) -> u64;

    /// Walks all entries with their end of life, a lock for no longer than one entry.
    fn walk(&self) -> impl Iterator<Item = (NearKey<K>, crate::time::Tick)> + Send;
}
