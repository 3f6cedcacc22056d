//! Keys that are left in peace for a while: their load failed a moment ago, or another process
//! refreshes them.

use std::borrow::Borrow;
use std::hash::Hash;

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::near::{AsHashed, NearKey, NearRef};
use crate::time::Tick;

/// How many keys are remembered in a cache. One that is forgotten early is only tried again.
const MAX_RESTING: usize = 4096;

/// For each key why it rests, and until when.
pub(crate) struct Resting<K, T>(Mutex<Keys<K, T>>);

type Keys<K, T> = HashMap<NearKey<K>, (T, Tick), AsHashed>;

impl<K: Hash + Eq, T: Clone> Resting<K, T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::default()))
    }

    /// Why `key` rests, while it does.
    pub(crate) fn of<Q>(&self, key: &NearRef<'_, Q>, now: Tick) -> Option<T>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let resting = self.0.lock();
        let (why, until) = resting.get(key)?;
        (now < *until).then(|| why.clone())
    }

    pub(crate) fn put(&self, key: NearKey<K>, why: T, now: Tick, until: Tick) {
        let mut resting = self.0.lock();
        if resting.len() >= MAX_RESTING {
            resting.retain(|_, (_, until)| now < *until);
        }
        if resting.len() < MAX_RESTING {
            resting.insert(key, (why, until));
        }
    }

    /// A write or a load that went well: it is over.
    pub(crate) fn forget<Q>(&self, key: &NearRef<'_, Q>)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut resting = self.0.lock();
        if !resting.is_empty() {
            resting.remove(key);
        }
    }
}
