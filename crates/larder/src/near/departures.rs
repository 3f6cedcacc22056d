//! What the default engine says of entries that leave it.

use std::sync::Arc;

use quick_cache::Lifecycle;

use super::either::Kind;
use super::listener::Listener;
use super::{NearKey, Stored};
use crate::bounded::Cause;
use crate::telemetry::Counter;
use crate::time::{Clock, Tick};

/// Where the engine reports evictions. Where nobody listens, it only sees to it that they are dropped
/// under no lock, as the engine's own default does.
pub(super) struct Departures<K, V> {
    clock: Clock,
    listener: Option<Arc<Listener<K, V>>>,
    evicted: Arc<Counter>,
}

impl<K, V> Clone for Departures<K, V> {
    fn clone(&self) -> Self {
        Self {
            clock: self.clock.clone(),
            listener: self.listener.clone(),
            evicted: Arc::clone(&self.evicted),
        }
    }
}

impl<K, V> Departures<K, V> {
    pub(super) fn of(kind: &Kind<K, V>) -> Self {
        Self {
            clock: kind.clock.clone(),
            listener: kind.listener.clone(),
            evicted: Arc::clone(&kind.evicted),
        }
    }

    pub(super) fn are_told(&self) -> bool {
        self.listener.is_some()
    }

    /// Called under no lock.
    pub(super) fn tell(&self, key: NearKey<K>, stored: Stored<V>, cause: Cause) {
        if let Some(listener) = &self.listener {
            listener.tell(key, stored, self.clock.now(), cause);
        }
    }
}

/// What one request has evicted. The engine drops it after it let go of its lock.
pub(super) struct Leaving<K, V> {
    /// Whether whoever inserted counts what is evicted: only it knows the value that was replaced, which is
    /// reported as the others are. What the engine makes by itself is for a smaller capacity.
    by_insertion: bool,
    /// One or two in most cases.
    few: [Option<(NearKey<K>, Stored<V>)>; 2],
    /// Apart, since each insertion makes room for one of these.
    rest: Option<Box<Rest<K, V>>>,
}

/// More of them, or all where somebody is told.
struct Rest<K, V> {
    listener: Option<Arc<Listener<K, V>>>,
    /// When they left.
    now: Tick,
    more: Vec<(NearKey<K>, Stored<V>)>,
}

impl<K, V> Default for Leaving<K, V> {
    #[inline]
    fn default() -> Self {
        Self {
            by_insertion: false,
            few: [None, None],
            rest: None,
        }
    }
}

impl<K, V> Lifecycle<NearKey<K>, Stored<V>> for Departures<K, V> {
    type RequestState = Leaving<K, V>;

    fn on_evict(&self, leaving: &mut Leaving<K, V>, key: NearKey<K>, stored: Stored<V>) {
        if !leaving.by_insertion {
            self.evicted.up();
        }
        if self.listener.is_none()
            && let Some(place) = leaving.few.iter_mut().find(|place| place.is_none())
        {
            *place = Some((key, stored));
            return;
        }
        let rest = || Rest {
            listener: self.listener.clone(),
            now: self.clock.now(),
            more: Vec::new(),
        };
        let rest = leaving.rest.get_or_insert_with(|| Box::new(rest()));
        rest.more.push((key, stored));
    }
}

impl<K, V> Leaving<K, V> {
    #[inline]
    pub(super) fn by_insertion() -> Self {
        let mut leaving = Self::default();
        leaving.by_insertion = true;
        leaving
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &NearKey<K>> {
        let more = self.rest.iter().flat_map(|rest| &rest.more);
        self.few.iter().flatten().chain(more).map(|(key, _)| key)
    }
}

impl<K: Eq, V> Leaving<K, V> {
    /// Tells what left for the sake of `inserted`: the engine reports the value that was replaced as it
    /// does the others.
    pub(super) fn tell(mut self, inserted: &NearKey<K>) {
        self.tell_each(|key| {
            if key == inserted {
                Cause::Replaced
            } else {
                Cause::Capacity
            }
        });
    }
}

impl<K, V> Leaving<K, V> {
    fn tell_each(&mut self, cause: impl Fn(&NearKey<K>) -> Cause) {
        let Some(rest) = self.rest.take() else {
            return;
        };
        let Rest {
            listener,
            now,
            more,
        } = *rest;
        if let Some(listener) = listener {
            for (key, stored) in more {
                let cause = cause(&key);
                listener.tell(key, stored, now, cause);
            }
        }
    }
}

impl<K, V> Drop for Leaving<K, V> {
    fn drop(&mut self) {
        self.tell_each(|_| Cause::Capacity);
    }
}
