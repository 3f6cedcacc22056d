//! The near tier as a cache uses it: the engine, and a front for each thread.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use super::front::Front;
use super::fronts::{Fronts, Place};
use super::listener::Listener;
use super::versions::Versions;
use super::{Admission, Engine, Engines, NearCapacity, NearKey, NearRef, Quick, Stored, sweep};
use crate::bounded::Eviction;
use crate::telemetry::Counter;
use crate::time::Clock;

/// All changes pass through here, since each must be told to the fronts.
pub(crate) struct Tier<K, V> {
    engine: Engines<K, V>,
    fronts: Fronts<K, V>,
    versions: Versions,
}

impl<K, V> Tier<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(crate) fn new(
        capacity: NearCapacity,
        eviction: Eviction,
        clock: &Clock,
        listener: Option<Arc<Listener<K, V>>>,
    ) -> Self {
        Self {
            engine: Engines::new(eviction, capacity, clock.clone(), listener),
            fronts: Fronts::default(),
            versions: Versions::new(capacity.limit()),
        }
    }

    /// The entry under `at`, if it is `good` now. A front's copy of an entry is asked about as the
    /// entry itself is.
    #[inline]
    pub(crate) fn hit<Q>(
        &self,
        at: &NearRef<'_, Q>,
        good: impl Fn(&Stored<V>) -> bool,
    ) -> Option<Stored<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        match &self.engine {
            Engines::Quick(engine) => {
                if Front::<K, V>::WANTED
                    && let Some(place) = self.fronts.place()
                {
                    return self.hit_in_front(engine, place, at, good);
                }
                engine.get(at).filter(good)
            }
            // No front: what it answers the engine would not see, and a policy that goes by the last
            // use, or by their number, would not be the one that was chosen.
            Engines::Chosen(engine) => engine.hit(at, good),
        }
    }

    /// The same with this thread's front.
    fn hit_in_front<Q>(
        &self,
        engine: &Quick<K, V>,
        place: &Place<K, V>,
        at: &NearRef<'_, Q>,
        good: impl Fn(&Stored<V>) -> bool,
    ) -> Option<Stored<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        // Read before the engine is asked.
        let version = self.versions.of(at.hash64());
        let found = place.with(|front| front.get(at, version));
        if let Some(stored) = found.flatten()
            && good(&stored)
        {
            place.answered();
            return Some(stored);
        }
        place.missed();
        let stored = engine.get(at).filter(good)?;
        place.with(|front| front.put(at, version, &stored));
        Some(stored)
    }

    /// The entry under `at`, whatever its times say.
    pub(crate) fn get<Q>(&self, at: &NearRef<'_, Q>) -> Option<Stored<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.engine.get(at)
    }

    pub(crate) fn insert(&self, key: NearKey<K>, stored: Stored<V>) -> Admission {
        let hash = key.as_ref().hash64();
        let weight = stored.weight();
        let admission = self.engine.insert(key, stored);
        self.versions.changed(hash);
        self.versions.inserted(weight);
        admission
    }

    pub(crate) fn remove<Q>(&self, at: &NearRef<'_, Q>) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let removed = self.engine.remove(at);
        self.versions.changed(at.hash64());
        removed
    }

    pub(crate) fn clear(&self) {
        self.engine.clear();
        self.versions.all_changed();
    }

    /// What no longer fits is evicted, and served no more.
    pub(crate) fn resize(&self, capacity: u64) {
        self.engine.resize(capacity);
        self.versions.resize(capacity);
        self.versions.all_changed();
    }

    /// One pass over all entries. What it removes has expired, which a hit sees by itself.
    pub(crate) async fn sweep(&self, clock: &Clock, swept: &Counter) {
        sweep(&self.engine, clock, swept).await;
    }

    pub(crate) fn engine(&self) -> &impl Engine<K, V> {
        &self.engine
    }
}

#[cfg(test)]
mod tests;
