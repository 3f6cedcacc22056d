//! What has changed in the near tier, as counts that a front compares.

use std::sync::atomic::{AtomicU64, Ordering};

/// Each key belongs to one of them by its hash. A write sends all keys of its stripe to the
/// engine once, so they are many; each is 8 bytes.
const STRIPES: usize = 256;
/// A front asks the engine for each of its keys this often while the tier's content is replaced
/// once.
const SIGHTINGS: u64 = 8;

/// Counts the changes of a near tier, by stripes of keys.
#[derive(Debug)]
pub(crate) struct Versions {
    stripes: Box<[AtomicU64; STRIPES]>,
    /// Changes of all keys at once.
    all: AtomicU64,
    /// The weight that was inserted since the tier is there, and how much of it makes a sighting.
    inserted: AtomicU64,
    sighting: AtomicU64,
}

/// The state of a key's stripe. It only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(u64);

impl Version {
    /// That of no stripe.
    pub(crate) const NEVER: Self = Self(u64::MAX);
}

impl Versions {
    /// `capacity`: the weight that the near tier holds.
    pub(crate) fn new(capacity: u64) -> Self {
        let versions = Self {
            stripes: Box::new([const { AtomicU64::new(0) }; STRIPES]),
            all: AtomicU64::new(0),
            inserted: AtomicU64::new(0),
            sighting: AtomicU64::new(0),
        };
        versions.resize(capacity);
        versions
    }

    fn stripe(&self, hash: u64) -> &AtomicU64 {
        // Other bits than those that choose a slot.
        &self.stripes[(hash >> 32) as usize % STRIPES]
    }

    /// Read before the engine is asked, and again on each hit. What it was read from happened
    /// before: `Acquire` pairs with the `Release` below.
    #[inline]
    pub(crate) fn of(&self, hash: u64) -> Version {
        let stripe = self.stripe(hash).load(Ordering::Acquire);
        // Both only grow, so the sum is the same only where both are.
        Version(stripe + self.all.load(Ordering::Acquire))
    }

    /// Called after the engine took a change, and before the change is reported as done.
    pub(crate) fn changed(&self, hash: u64) {
        self.stripe(hash).fetch_add(1, Ordering::Release);
    }

    /// The same for a change that may concern any key.
    pub(crate) fn all_changed(&self) {
        self.all.fetch_add(1, Ordering::Release);
    }

    /// Counts what was inserted, which is about what was evicted. From time to time all keys are
    /// sent to the engine, so that it sees which are in use.
    pub(crate) fn inserted(&self, weight: u32) {
        let sighting = self.sighting.load(Ordering::Relaxed);
        let before = self.inserted.fetch_add(weight.into(), Ordering::Relaxed);
        let after = before.wrapping_add(weight.into());
        if before / sighting != after / sighting {
            self.all_changed();
        }
    }

    pub(crate) fn resize(&self, capacity: u64) {
        let sighting = (capacity / SIGHTINGS).max(1);
        self.sighting.store(sighting, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_by_its_stripe_alone() {
        let versions = Versions::new(100);
        let (one, other) = (0, 1 << 32);
        let before = (versions.of(one), versions.of(other));
        versions.changed(one);
        assert_ne!(versions.of(one), before.0);
        assert_eq!(versions.of(other), before.1);
        versions.all_changed();
        assert_ne!(versions.of(other), before.1);
    }

    #[test]
    fn the_engine_sees_all_keys_several_times_before_its_content_is_replaced() {
        for (capacity, weight) in [(1, 1), (10, 1), (1_000, 1), (1 << 26, 1_000_000)] {
            let versions = Versions::new(capacity);
            let before = versions.of(0).0;
            for _ in 0..(capacity / u64::from(weight)).max(8) {
                versions.inserted(weight);
            }
            let sightings = versions.of(0).0 - before;
            assert!((7..=10).contains(&sightings), "{capacity}: {sightings}");
        }
    }
}
