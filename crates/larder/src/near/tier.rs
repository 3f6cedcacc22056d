//! The near tier as a cache uses it: its engines, and a front for each thread.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use super::front::Front;
use super::fronts::{Fronts, Place};
use super::versions::Versions;
use super::{
    Admission, Either, Engine, Engines, Kind, NearCapacity, NearKey, NearRef, Quick, Stored,
};
use crate::key::Tenant;
use crate::telemetry::Counter;
use crate::tenant::Accounts;
use crate::time::Clock;

/// All changes pass through here, since each must be told to the fronts.
pub(crate) struct Tier<K, V> {
    engines: Engines<K, V>,
    fronts: Fronts<K, V>,
    versions: Versions,
}

impl<K, V> Tier<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(crate) fn new(kind: Kind<K, V>, capacity: NearCapacity, accounts: Arc<Accounts>) -> Self {
        Self {
            engines: Engines::new(kind, capacity, accounts),
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
        match self.engines.of(at.tenant) {
            Either::Quick(engine) => {
                if Front::<K, V>::WANTED
                    && let Some(place) = self.fronts.place()
                {
                    return self.hit_in_front(engine, place, at, good);
                }
                engine.get(at).filter(good)
            }
            // No front: what it answers the engine would not see, and a policy that goes by the last
            // use, or by their number, would not be the one that was chosen.
            Either::Chosen(engine) => engine.hit(at, good),
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
        self.engines.of(at.tenant).get(at)
    }

    pub(crate) fn insert(&self, key: NearKey<K>, stored: Stored<V>) -> Admission {
        let hash = key.as_ref().hash64();
        let weight = stored.weight();
        let admission = self.engines.insert(key, stored);
        self.versions.changed(hash);
        self.versions.inserted(weight);
        admission
    }

    pub(crate) fn remove<Q>(&self, at: &NearRef<'_, Q>) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let removed = self.engines.remove(at);
        self.versions.changed(at.hash64());
        removed
    }

    pub(crate) fn clear(&self) {
        self.engines.clear();
        self.versions.all_changed();
    }

    /// What no longer fits is evicted, and served no more.
    pub(crate) fn resize(&self, capacity: u64) {
        self.engines.resize(capacity);
        self.versions.resize(capacity);
        self.versions.all_changed();
    }

    /// One pass over all entries. What it removes has expired, which a hit sees by itself.
    pub(crate) async fn sweep(&self, clock: &Clock, swept: &Counter) {
        self.engines.sweep(clock, swept).await;
    }

    /// New options of a tenant are in force.
    pub(crate) fn configured(&self, tenant: &Tenant) {
        self.engines.configured(tenant);
        // A smaller share evicts.
        self.versions.all_changed();
    }

    pub(crate) fn engines(&self) -> &Engines<K, V> {
        &self.engines
    }
}

#[cfg(test)]
mod tests;
