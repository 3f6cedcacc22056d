//! Bounded caches in memory: an index beside the values, which lie with all others.

use std::sync::Arc;

use bytes::Bytes;

use super::MemoryRemote;
use crate::bounded::{Bounded, Bounds, Index, Room};
use crate::key::StoredKey;
use crate::remote::RemoteError;
use crate::time::Tick;

/// The index of a partition, and what it was opened as.
pub(super) struct Partition {
    bounded: Bounded,
    index: Index,
}

impl Partition {
    fn new(bounds: &Bounds, partition: u16) -> Self {
        Self {
            bounded: bounds.bounded(),
            index: Index::new(bounds.bounded(), bounds.share_of(partition)),
        }
    }
}

/// Whether the two differ in nothing but the capacity.
fn is_alike(one: Bounded, other: Bounded) -> bool {
    let shape = |of: Bounded| (of.eviction(), of.is_in_bytes(), of.partition_count());
    shape(one) == shape(other)
}

impl MemoryRemote {
    pub(super) fn open_bounded_now(&self, bounds: &Arc<Bounds>) -> Result<(), RemoteError> {
        let asked = bounds.bounded();
        let mut partitions = self.0.partitions.lock();
        for partition in 0..asked.partition_count() {
            let there = partitions
                .entry(bounds.index_of(partition))
                .or_insert_with(|| Partition::new(bounds, partition));
            let is_same = there.bounded.capacity() == asked.capacity();
            if !is_alike(there.bounded, asked) || !is_same && !asked.resizes() {
                return Err(otherwise(bounds, there.bounded));
            }
            if !is_same {
                there.bounded = asked;
                there.index.resize(bounds.share_of(partition));
            }
        }
        bounds.agree();
        Ok(())
    }

    /// Looks at it again where that could not be done before.
    pub(super) fn agreed(&self, key: &StoredKey) -> Result<(), RemoteError> {
        match key.bounds() {
            Some(bounds) if !bounds.is_agreed() => self.open_bounded_now(bounds),
            _ => Ok(()),
        }
    }

    /// A value was read.
    pub(super) fn note_read(&self, key: &StoredKey) {
        let Some(bounds) = key.bounds() else { return };
        if bounds.eviction().notes_reads()
            && let Some(index) = key.index_key()
            && let Some(there) = self.0.partitions.lock().get_mut(&index)
        {
            there.index.read(key.as_str());
        }
    }

    /// Makes room for a value, in a bounded cache; which ones went. Under the lock of the leases.
    pub(super) fn make_room(
        &self,
        key: &StoredKey,
        value: &Bytes,
        expires: Tick,
    ) -> Result<Vec<Arc<str>>, RemoteError> {
        let (Some(bounds), Some(index)) = (key.bounds(), key.index_key()) else {
            return Ok(Vec::new());
        };
        let now = self.0.clock.now();
        let mut partitions = self.0.partitions.lock();
        let there = partitions
            .entry(index)
            .or_insert_with(|| Partition::new(bounds, key.partition()));
        let entries = &self.0.entries;
        let is_there = |key: &str| entries.get(key).is_some_and(|there| now < there.expires);
        let room = there
            .index
            .store(key.as_str(), value.len(), expires, now, is_there);
        match room {
            Room::Made(gone) => {
                for key in &gone {
                    self.0.entries.remove(&**key);
                }
                Ok(gone)
            }
            Room::Never { capacity } => Err(RemoteError::BeyondCapacity {
                name: bounds.name().as_str().to_owned(),
                len: key.as_str().len() + value.len(),
                capacity,
            }),
        }
    }

    /// The value under this key is gone.
    pub(super) fn forget(&self, key: &str) {
        // Whoever found the key does not know its index; there are few.
        for there in self.0.partitions.lock().values_mut() {
            there.index.remove(key);
        }
    }
}

fn otherwise(bounds: &Bounds, there: Bounded) -> RemoteError {
    RemoteError::BoundedOtherwise {
        name: bounds.name().as_str().to_owned(),
        there: there.to_string(),
        asked: bounds.bounded().to_string(),
    }
}
