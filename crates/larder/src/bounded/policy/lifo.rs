//! Last in, first out: who came last gives way, so that the first to come stay.

use super::list::{Links, List};
use super::{Newcomer, Policy, Slot};

/// Entries in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Lifo {
    links: Links,
    order: List,
}

impl Policy for Lifo {
    fn heeds_hits(&self) -> bool {
        false
    }

    fn inserted(&mut self, new: Newcomer) {
        self.links.push_back(&mut self.order, new.slot);
    }

    fn hit(&mut self, _slot: Slot) {}

    fn evict(&mut self) -> Option<Slot> {
        self.links.pop_back(&mut self.order)
    }

    fn removed(&mut self, slot: Slot) {
        self.links.remove(&mut self.order, slot);
    }

    #[cfg(test)]
    fn validate(&self) -> Result<Vec<Slot>, String> {
        self.links.validate(self.order)
    }
}
