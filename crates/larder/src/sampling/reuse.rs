//! Reuse distances of a bounded number of keys, at a bounded cost.
//!
//! A reuse distance is how many other keys were asked for since a key was asked for last: a cache that evicts the
//! least recently used has the key still, if it holds more than that. Each key has a mark at the place of its last
//! request; how many marks lie behind it is the distance, by a Fenwick tree.
//!
//! Keys are bounded in two ways, which complete each other. One half follows the [`LATEST`] keys, which tells all
//! short distances. The other half follows up to [`KEYS`] keys however long ago they were asked for: where there are more,
//! it looks at fewer hashes, and a distance counts for as many keys as it stands for. Of short distances that would
//! know little, since few of its keys lie within them.
//!
//! Where there are more than [`REQUESTS`] a second, both look at fewer hashes.

use std::time::Duration;

use hashbrown::HashMap;

use super::curve::{Histogram, MissRatioCurve, Size};
use super::share_below;
use crate::near::AsHashed;
use crate::time::Tick;

/// Keys that the half for short distances knows at least.
const LATEST: u32 = 4_096;
/// Keys that the half for long distances follows at most.
const KEYS: usize = 8_192;
/// Requests a second that a half looks at for long.
const REQUESTS: u32 = 10_000;
const SECOND: Duration = Duration::from_secs(1);

pub(super) struct Reuse {
    short: Half,
    long: Half,
}

impl Reuse {
    pub(super) fn new(now: Tick) -> Self {
        Self {
            short: Half::new(Keeps::Latest, now),
            long: Half::new(Keeps::Share, now),
        }
    }

    /// Hashes below it are looked at.
    pub(super) fn below(&self) -> u64 {
        self.short.below.max(self.long.below)
    }

    /// A request; whether fewer hashes are looked at from now on.
    pub(super) fn saw(&mut self, hash: u64, now: Tick) -> bool {
        let before = self.below();
        self.short.saw(hash, now);
        self.long.saw(hash, now);
        self.below() < before
    }

    /// The curve of so many lookups.
    pub(super) fn curve(&self, lookups: u64, size: Size) -> MissRatioCurve {
        let (short, long) = (&self.short, &self.long);
        MissRatioCurve::new(
            [short.histogram.clone(), long.histogram.clone()],
            [1.0, share_below(short.below)].map(|share| f64::from(LATEST) / share),
            lookups,
            [short.samples, long.samples],
            [short.below, long.below].map(share_below),
            size,
        )
    }
}

/// What goes where there are too many keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    Latest,
    Share,
}

struct Half {
    keeps: Keeps,
    /// Hashes below it are looked at.
    below: u64,
    /// By the hash, its halves swapped: its upper half is zero where few keys are looked at, and tables go by that.
    places: HashMap<u64, u32, AsHashed>,
    marks: Marks,
    histogram: Histogram,
    samples: u64,
    /// When the present second began, and what it had so far.
    second: (Tick, u32),
}

impl Half {
    fn new(keeps: Keeps, now: Tick) -> Self {
        Self {
            keeps,
            below: u64::MAX,
            places: HashMap::default(),
            marks: Marks::default(),
            histogram: Histogram::default(),
            samples: 0,
            second: (now, 0),
        }
    }

    fn saw(&mut self, hash: u64, now: Tick) {
        if hash >= self.below {
            return;
        }
        if self.marks.are_used_up() {
            self.move_together();
        }
        self.samples += 1;
        let stands_for = 1.0 / share_below(self.below);
        let place = self.marks.mark_next();
        match self.places.insert(hash.rotate_left(32), place) {
            Some(last) => {
                self.marks.unmark(last);
                // The key itself is marked at its new place.
                let others = self.marks.after(last) - 1;
                let distance = f64::from(others) * stands_for;
                self.histogram.add(distance, stands_for);
            }
            None => self.histogram.add_first(stands_for),
        }
        if self.has_enough(now) {
            // A rush may bring many times too many.
            self.look_at_fewer(self.below / 2);
        }
        if self.keeps == Keeps::Share && self.places.len() > KEYS {
            // Few at a time: the more keys there are, the better they stand for all.
            self.look_at_fewer(self.below / 8 * 7);
        }
    }

    /// Whether the second has had more requests than it should.
    fn has_enough(&mut self, now: Tick) -> bool {
        let (began, requests) = &mut self.second;
        if now.since(*began) >= SECOND {
            (*began, *requests) = (now, 0);
        }
        *requests += 1;
        *requests > REQUESTS
    }

    fn look_at_fewer(&mut self, below: u64) {
        self.below = below;
        let marks = &mut self.marks;
        self.places.retain(|swapped, place| {
            let stays = swapped.rotate_left(32) < below;
            if !stays {
                marks.unmark(*place);
            }
            stays
        });
        self.second.1 = 0;
    }

    /// Gives the keys the first places, in their order; the oldest of too many go.
    fn move_together(&mut self) {
        if self.keeps == Keeps::Latest {
            let marks = &self.marks;
            self.places.retain(|_, place| marks.after(*place) < LATEST);
        }
        let mut places: Vec<_> = self.places.values_mut().collect();
        places.sort_unstable();
        self.marks = Marks::default();
        for place in places {
            *place = self.marks.mark_next();
        }
    }
}

/// Places for marks. Once all are used, the marks are moved together.
const PLACES: usize = 2 * KEYS;

/// Marks at places in a row, counted by a Fenwick tree.
#[derive(Default)]
struct Marks {
    /// Sums of ranges; empty before the first mark.
    sums: Vec<u32>,
    next: u32,
    all: u32,
}

impl Marks {
    fn are_used_up(&self) -> bool {
        self.next as usize == PLACES
    }

    /// Marks the first place that was never used.
    fn mark_next(&mut self) -> u32 {
        if self.sums.is_empty() {
            self.sums = vec![0; PLACES + 1];
        }
        let place = self.next;
        self.next += 1;
        self.add(place, |sum| sum + 1);
        self.all += 1;
        place
    }

    fn unmark(&mut self, place: u32) {
        self.add(place, |sum| sum - 1);
        self.all -= 1;
    }

    fn add(&mut self, place: u32, change: impl Fn(u32) -> u32) {
        let mut at = place as usize + 1;
        while let Some(sum) = self.sums.get_mut(at) {
            *sum = change(*sum);
            at += at & at.wrapping_neg();
        }
    }

    /// How many marks lie behind the place.
    fn after(&self, place: u32) -> u32 {
        let mut before = 0;
        let mut at = place as usize + 1;
        while at > 0 {
            before += self.sums[at];
            at &= at - 1;
        }
        self.all - before
    }
}

#[cfg(test)]
mod tests;
