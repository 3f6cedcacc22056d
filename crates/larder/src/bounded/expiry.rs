//! Which entry expires next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::policy::Slot;
use crate::time::Tick;

/// The ends of life of all entries, the first in front.
///
/// Entries that left keep their place until it comes to the front, or there are as many such
/// places as others.
#[derive(Debug, Default)]
pub(super) struct Expiry(BinaryHeap<Reverse<End>>);

/// When what lay in `slot` then, by its number, expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    at: Tick,
    slot: Slot,
    number: u32,
}

impl Expiry {
    pub(super) fn push(&mut self, at: Tick, slot: Slot, number: u32) {
        self.0.push(Reverse(End { at, slot, number }));
    }

    /// An entry that has expired by now, which the caller removes. `is_there` says whether the slot
    /// still holds what it did.
    pub(super) fn pop(&mut self, now: Tick, is_there: impl Fn(Slot, u32) -> bool) -> Option<Slot> {
        while let Some(Reverse(end)) = self.0.peek() {
            if end.at > now {
                return None;
            }
            let End { slot, number, .. } = *end;
            self.0.pop();
            if is_there(slot, number) {
                return Some(slot);
            }
        }
        None
    }

    /// Forgets those that left, once they are as many as the `held`.
    pub(super) fn tidy(&mut self, held: usize, is_there: impl Fn(Slot, u32) -> bool) {
        if self.0.len() > 2 * held + 64 {
            self.0.retain(|Reverse(end)| is_there(end.slot, end.number));
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that are still there.
    #[cfg(test)]
    pub(super) fn living(&self, is_there: impl Fn(Slot, u32) -> bool) -> usize {
        let ends = self
            .0
            .iter()
            .filter(|end| is_there(end.0.slot, end.0.number));
        ends.count()
    }
}
