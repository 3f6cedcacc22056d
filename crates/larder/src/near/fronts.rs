//! Which thread has which front, and whether it is worth asking.
//!
//! A front answers in half the time of the engine where a few keys get most lookups. Where it answers
//! about every second one it costs more than it saves: the processor cannot foresee which way a lookup
//! goes, and has to take back what it began. So each front keeps an account, and rests while it
//! does not pay.

use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use super::front::Front;
use crate::telemetry::{OWN, thread_number};

/// Lookups of a thread in a cache before it gets a front.
const WARM: u32 = 1024;
/// Lookups that pass by a front that was not worth it, until it is tried again.
const REST: u32 = 1 << 16;
/// What a miss costs, where an answer earns one: below three answers to a miss a front does not pay.
const MISS: u32 = 3;
/// What a front may lose before it rests, and the most that it saves up.
const CREDIT: u32 = 2048;

/// The fronts of one cache, for the threads that have a number. They go with it; that of a thread which
/// ended passes to the next one with its number.
pub(crate) struct Fronts<K, V>(Box<[Place<K, V>]>);

/// One thread's front in one cache.
// Alone on its pair of cache lines: the places of several threads lie side by side.
#[repr(align(128))]
pub(crate) struct Place<K, V> {
    /// Lookups that pass by the front from now on. Written by one thread, as the next.
    rest: AtomicU32,
    credit: AtomicU32,
    /// Locked by one thread, so never waited for.
    front: Mutex<Option<Front<K, V>>>,
}

impl<K, V> Default for Place<K, V> {
    fn default() -> Self {
        Self {
            rest: AtomicU32::new(WARM),
            credit: AtomicU32::new(CREDIT),
            front: Mutex::new(None),
        }
    }
}

impl<K, V> Default for Fronts<K, V> {
    fn default() -> Self {
        Self((0..OWN).map(|_| Place::default()).collect())
    }
}

impl<K, V> Fronts<K, V> {
    /// This thread's place, unless the lookup should pass by it.
    #[inline]
    pub(crate) fn place(&self) -> Option<&Place<K, V>> {
        let place = self.0.get(thread_number())?;
        let rest = place.rest.load(Ordering::Relaxed);
        if rest == 0 {
            return Some(place);
        }
        place.rest.store(rest - 1, Ordering::Relaxed);
        None
    }
}

impl<K, V> Place<K, V> {
    /// Looks into the front, unless it is in use already: a key's own code, which a front runs, may
    /// look into its cache.
    #[inline]
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Front<K, V>) -> T) -> Option<T> {
        let mut front = self.front.try_lock()?;
        Some(look(front.get_or_insert_default()))
    }

    #[inline]
    pub(crate) fn answered(&self) {
        let credit = self.credit.load(Ordering::Relaxed);
        if credit < CREDIT {
            self.credit.store(credit + 1, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn missed(&self) {
        if let Some(credit) = self.credit.load(Ordering::Relaxed).checked_sub(MISS) {
            self.credit.store(credit, Ordering::Relaxed);
        } else {
            self.credit.store(CREDIT, Ordering::Relaxed);
            self.rest.store(REST, Ordering::Relaxed);
        }
    }
}
