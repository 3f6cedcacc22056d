//! SIEVE (Zhang and others, NSDI '24): a hand goes from the oldest entry to the newest, spares who was
//! asked for since it last came by, and takes the first who was not.

use super::list::{Links, List};
use super::{Newcomer, Policy, Slot};

/// Entries in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    links: Links,
    order: List,
    /// Whether an entry was asked for since the hand came by, by slot.
    visited: Vec<bool>,
    /// Where the hand goes on; from the oldest where it is at no entry.
    hand: Option<Slot>,
}

impl Sieve {
    fn take(&mut self, slot: Slot) {
        if self.hand == Some(slot) {
            self.hand = self.links.after(slot);
        }
        self.links.remove(&mut self.order, slot);
    }
}

impl Policy for Sieve {
    fn heeds_hits(&self) -> bool {
        true
    }

    fn inserted(&mut self, new: Newcomer) {
        self.links.push_back(&mut self.order, new.slot);
        let index = new.slot.index();
        if self.visited.len() <= index {
            self.visited.resize(index + 1, false);
        }
        self.visited[index] = false;
    }

    fn hit(&mut self, slot: Slot) {
        self.visited[slot.index()] = true;
    }

    fn evict(&mut self) -> Option<Slot> {
        let mut at = self.hand.or(self.order.front())?;
        // Each step ends a visit, so this ends after one round at the latest.
        while std::mem::take(&mut self.visited[at.index()]) {
            at = self.links.after(at).or(self.order.front())?;
        }
        self.hand = Some(at);
        self.take(at);
        Some(at)
    }

    fn removed(&mut self, slot: Slot) {
        self.take(slot);
    }

    #[cfg(test)]
    fn validate(&self) -> Result<Vec<Slot>, String> {
        let slots = self.links.validate(self.order)?;
        match self.hand {
            Some(hand) if !slots.contains(&hand) => Err(format!("the hand is at {hand:?}")),
            _ => Ok(slots),
        }
    }
}
