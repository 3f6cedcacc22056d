//! Doubly linked lists of slots. Several share one table of links, and an entry is in one of them.

use super::Slot;

/// An entry's neighbours in the list that it is in.
#[derive(Clone, Copy, Debug)]
struct Link {
    before: Slot,
    after: Slot,
}

const LOOSE: Link = Link {
    before: Slot::NONE,
    after: Slot::NONE,
};

/// The neighbours of all entries, by slot.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<Link>);

/// One list, from its front to its back.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    front: Slot,
    back: Slot,
}

impl Default for List {
    fn default() -> Self {
        Self {
            front: Slot::NONE,
            back: Slot::NONE,
        }
    }
}

impl List {
    pub(super) fn front(self) -> Option<Slot> {
        (self.front != Slot::NONE).then_some(self.front)
    }

    pub(super) fn back(self) -> Option<Slot> {
        (self.back != Slot::NONE).then_some(self.back)
    }

    pub(super) fn is_empty(self) -> bool {
        self.front == Slot::NONE
    }
}

impl Links {
    /// The slot after `slot`, towards the back.
    pub(super) fn after(&self, slot: Slot) -> Option<Slot> {
        let after = self.0.get(slot.index())?.after;
        (after != Slot::NONE).then_some(after)
    }

    pub(super) fn push_back(&mut self, list: &mut List, slot: Slot) {
        if self.0.len() <= slot.index() {
            self.0.resize(slot.index() + 1, LOOSE);
        }
        self.0[slot.index()] = Link {
            before: list.back,
            after: Slot::NONE,
        };
        match list.back() {
            Some(back) => self.0[back.index()].after = slot,
            None => list.front = slot,
        }
        list.back = slot;
    }

    /// Takes `slot` out of `list`, which it must be in.
    pub(super) fn remove(&mut self, list: &mut List, slot: Slot) {
        let Link { before, after } = std::mem::replace(&mut self.0[slot.index()], LOOSE);
        if before == Slot::NONE {
            list.front = after;
        } else {
            self.0[before.index()].after = after;
        }
        if after == Slot::NONE {
            list.back = before;
        } else {
            self.0[after.index()].before = before;
        }
    }

    pub(super) fn pop_front(&mut self, list: &mut List) -> Option<Slot> {
        let front = list.front()?;
        self.remove(list, front);
        Some(front)
    }

    pub(super) fn pop_back(&mut self, list: &mut List) -> Option<Slot> {
        let back = list.back()?;
        self.remove(list, back);
        Some(back)
    }

    pub(super) fn move_to_back(&mut self, list: &mut List, slot: Slot) {
        if list.back != slot {
            self.remove(list, slot);
            self.push_back(list, slot);
        }
    }

    /// The slots of `list` from its front, if the links agree in both directions.
    #[cfg(test)]
    pub(super) fn validate(&self, list: List) -> Result<Vec<Slot>, String> {
        let mut slots = Vec::new();
        let (mut before, mut next) = (Slot::NONE, list.front);
        while next != Slot::NONE {
            let link = self.0.get(next.index()).ok_or("a link to nowhere")?;
            if link.before != before {
                return Err(format!(
                    "{next:?} has {:?} before it, not {before:?}",
                    link.before
                ));
            }
            if slots.len() > self.0.len() {
                return Err("a list that has no end".to_owned());
            }
            slots.push(next);
            (before, next) = (next, link.after);
        }
        if before != list.back {
            return Err(format!("the back is {:?}, not {before:?}", list.back));
        }
        Ok(slots)
    }
}
