//! A bounded cache as a remote sees it.

#[cfg(feature = "valkey")]
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(feature = "valkey")]
use parking_lot::Mutex;

use super::{Bounded, ServerEviction};
use crate::key::{CacheName, Prefix};

/// The most parts that a cache may have: as many as a cluster has slots.
const MAX_PARTITIONS: u16 = 16_384;
/// The largest capacity: what a double counts exactly, as the servers do.
const MAX_CAPACITY: u64 = (1 << 53) - 1;

/// What a bounded cache was opened with. Every [`StoredKey`](crate::key::StoredKey) of it carries this, so
/// that a remote knows what it belongs to.
#[derive(Debug)]
pub struct Bounds {
    prefix: Prefix,
    name: CacheName,
    bounded: Bounded,
    /// What each script is told: the smaller share and the larger one, and the rest.
    #[cfg(feature = "valkey")]
    shares: [String; 2],
    #[cfg(feature = "valkey")]
    total: String,
    #[cfg(feature = "valkey")]
    partitions: String,
    /// Whether the server was seen to have the same.
    agreed: AtomicBool,
    /// What the index was found to have lost.
    #[cfg(feature = "valkey")]
    losses: Mutex<Losses>,
}

/// Partitions whose index may not know all values, and which loss it was. The word is the server's.
#[cfg(feature = "valkey")]
#[derive(Debug, Default)]
struct Losses {
    of: HashMap<u16, String>,
    is_looked_for: bool,
}

/// What is wrong with a [`Bounded`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a bounded cache's {what} of {value} is not {allowed}")]
pub struct BoundsError {
    /// `capacity` or `partitions`.
    pub what: &'static str,
    /// What was asked for.
    pub value: u64,
    /// What is allowed.
    pub allowed: &'static str,
}

impl Bounds {
    /// Those of the cache `name`.
    ///
    /// # Errors
    /// Where the capacity is zero or not below 2^53, there are no partitions or more than 16,384, or
    /// more of them than the capacity has units.
    pub fn new(prefix: &Prefix, name: &CacheName, bounded: Bounded) -> Result<Self, BoundsError> {
        let (capacity, partitions) = (bounded.capacity, bounded.partitions);
        let wrong = |what, value, allowed| {
            Err(BoundsError {
                what,
                value,
                allowed,
            })
        };
        if !(1..=MAX_CAPACITY).contains(&capacity) {
            return wrong("capacity", capacity, "from 1 to below 2^53");
        }
        if !(1..=MAX_PARTITIONS).contains(&partitions) {
            return wrong("number of partitions", partitions.into(), "from 1 to 16384");
        }
        if u64::from(partitions) > capacity {
            let allowed = "at most the capacity";
            return wrong("number of partitions", partitions.into(), allowed);
        }
        #[cfg(feature = "valkey")]
        let share = capacity / u64::from(partitions);
        Ok(Self {
            prefix: prefix.clone(),
            name: name.clone(),
            bounded,
            #[cfg(feature = "valkey")]
            shares: [share.to_string(), (share + 1).to_string()],
            #[cfg(feature = "valkey")]
            total: capacity.to_string(),
            #[cfg(feature = "valkey")]
            partitions: partitions.to_string(),
            agreed: AtomicBool::new(false),
            #[cfg(feature = "valkey")]
            losses: Mutex::default(),
        })
    }

    /// What all keys of the program begin with.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The cache's name.
    pub fn name(&self) -> &CacheName {
        &self.name
    }

    /// What was chosen.
    pub fn bounded(&self) -> Bounded {
        self.bounded
    }

    /// Which entry goes first.
    pub fn eviction(&self) -> ServerEviction {
        self.bounded.eviction
    }

    /// What of the capacity is a partition's: they differ by one at most.
    pub fn share_of(&self, partition: u16) -> u64 {
        let (capacity, partitions) = (self.bounded.capacity, u64::from(self.bounded.partitions));
        capacity / partitions + u64::from(u64::from(partition) < capacity % partitions)
    }

    /// Where a key lies: the same in every process. `tenant` and `key` are as in the stored key.
    pub(crate) fn partition_of(&self, tenant: &str, key: &str) -> u16 {
        if self.bounded.partitions == 1 {
            return 0;
        }
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(tenant.as_bytes());
        hasher.update(key.as_bytes());
        let partition = hasher.finalize() % u32::from(self.bounded.partitions);
        u16::try_from(partition).unwrap_or(0)
    }

