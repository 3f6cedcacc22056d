//! One engine: the default one, or that of a chosen policy.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use super::chosen::Chosen;
use super::listener::Listener;
use super::quick::Quick;
use super::{Admission, Engine, NearCapacity, NearKey, NearRef, Stored};
use crate::bounded::Eviction;
use crate::telemetry::Counter;
use crate::time::{Clock, Tick};

/// A cache has one of them for good, so each look at which one it is is foreseen.
pub(crate) enum Either<K, V> {
    Quick(Quick<K, V>),
    Chosen(Chosen<K, V>),
}

/// What the engines of one cache have in common.
pub(crate) struct Kind<K, V> {
    pub(crate) eviction: Eviction,
    pub(crate) clock: Clock,
    pub(crate) listener: Option<Arc<Listener<K, V>>>,
    /// Counts what has to make room.
    pub(crate) evicted: Arc<Counter>,
}

impl<K: Hash + Eq, V> Either<K, V> {
    pub(crate) fn new(kind: &Kind<K, V>, capacity: NearCapacity) -> Self {
        match Chosen::new(kind, capacity) {
            None => Self::Quick(Quick::new(kind, capacity)),
            Some(chosen) => Self::Chosen(chosen),
        }
    }

    /// For a part of a near tier, in bytes, that holds nothing yet and will be given this much at least.
    /// In one shard: what it is given may be little, and the largest entry is a share of a shard.
    pub(crate) fn for_one(kind: &Kind<K, V>, floor: u64) -> Self {
        match Chosen::for_one(kind, floor) {
            None => Self::Quick(Quick::for_one(kind, floor)),
            Some(chosen) => Self::Chosen(chosen),
        }
    }
}

/// The same call of either engine.
macro_rules! either {
    ($self:ident, $engine:ident => $call:expr) => {
        match $self {
            Self::Quick($engine) => $call,
            Self::Chosen($engine) => $call,
        }
    };
}

impl<K, V> Either<K, V>
where
    K: Hash + Eq + Clone + Send + Sync,
    V: Send + Sync,
{
    /// The entry under `at`, if it is `good`: a use of it.
    #[inline]
    pub(crate) fn hit<Q>(
        &self,
        at: &NearRef<'_, Q>,
        good: impl Fn(&Stored<V>) -> bool,
    ) -> Option<Stored<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        match self {
            Self::Quick(quick) => quick.get(at).filter(good),
            Self::Chosen(chosen) => chosen.hit(at, good),
        }
    }
}

impl<K, V> Engine<K, V> for Either<K, V>
where
    K: Hash + Eq + Clone + Send + Sync,
    V: Send + Sync,
{
    fn get<Q>(&self, key: &NearRef<'_, Q>) -> Option<Stored<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        either!(self, engine => engine.get(key))
    }

    fn insert(&self, key: NearKey<K>, stored: Stored<V>) -> Admission {
        either!(self, engine => engine.insert(key, stored))
    }

    fn remove<Q>(&self, key: &NearRef<'_, Q>) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        either!(self, engine => engine.remove(key))
    }

    fn remove_if_expired(&self, key: &NearKey<K>, now: Tick) -> bool {
        either!(self, engine => engine.remove_if_expired(key, now))
    }

    fn clear(&self) {
        either!(self, engine => engine.clear());
    }

    fn resize(&self, capacity: u64) {
        either!(self, engine => engine.resize(capacity));
    }

    fn largest(&self) -> u64 {
        either!(self, engine => engine.largest())
    }

    fn room_for(&self, weight: u64) -> u64 {
        either!(self, engine => engine.room_for(weight))
    }

    fn capacity(&self) -> u64 {
        either!(self, engine => engine.capacity())
    }

    fn len(&self) -> usize {
        either!(self, engine => engine.len())
    }

    fn weight(&self) -> u64 {
        either!(self, engine => engine.weight())
    }

    fn walk(&self) -> impl Iterator<Item = (NearKey<K>, Tick)> + Send {
        let (quick, chosen) = match self {
            Self::Quick(quick) => (Some(quick.walk()), None),
            Self::Chosen(chosen) => (None, Some(chosen.walk())),
        };
        let quick = quick.into_iter().flatten();
        quick.chain(chosen.into_iter().flatten())
    }
}
