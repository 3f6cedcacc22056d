//! What a bounded cache does, in the plainest way: a list that is gone through.

use larder::bounded::ServerEviction;

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: u32,
    pub(crate) value: Vec<u8>,
    pub(crate) short: bool,
    size: u64,
    inserted: u64,
    used: u64,
    uses: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) eviction: ServerEviction,
    pub(crate) capacity: u64,
    pub(crate) entries: Vec<Entry>,
    clock: u64,
}

impl Model {
    pub(crate) fn new(eviction: ServerEviction, capacity: u64) -> Self {
        Self {
            eviction,
            capacity,
            entries: Vec::new(),
            clock: 0,
        }
    }

    pub(crate) fn get(&mut self, key: u32) -> Option<Vec<u8>> {
        self.clock += 1;
        let entry = self.entries.iter_mut().find(|entry| entry.key == key)?;
        entry.used = self.clock;
        entry.uses += 1;
        Some(entry.value.clone())
    }

    /// Whether it was stored. `size` is 1 where the capacity is in entries.
    pub(crate) fn set(&mut self, key: u32, value: Vec<u8>, size: u64, short: bool) -> bool {
        self.clock += 1;
        let old = self.take(key);
        if size > self.capacity {
            return false;
        }
        // An overwrite of one entry among entries takes no room.
        if old.is_none() || size > 1 {
            while self.load() + size > self.capacity {
                self.evict();
            }
        }
        let (inserted, uses) = old.map_or((self.clock, 0), |old| (old.inserted, old.uses));
        self.entries.push(Entry {
            key,
            value,
            short,
            size,
            inserted,
            used: self.clock,
            uses: uses + 1,
        });
        true
    }

    pub(crate) fn take(&mut self, key: u32) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(at))
    }

    /// Those that live shortly are over.
    pub(crate) fn expire(&mut self) {
        self.entries.retain(|entry| !entry.short);
    }

    pub(crate) fn keys(&self) -> Vec<u32> {
        let mut keys: Vec<u32> = self.entries.iter().map(|entry| entry.key).collect();
        keys.sort_unstable();
        keys
    }

    fn load(&self) -> u64 {
        self.entries.iter().map(|entry| entry.size).sum()
    }

    fn evict(&mut self) {
        let rank = |entry: &Entry| match self.eviction {
            ServerEviction::Fifo => (entry.inserted, 0),
            ServerEviction::Lifo => (u64::MAX - entry.inserted, 0),
            ServerEviction::Lru => (entry.used, 0),
            ServerEviction::Mru => (u64::MAX - entry.used, 0),
            ServerEviction::Lfu => (entry.uses, entry.used),
            other => panic!("{other:?}"),
        };
        let victim = self
            .entries
            .iter()
            .min_by_key(|entry| rank(entry))
            .unwrap()
            .key;
        self.take(victim).unwrap();
    }
}
