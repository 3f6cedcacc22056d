//! Least frequently used: who was asked for least often gives way, and among equals who was not
//! asked for the longest. To come in counts as once. What is gone is forgotten, and counts do not age.

use super::list::{Links, List};
use super::{Newcomer, Policy, Slot};

/// Stands for no bucket.
const NONE: u32 = u32::MAX;

/// Entries in buckets, one for each count that occurs. Each step is of constant time.
#[derive(Debug)]
pub(super) struct Lfu {
    links: Links,
    /// Which bucket an entry is in, by slot.
    of: Vec<u32>,
    buckets: Vec<Bucket>,
    /// Buckets that are not in use.
    free: Vec<u32>,
    /// That of the least count.
    least: u32,
}

#[derive(Debug)]
struct Bucket {
    count: u64,
    /// In the order of their last use: each use brings an entry to the back of its next bucket.
    entries: List,
    /// The bucket of the next smaller count, and of the next larger one.
    below: u32,
    above: u32,
}

impl Default for Lfu {
    fn default() -> Self {
        Self {
            links: Links::default(),
            of: Vec::new(),
            buckets: Vec::new(),
            free: Vec::new(),
            least: NONE,
        }
    }
}

impl Lfu {
    fn bucket(&mut self, at: u32) -> &mut Bucket {
        &mut self.buckets[at as usize]
    }

    /// A new bucket, right above `below`.
    fn open(&mut self, count: u64, below: u32) -> u32 {
        let above = if below == NONE {
            self.least
        } else {
            self.bucket(below).above
        };
        let bucket = Bucket {
            count,
            entries: List::default(),
            below,
            above,
        };
        let at = if let Some(at) = self.free.pop() {
            self.buckets[at as usize] = bucket;
            at
        } else {
            self.buckets.push(bucket);
            // There are no more buckets than slots, whose numbers are of this type.
            u32::try_from(self.buckets.len() - 1).unwrap_or(NONE)
        };
        if below == NONE {
            self.least = at;
        } else {
            self.bucket(below).above = at;
        }
        if above != NONE {
            self.bucket(above).below = at;
        }
        at
    }

    fn put(&mut self, slot: Slot, at: u32) {
        let bucket = &mut self.buckets[at as usize];
        self.links.push_back(&mut bucket.entries, slot);
        if self.of.len() <= slot.index() {
            self.of.resize(slot.index() + 1, NONE);
        }
        self.of[slot.index()] = at;
    }

    /// Takes an entry out of its bucket; the bucket goes with its last.
    fn take(&mut self, slot: Slot) {
        let at = std::mem::replace(&mut self.of[slot.index()], NONE);
        let bucket = &mut self.buckets[at as usize];
        self.links.remove(&mut bucket.entries, slot);
        if !bucket.entries.is_empty() {
            return;
        }
        let (below, above) = (bucket.below, bucket.above);
        if below == NONE {
            self.least = above;
        } else {
            self.bucket(below).above = above;
        }
        if above != NONE {
            self.bucket(above).below = below;
        }
        self.free.push(at);
    }
}

impl Policy for Lfu {
    fn heeds_hits(&self) -> bool {
        true
    }

    fn inserted(&mut self, new: Newcomer) {
        let least = self.buckets.get(self.least as usize);
        let at = match least {
            Some(bucket) if bucket.count == 1 => self.least,
            _ => self.open(1, NONE),
        };
        self.put(new.slot, at);
    }

    fn hit(&mut self, slot: Slot) {
        let at = self.of[slot.index()];
        let (count, above) = (self.bucket(at).count + 1, self.bucket(at).above);
        let next = if above != NONE && self.bucket(above).count == count {
            above
        } else {
            self.open(count, at)
        };
        self.take(slot);
        self.put(slot, next);
    }

    fn evict(&mut self) -> Option<Slot> {
        let least = self.buckets.get(self.least as usize)?;
        let slot = least.entries.front()?;
        self.take(slot);
        Some(slot)
    }

    fn removed(&mut self, slot: Slot) {
        self.take(slot);
    }

    #[cfg(test)]
    fn validate(&self) -> Result<Vec<Slot>, String> {
        let mut slots = Vec::new();
        let (mut below, mut at, mut count, mut used) = (NONE, self.least, 0, 0);
        while at != NONE {
            let bucket = &self.buckets[at as usize];
            if bucket.below != below {
                return Err(format!("bucket {at} has {} below it", bucket.below));
            }
            if bucket.count <= count || bucket.entries.is_empty() {
                return Err(format!("bucket {bucket:?} above {count}"));
            }
            let here = self.links.validate(bucket.entries)?;
            if here.iter().any(|slot| self.of[slot.index()] != at) {
                return Err(format!("an entry of bucket {at} believes to be elsewhere"));
            }
            slots.extend(here);
            used += 1;
            (below, at, count) = (at, bucket.above, bucket.count);
        }
        if used + self.free.len() != self.buckets.len() {
            return Err("a bucket is lost".to_owned());
        }
        Ok(slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_used_again() {
        let mut lfu = Lfu::default();
        for round in 0..1_000 {
            let new = Newcomer {
                slot: Slot(round % 2),
                hash: 0,
                weight: 1,
            };
            lfu.inserted(new);
            for _ in 0..5 {
                lfu.hit(new.slot);
            }
            assert_eq!(lfu.validate().unwrap(), [new.slot]);
            assert_eq!(lfu.evict(), Some(new.slot));
        }
        assert!(lfu.buckets.len() <= 2, "{}", lfu.buckets.len());
    }
}