    /// Where the index of a partition begins: as [`StoredKey::index_key`](crate::key::StoredKey::index_key)
    /// says of its keys.
    pub(crate) fn index_of(&self, partition: u16) -> String {
        let (prefix, name) = (self.prefix.as_str(), self.name.escaped());
        format!("{prefix}bounded:{{{name}:{partition}}}")
    }

    /// What a script is told of a partition: policy, unit, the partition's capacity, how many partitions
    /// there are, the capacity of all.
    #[cfg(feature = "valkey")]
    pub(crate) fn settings(&self, partition: u16) -> [&[u8]; 5] {
        let (capacity, partitions) = (self.bounded.capacity, u64::from(self.bounded.partitions));
        let is_larger = u64::from(partition) < capacity % partitions;
        [
            self.eviction().name().as_bytes(),
            self.bounded.unit().as_bytes(),
            self.shares[usize::from(is_larger)].as_bytes(),
            self.partitions.as_bytes(),
            self.total.as_bytes(),
        ]
    }

    /// Whether the server was seen to have the same bounds. Its capacity may be another since then.
    pub(crate) fn is_agreed(&self) -> bool {
        self.agreed.load(Ordering::Acquire)
    }

    pub(crate) fn agree(&self) {
        self.agreed.store(true, Ordering::Release);
    }

    /// The index of a partition has lost values. Whether the caller is to look for them: nobody else does.
    #[cfg(feature = "valkey")]
    pub(crate) fn lost(&self, partition: u16, loss: String) -> bool {
        let mut losses = self.losses.lock();
        losses.of.insert(partition, loss);
        !std::mem::replace(&mut losses.is_looked_for, true)
    }

    /// What is to be looked for. Where there is nothing the look is over.
    #[cfg(feature = "valkey")]
    pub(crate) fn losses(&self) -> Vec<(u16, String)> {
        let mut losses = self.losses.lock();
        losses.is_looked_for = !losses.of.is_empty();
        let all = losses.of.iter();
        all.map(|(partition, loss)| (*partition, loss.clone()))
            .collect()
    }

    /// What a loss had left was looked for; another one may have come since.
    #[cfg(feature = "valkey")]
    pub(crate) fn found(&self, partition: u16, loss: &str, since: String) {
        let mut losses = self.losses.lock();
        if !since.is_empty() {
            losses.of.insert(partition, since);
        } else if losses.of.get(&partition).is_some_and(|last| last == loss) {
            losses.of.remove(&partition);
        }
    }

    /// A look ended before its end. The next word of a loss begins another one.
    #[cfg(feature = "valkey")]
    pub(crate) fn give_up_looking(&self) {
        self.losses.lock().is_looked_for = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(bounded: Bounded) -> Result<Bounds, BoundsError> {
        Bounds::new(&Prefix::default(), &CacheName::new("n").unwrap(), bounded)
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (wrong, says) in [
            (Bounded::lru(0), "capacity of 0 is not from 1"),
            (Bounded::lru(1 << 53), "capacity of 9007199254740992"),
            (Bounded::lru(9).partitions(0), "partitions of 0"),
            (
                Bounded::lru(9).partitions(10),
                "partitions of 10 is not at most",
            ),
            (
                Bounded::lru(99_999).partitions(16_385),
                "partitions of 16385",
            ),
        ] {
            let error = bounds(wrong).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn the_shares_of_all_partitions_are_the_capacity() {
        for (capacity, partitions) in [(10, 3), (9, 3), (16_384, 16_384), (1, 1)] {
            let bounds = bounds(Bounded::fifo(capacity).partitions(partitions)).unwrap();
            let shares = (0..partitions).map(|partition| bounds.share_of(partition));
            assert_eq!(shares.sum::<u64>(), capacity);
        }
    }

    #[test]
    fn keys_are_spread_over_all_partitions() {
        let bounds = bounds(Bounded::fifo(100).partitions(8)).unwrap();
        let mut counts = [0; 8];
        for key in 0..8_000 {
            counts[usize::from(bounds.partition_of("", &key.to_string()))] += 1;
        }
        assert!(
            counts.iter().all(|count| (800..1_200).contains(count)),
            "{counts:?}"
        );
        assert_eq!(
            bounds.partition_of("tenant:a:", "k"),
            bounds.partition_of("tenant:a:", "k")
        );
    }
}
