//! The engine of a cache: the default one, or that of a chosen policy.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use super::chosen::Chosen;
use super::listener::Listener;
use super::quick::Quick;
use super::{Admission, Engine, NearCapacity, NearKey, NearRef, Stored};
use crate::bounded::Eviction;
use crate::time::{Clock, Tick};

/// A cache has one of them for good, so each look at which one it is is foreseen.
pub(crate) enum Engines<K, V> {
    Quick(Quick<K, V>),
    Chosen(Chosen<K, V>),
}

impl<K: Hash + Eq, V> Engines<K, V> {
    pub(crate) fn new(
        eviction: Eviction,
        capacity: NearCapacity,
        clock: Clock,
        listener: Option<Arc<Listener<K, V>>>,
    ) -> Self {
        match Chosen::new(eviction, capacity, clock.clone(), listener.clone()) {
            None => Self::Quick(Quick::new(capacity, clock, listener)),
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

impl<K, V> Engines<K, V>
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

impl<K, V> Engine<K, V> for Engines<K, V>
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
