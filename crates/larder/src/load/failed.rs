//! Keys whose load failed a moment ago, and are left in peace for a while.

use std::borrow::Borrow;
use std::hash::Hash;

use hashbrown::HashMap;
use parking_lot::Mutex;
use quick_cache::DefaultHashBuilder;

use super::Failure;
use crate::near::{NearKey, NearRef};
use crate::time::Tick;

/// How many failures are remembered in a cache. One that is forgotten early is only tried again.
const MAX_FAILURES: usize = 4096;

pub(crate) struct Failures<K>(Mutex<Failed<K>>);

type Failed<K> = HashMap<NearKey<K>, (Failure, Tick), DefaultHashBuilder>;

impl<K: Hash + Eq> Failures<K> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::default()))
    }

    /// The failure of `key`, while it counts.
    pub(crate) fn of<Q>(&self, key: &NearRef<'_, Q>, now: Tick) -> Option<Failure>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let failures = self.0.lock();
        let (failure, until) = failures.get(key)?;
        (now < *until).then(|| failure.clone())
    }

    pub(crate) fn put(&self, key: NearKey<K>, failure: Failure, now: Tick, until: Tick) {
        let mut failures = self.0.lock();
        if failures.len() >= MAX_FAILURES {
            failures.retain(|_, (_, until)| now < *until);
        }
        if failures.len() < MAX_FAILURES {
            failures.insert(key, (failure, until));
        }
    }

    /// A write or a load that went well: the failure is over.
    pub(crate) fn forget<Q>(&self, key: &NearRef<'_, Q>)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut failures = self.0.lock();
        if !failures.is_empty() {
            failures.remove(key);
        }
    }
}
