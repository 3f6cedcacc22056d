//! Least recently used: who was not asked for the longest gives way.

use super::list::{Links, List};
use super::{Newcomer, Policy, Slot};

/// Entries in the order of their last use.
#[derive(Debug, Default)]
pub(super) struct Lru {
    links: Links,
    order: List,
}

impl Policy for Lru {
    fn heeds_hits(&self) -> bool {
        true
    }

    fn inserted(&mut self, new: Newcomer) {
        self.links.push_back(&mut self.order, new.slot);
    }

    fn hit(&mut self, slot: Slot) {
        self.links.move_to_back(&mut self.order, slot);
    }

    fn evict(&mut self) -> Option<Slot> {
        self.links.pop_front(&mut self.order)
    }

    fn removed(&mut self, slot: Slot) {
        self.links.remove(&mut self.order, slot);
    }

    #[cfg(test)]
    fn validate(&self) -> Result<Vec<Slot>, String> {
        self.links.validate(self.order)
    }
}
