//! S3-FIFO (Yang and others, SOSP '23): three queues. New entries come into a small one, a tenth of the
//! room, and leave it soon, unless they were asked for meanwhile: then they go on to the main one.
//! Who left the small one is remembered for a while, and comes into the main one at once.

use std::collections::{HashMap, VecDeque};

use super::list::{Links, List};
use super::{Newcomer, Policy, Slot};

/// The small queue's share of the room: one in this many.
const SMALL: u64 = 10;
/// Hits beyond this count no more.
const MOST: u8 = 3;
/// Hits in the small queue that bring an entry into the main one.
const ENOUGH: u8 = 2;

#[derive(Debug)]
pub(super) struct S3Fifo {
    links: Links,
    small: Queue,
    main: Queue,
    entries: Vec<Entry>,
    /// How much the small queue may weigh before it gives way.
    small_target: u64,
    ghosts: Ghosts,
}

#[derive(Debug, Default)]
struct Queue {
    list: List,
    weight: u64,
    len: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    hash: u64,
    weight: u64,
    hits: u8,
    is_main: bool,
}

impl S3Fifo {
    pub(super) fn new(capacity: u64) -> Self {
        let mut policy = Self {
            links: Links::default(),
            small: Queue::default(),
            main: Queue::default(),
            entries: Vec::new(),
            small_target: 0,
            ghosts: Ghosts::default(),
        };
        policy.resized(capacity);
        policy
    }

    fn queue(&mut self, is_main: bool) -> &mut Queue {
        if is_main {
            &mut self.main
        } else {
            &mut self.small
        }
    }

    fn push(&mut self, slot: Slot, entry: Entry) {
        self.entries[slot.index()] = entry;
        let queue = if entry.is_main {
            &mut self.main
        } else {
            &mut self.small
        };
        self.links.push_back(&mut queue.list, slot);
        queue.weight += entry.weight;
        queue.len += 1;
    }

    fn take(&mut self, slot: Slot) -> Entry {
        let entry = self.entries[slot.index()];
        let queue = if entry.is_main {
            &mut self.main
        } else {
            &mut self.small
        };
        self.links.remove(&mut queue.list, slot);
        queue.weight -= entry.weight;
        queue.len -= 1;
        entry
    }
}

impl Policy for S3Fifo {
    fn heeds_hits(&self) -> bool {
        true
    }

    fn inserted(&mut self, new: Newcomer) {
        if self.entries.len() <= new.slot.index() {
            self.entries.resize(new.slot.index() + 1, Entry::default());
        }
        let entry = Entry {
            hash: new.hash,
            weight: new.weight,
            hits: 0,
            is_main: self.ghosts.take(new.hash),
        };
        self.push(new.slot, entry);
    }

    fn hit(&mut self, slot: Slot) {
        let hits = &mut self.entries[slot.index()].hits;
        *hits = (*hits + 1).min(MOST);
    }

    fn evict(&mut self) -> Option<Slot> {
        // Each round takes an entry out, moves one on for good, or ends one of its few hits.
        loop {
            let is_small = self.small.weight >= self.small_target || self.main.list.is_empty();
            if let Some(slot) = self.small.list.front().filter(|_| is_small) {
                let entry = self.take(slot);
                if entry.hits < ENOUGH {
                    // As many as the main queue holds, or would hold if it were full.
                    let room = (self.main.len + self.small.len).max(1);
                    self.ghosts.put(entry.hash, room);
                    return Some(slot);
                }
                let (hits, is_main) = (0, true);
                self.push(
                    slot,
                    Entry {
                        hits,
                        is_main,
                        ..entry
                    },
                );
            } else {
                let slot = self.main.list.front()?;
                let entry = self.take(slot);
                let Some(hits) = entry.hits.checked_sub(1) else {
                    return Some(slot);
                };
                self.push(slot, Entry { hits, ..entry });
            }
        }
    }

    fn removed(&mut self, slot: Slot) {
        self.take(slot);
    }

    fn reweighed(&mut self, slot: Slot, weight: u64) {
        let Entry {
            is_main,
            weight: before,
            ..
        } = self.entries[slot.index()];
        self.entries[slot.index()].weight = weight;
        let queue = self.queue(is_main);
        queue.weight = queue.weight - before + weight;
    }

    fn resized(&mut self, capacity: u64) {
        self.small_target = (capacity / SMALL).max(1);
    }

    #[cfg(test)]
    fn validate(&self) -> Result<Vec<Slot>, String> {
        let mut slots = Vec::new();
        for (queue, is_main) in [(&self.small, false), (&self.main, true)] {
            let here = self.links.validate(queue.list)?;
            let entries = || here.iter().map(|slot| self.entries[slot.index()]);
            if entries().any(|entry| entry.is_main != is_main || entry.hits > MOST)
                || entries().map(|entry| entry.weight).sum::<u64>() != queue.weight
                || here.len() != queue.len
            {
                return Err(format!("main: {is_main}, {queue:?}"));
            }
            slots.extend(here);
        }
        self.ghosts.validate()?;
        Ok(slots)
    }
}

/// Hashes of those who left the small queue, the oldest first.
#[derive(Debug, Default)]
struct Ghosts {
    queue: VecDeque<(u64, u64)>,
    /// When each was put in: its place in the queue counts if it bears the same number.
    since: HashMap<u64, u64>,
    number: u64,
}

impl Ghosts {
    fn put(&mut self, hash: u64, room: usize) {
        self.number += 1;
        self.queue.push_back((hash, self.number));
        self.since.insert(hash, self.number);
        // Places that do not count any more go with the others.
        while self.queue.len() > room {
            let Some((hash, number)) = self.queue.pop_front() else {
                return;
            };
            if self.since.get(&hash) == Some(&number) {
                self.since.remove(&hash);
            }
        }
    }

    fn take(&mut self, hash: u64) -> bool {
        self.since.remove(&hash).is_some()
    }

    #[cfg(test)]
    fn validate(&self) -> Result<(), String> {
        let counts = |(hash, number)| self.since.get(hash) == Some(number);
        let counted = self
            .queue
            .iter()
            .map(|(h, n)| (h, n))
            .filter(|at| counts(*at));
        if counted.count() == self.since.len() {
            Ok(())
        } else {
            Err("a ghost has no place in the queue".to_owned())
        }
    }
}
