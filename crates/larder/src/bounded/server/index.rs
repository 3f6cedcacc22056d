//! The index of a partition, for a remote in memory: which values there are, and which goes first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::{Bounded, ServerEviction};
use crate::time::Tick;

/// Where an entry stands: the lowest goes first, or the highest.
type Rank = (u64, u64);

/// What a partition of a bounded cache holds.
#[derive(Debug)]
pub(crate) struct Index {
    eviction: ServerEviction,
    in_bytes: bool,
    capacity: u64,
    entries: HashMap<Arc<str>, Entry>,
    order: BTreeMap<Rank, Arc<str>>,
    expiry: BTreeSet<(Tick, Arc<str>)>,
    load: u64,
    uses: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    rank: Rank,
    size: u64,
    expires: Tick,
}

/// Whether there is room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is, now that the values under these keys are gone.
    Made(Vec<Arc<str>>),
    /// The value alone is larger than what there may be.
    Never {
        /// What there may be.
        capacity: u64,
    },
}

impl Index {
    pub(crate) fn new(bounded: Bounded, capacity: u64) -> Self {
        Self {
            eviction: bounded.eviction,
            in_bytes: bounded.in_bytes,
            capacity,
            entries: HashMap::new(),
            order: BTreeMap::new(),
            expiry: BTreeSet::new(),
            load: 0,
            uses: 0,
        }
    }

    pub(crate) fn resize(&mut self, capacity: u64) {
        self.capacity = capacity;
    }

    /// A value was read.
    pub(crate) fn read(&mut self, key: &str) {
        if !self.eviction.notes_reads() {
            return;
        }
        let Some((key, entry)) = self.take(key) else {
            return;
        };
        let rank = self.rank_after_use(Some(entry.rank));
        self.put(key, Entry { rank, ..entry });
    }

    /// A value of this length comes in, or takes the place of one. `is_there` says whether there is still
    /// a value under a key: the store may have lost it.
    pub(crate) fn store(
        &mut self,
        key: &str,
        len: usize,
        expires: Tick,
        now: Tick,
        is_there: impl Fn(&str) -> bool,
    ) -> Room {
        let size = if self.in_bytes {
            (key.len() + len) as u64
        } else {
            1
        };
        let capacity = self.capacity;
        if size > capacity {
            return Room::Never { capacity };
        }
        let mut gone = self.expired(now);
        let old = self.take(key).filter(|_| is_there(key));
        // An overwrite of one entry among entries takes no room.
        let needs_room = self.in_bytes || old.is_none();
        while needs_room && self.load + size > capacity {
            let Some(victim) = self.victim() else { break };
            self.take(&victim);
            gone.push(victim);
        }
        let rank = self.rank_after_use(old.as_ref().map(|(_, old)| old.rank));
        let key = old.map_or_else(|| key.into(), |(key, _)| key);
        let entry = Entry {
            rank,
            size,
            expires,
        };
        self.put(key, entry);
        Room::Made(gone)
    }

    /// The value is gone.
    pub(crate) fn remove(&mut self, key: &str) {
        self.take(key);
    }

    fn expired(&mut self, now: Tick) -> Vec<Arc<str>> {
        let mut gone = Vec::new();
        while let Some((expires, key)) = self.expiry.first()
            && *expires <= now
        {
            let key = Arc::clone(key);
            self.take(&key);
            gone.push(key);
        }
        gone
    }

    fn victim(&self) -> Option<Arc<str>> {
        let (_, key) = match self.eviction {
            ServerEviction::Lifo | ServerEviction::Mru => self.order.last_key_value(),
            ServerEviction::Fifo | ServerEviction::Lru | ServerEviction::Lfu => {
                self.order.first_key_value()
            }
        }?;
        Some(Arc::clone(key))
    }

    /// Where an entry stands after a use; `rank` is where it stood, if it is no insertion.
    fn rank_after_use(&mut self, rank: Option<Rank>) -> Rank {
        self.uses += 1;
        match (self.eviction, rank) {
            (ServerEviction::Fifo | ServerEviction::Lifo, Some(rank)) => rank,
            (ServerEviction::Lfu, rank) => (rank.map_or(0, |(count, _)| count) + 1, self.uses),
            _ => (self.uses, 0),
        }
    }

    fn put(&mut self, key: Arc<str>, entry: Entry) {
        self.load += entry.size;
        self.order.insert(entry.rank, Arc::clone(&key));
        self.expiry.insert((entry.expires, Arc::clone(&key)));
        self.entries.insert(key, entry);
    }

    fn take(&mut self, key: &str) -> Option<(Arc<str>, Entry)> {
        let (key, entry) = self.entries.remove_entry(key)?;
        self.load -= entry.size;
        self.order.remove(&entry.rank);
        self.expiry.remove(&(entry.expires, Arc::clone(&key)));
        Some((key, entry))
    }
}
