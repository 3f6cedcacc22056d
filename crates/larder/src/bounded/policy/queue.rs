//! The four policies that keep one order and take from one of its ends.
//!
//! | | entries stand in the order of | who gives way |
//! |---|---|---|
//! | FIFO | their arrival | the first: who came first, however often it was asked for |
//! | LIFO | their arrival | the last: who came last, so that the first to come stay |
//! | LRU | their last use | the first: who was not asked for the longest |
//! | MRU | their last use | the last: who was asked for last, for loops over more than fits |

use super::list::{Links, List};
use super::{Newcomer, Policy, Slot};

/// What moves an entry to the end of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Arrival,
    Use,
}

/// Who gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Out {
    First,
    Last,
}

#[derive(Debug)]
pub(super) struct Queue {
    by: By,
    out: Out,
    links: Links,
    order: List,
}

impl Queue {
    pub(super) fn new(by: By, out: Out) -> Self {
        Self {
            by,
            out,
            links: Links::default(),
            order: List::default(),
        }
    }
}

impl Policy for Queue {
    fn heeds_hits(&self) -> bool {
        self.by == By::Use
    }

    fn inserted(&mut self, new: Newcomer) {
        self.links.push_back(&mut self.order, new.slot);
    }

    fn hit(&mut self, slot: Slot) {
        if self.by == By::Use {
            self.links.move_to_back(&mut self.order, slot);
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        match self.out {
            Out::First => self.links.pop_front(&mut self.order),
            Out::Last => self.links.pop_back(&mut self.order),
        }
    }

    fn removed(&mut self, slot: Slot) {
        self.links.remove(&mut self.order, slot);
    }

    #[cfg(test)]
    fn validate(&self) -> Result<Vec<Slot>, String> {
        self.links.validate(self.order)
    }
}
