//! Eviction policies: each says which entry gives way when there is no more room.
//!
//! A policy knows slots, numbers that stand for entries, and never a key or a value. So it is
//! compiled once, whatever a cache holds, and can be driven by tests without a cache. It takes no
//! lock and does no input or output: [`Store`](super::store::Store) calls it from under its own.

mod lfu;
mod list;
mod queue;
mod s3fifo;
mod sieve;
mod sketch;
mod tiny_lfu;

use queue::{By, Out, Queue};

use super::Eviction;

/// A place in a store's slab. It stands for one entry until that is gone, and then for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub(crate) u32);

impl Slot {
    /// That of no entry.
    pub(crate) const NONE: Self = Self(u32::MAX);

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a policy may want to know of an entry that comes in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newcomer {
    pub(crate) slot: Slot,
    /// The same whenever its key comes in.
    pub(crate) hash: u64,
    pub(crate) weight: u64,
}

/// Decides who gives way.
///
/// Its store tells it of each entry that comes in, is hit, or leaves by another's decision. Where
/// room is needed, the store asks before the new entry comes in.
pub(crate) trait Policy: Send + Sync {
    /// Whether a hit changes anything. Where not, it is not told of hits, and readers need not
    /// exclude each other.
    fn heeds_hits(&self) -> bool;

    /// An entry came in.
    fn inserted(&mut self, new: Newcomer);

    /// An entry was found, or its value replaced.
    fn hit(&mut self, slot: Slot);

    /// Chooses the entry that gives way, and forgets it. `None` where there is none.
    fn evict(&mut self) -> Option<Slot>;

    /// An entry left that this policy did not choose.
    fn removed(&mut self, slot: Slot);

    /// An entry that is held weighs something else now.
    fn reweighed(&mut self, _slot: Slot, _weight: u64) {}

    /// The weight that may be held has changed.
    fn resized(&mut self, _capacity: u64) {}

    /// The slots that it holds, if all that it knows of them fits together.
    #[cfg(test)]
    fn validate(&self) -> Result<Vec<Slot>, String>;
}

/// The policy called `eviction`, for this weight. `None` for the default engine, which has a
/// policy of its own.
pub(crate) fn policy(eviction: Eviction, capacity: u64) -> Option<Box<dyn Policy>> {
    Some(match eviction {
        Eviction::Default => return None,
        Eviction::Fifo => Box::new(Queue::new(By::Arrival, Out::First)),
        Eviction::Lifo => Box::new(Queue::new(By::Arrival, Out::Last)),
        Eviction::Lru => Box::new(Queue::new(By::Use, Out::First)),
        Eviction::Mru => Box::new(Queue::new(By::Use, Out::Last)),
        Eviction::Lfu => Box::new(lfu::Lfu::default()),
        Eviction::Sieve => Box::new(sieve::Sieve::default()),
        Eviction::S3Fifo => Box::new(s3fifo::S3Fifo::new(capacity)),
        Eviction::WTinyLfu => Box::new(tiny_lfu::TinyLfu::new(capacity)),
    })
}
