//! Which keys the default engine evicted of late.
//!
//! An entry that comes back soon after it had to leave should not be the next to leave again. `quick_cache`
//! remembers evicted keys for that, each in a slot as large as an entry. Here a ghost takes four bytes, so that
//! there can be as many as bring the best hit ratio: [`SHARE`].
//!
//! A set has the size of a cache line and holds up to [`WAYS`] ghosts of keys that hash alike, the oldest of
//! which makes room. Threads write without a lock. Where two meet, a ghost may be lost, or be there twice: an entry
//! is then taken for new, or for one that comes back, once.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use parking_lot::RwLock;

/// Ghosts, as a share of the entries. Fewer cost hits where old keys come back (OLTP), more where keys go round in a
/// loop a little longer than what fits (multi3): decision 4 has the figures.
const SHARE: f64 = 0.42;
const WAYS: usize = 15;

/// Made anew where the number of entries has become another.
#[derive(Debug, Default)]
pub(super) struct Ghosts {
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    sets: Vec<Set>,
    /// How many of each set's places are in use.
    ways: usize,
    /// Evictions until the number of entries is looked at again.
    credit: AtomicUsize,
}

#[repr(align(64))]
#[derive(Debug, Default)]
struct Set {
    next: AtomicU32,
    places: [AtomicU32; WAYS],
}

impl Ghosts {
    /// Whether the key was evicted of late. It is forgotten then: it is about to be an entry again.
    #[inline]
    pub(super) fn take(&self, hash: u64) -> bool {
        self.table.read().take(hash)
    }

    /// Remembers a key that was evicted while so many entries stayed.
    pub(super) fn put(&self, hash: u64, entries: impl FnOnce() -> usize) {
        let table = self.table.read();
        if !table.is_due() {
            return table.put(hash);
        }
        drop(table);
        let mut table = self.table.write();
        table.fit(entries());
        table.put(hash);
    }
}

impl Table {
    fn places(&self) -> usize {
        self.sets.len() * self.ways
    }

    fn is_due(&self) -> bool {
        let credit = &self.credit;
        let paid = credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |credit| {
            credit.checked_sub(1)
        });
        paid.is_err()
    }

    /// Takes another size, if this one is far from what so many entries should have.
    fn fit(&mut self, entries: usize) {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a number of entries, which are in memory"
        )]
        let wanted = ((entries as f64 * SHARE) as usize).max(1);
        if self.places().abs_diff(wanted) > wanted / 8 {
            let sets = wanted.div_ceil(WAYS);
            self.ways = wanted.div_ceil(sets);
            self.sets = std::iter::repeat_with(Set::default).take(sets).collect();
        }
        self.credit = AtomicUsize::new(self.places());
    }

    fn put(&self, hash: u64) {
        if let Some(set) = self.set(hash) {
            let next = set.next.load(Ordering::Relaxed);
            let place = next as usize % self.ways;
            set.places[place].store(mark(hash), Ordering::Relaxed);
            set.next.store(next.wrapping_add(1), Ordering::Relaxed);
        }
    }

    #[inline]
    fn take(&self, hash: u64) -> bool {
        let mark = mark(hash);
        let found = self.set(hash).and_then(|set| {
            let mut places = set.places.iter();
            places.find(|place| place.load(Ordering::Relaxed) == mark)
        });
        found
            .inspect(|place| place.store(0, Ordering::Relaxed))
            .is_some()
    }

    #[inline]
    fn set(&self, hash: u64) -> Option<&Set> {
        let low = hash & u64::from(u32::MAX);
        // At most the number of sets, which is a usize.
        let index = (low * self.sets.len() as u64) >> 32;
        usize::try_from(index)
            .ok()
            .and_then(|index| self.sets.get(index))
    }
}

/// The upper half, which is what is left of a key; zero is for a place that is empty.
fn mark(hash: u64) -> u32 {
    ((hash >> 32) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spread over all bits, and no two alike.
    fn hash(n: u64) -> u64 {
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (n << 32)
    }

    #[test]
    fn the_latest_of_as_many_as_there_may_be_are_remembered_once() {
        let ghosts = Ghosts::default();
        assert!(!ghosts.take(hash(1)));
        for n in 1..=10_000 {
            ghosts.put(hash(n), || 1_000);
        }
        let remembered =
            |range: std::ops::RangeInclusive<u64>| range.filter(|n| ghosts.take(hash(*n))).count();
        assert!(
            remembered(9_801..=10_000) > 180,
            "all but what a full set lost"
        );
        assert_eq!(
            remembered(9_801..=10_000),
            0,
            "each was forgotten as it came back"
        );
        assert!(remembered(1..=9_000) < 20, "the older ones have made room");
    }

    #[test]
    fn there_are_no_more_than_a_share_of_the_entries() {
        for entries in [0, 1, 3, 40, 1_000, 5_000] {
            let mut table = Table::default();
            table.fit(entries);
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let most = (entries as f64 * SHARE).max(1.0) * 1.2 + 1.0;
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let places = table.places() as f64;
            assert!((1.0..=most).contains(&places), "{places} for {entries}");
        }
    }

    #[test]
    fn the_number_of_entries_is_looked_at_once_a_round() {
        let (ghosts, looks) = (Ghosts::default(), AtomicUsize::new(0));
        for n in 1..=4_300 {
            ghosts.put(hash(n), || {
                looks.fetch_add(1, Ordering::Relaxed);
                1_000
            });
        }
        assert!((9..=11).contains(&looks.into_inner()));
    }
}
