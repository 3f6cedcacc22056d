//! W-TinyLFU (Einziger, Friedman and Manes, 2017): new entries come into a window of a hundredth of the
//! room. Who leaves it comes into the main part only if it was asked for more often of late than the one
//! that would have to go. The main part is on probation, or protected once it was asked for again.

use super::list::{Links, List};
use super::sketch::Sketch;
use super::{Newcomer, Policy, Slot};

/// The window's share of the room: one in this many.
const WINDOW: u64 = 100;
/// The protected share of the rest: all but one in this many.
const PROBATION: u64 = 5;

#[derive(Debug)]
pub(super) struct TinyLfu {
    links: Links,
    parts: [Queue; 3],
    entries: Vec<Entry>,
    sketch: Sketch,
    held: usize,
    /// How much the window and the protected part may weigh.
    window_target: u64,
    /// What the last newcomer weighed.
    last_weight: u64,
    protected_target: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Window,
    Probation,
    Protected,
}

/// Entries in the order of their last use.
#[derive(Debug, Default)]
struct Queue {
    list: List,
    weight: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    hash: u64,
    weight: u64,
    part: Part,
}

impl TinyLfu {
    pub(super) fn new(capacity: u64) -> Self {
        let mut policy = Self {
            links: Links::default(),
            parts: <[Queue; 3]>::default(),
            entries: Vec::new(),
            sketch: Sketch::new(),
            held: 0,
            window_target: 0,
            last_weight: 0,
            protected_target: 0,
        };
        policy.resized(capacity);
        policy
    }

    fn front(&self, part: Part) -> Option<Slot> {
        self.parts[part as usize].list.front()
    }

    fn weight(&self, part: Part) -> u64 {
        self.parts[part as usize].weight
    }

    fn push(&mut self, slot: Slot, part: Part) {
        let entry = &mut self.entries[slot.index()];
        entry.part = part;
        let queue = &mut self.parts[part as usize];
        queue.weight += entry.weight;
        self.links.push_back(&mut queue.list, slot);
    }

    fn take(&mut self, slot: Slot) {
        let entry = self.entries[slot.index()];
        let queue = &mut self.parts[entry.part as usize];
        queue.weight -= entry.weight;
        self.links.remove(&mut queue.list, slot);
    }

    fn shift(&mut self, slot: Slot, part: Part) {
        self.take(slot);
        self.push(slot, part);
    }

    fn count(&self, slot: Slot) -> u64 {
        self.sketch.count(self.entries[slot.index()].hash)
    }

    /// Who gives way, and who comes from the window into the main part for it.
    fn choose(&self) -> Option<(Slot, Option<Slot>)> {
        let main = self.front(Part::Probation).or(self.front(Part::Protected));
        // The window is full if another entry like the last one does not fit.
        let is_full = self.weight(Part::Window) + self.last_weight > self.window_target;
        let candidate = self
            .front(Part::Window)
            .filter(|_| is_full || main.is_none());
        match (candidate, main) {
            (Some(candidate), Some(main)) if self.count(candidate) > self.count(main) => {
                Some((main, Some(candidate)))
            }
            (Some(candidate), _) => Some((candidate, None)),
            (None, main) => Some((main?, None)),
        }
    }
}

impl Policy for TinyLfu {
    fn heeds_hits(&self) -> bool {
        true
    }

    fn inserted(&mut self, new: Newcomer) {
        if self.entries.len() <= new.slot.index() {
            self.entries.resize(new.slot.index() + 1, Entry::default());
        }
        self.held += 1;
        self.last_weight = new.weight;
        self.sketch.reserve(self.held);
        self.sketch.add(new.hash);
        self.entries[new.slot.index()] = Entry {
            hash: new.hash,
            weight: new.weight,
            part: Part::Window,
        };
        self.push(new.slot, Part::Window);
        // While there is room, nobody has to be asked for more often than another.
        while self.weight(Part::Window) > self.window_target
            && let Some(slot) = self.front(Part::Window)
            && slot != new.slot
        {
            self.shift(slot, Part::Probation);
        }
    }

    fn hit(&mut self, slot: Slot) {
        let Entry { hash, part, .. } = self.entries[slot.index()];
        self.sketch.add(hash);
        match part {
            Part::Window => self.shift(slot, Part::Window),
            Part::Probation | Part::Protected => self.shift(slot, Part::Protected),
        }
        while self.weight(Part::Protected) > self.protected_target
            && let Some(oldest) = self.front(Part::Protected)
        {
            self.shift(oldest, Part::Probation);
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        let (victim, promoted) = self.choose()?;
        self.removed(victim);
        if let Some(promoted) = promoted {
            self.shift(promoted, Part::Probation);
        }
        Some(victim)
    }

    fn removed(&mut self, slot: Slot) {
        self.held -= 1;
        self.take(slot);
    }

    fn reweighed(&mut self, slot: Slot, weight: u64) {
        let entry = &mut self.entries[slot.index()];
        let before = std::mem::replace(&mut entry.weight, weight);
        let queue = &mut self.parts[entry.part as usize];
        queue.weight = queue.weight - before + weight;
    }

    fn resized(&mut self, capacity: u64) {
        self.window_target = (capacity / WINDOW).max(1);
        let main = capacity.saturating_sub(self.window_target);
        self.protected_target = main - main / PROBATION;
    }

    #[cfg(test)]
    fn validate(&self) -> Result<Vec<Slot>, String> {
        let mut slots = Vec::new();
        for part in [Part::Window, Part::Probation, Part::Protected] {
            let queue = &self.parts[part as usize];
            let here = self.links.validate(queue.list)?;
            let entries = || here.iter().map(|slot| self.entries[slot.index()]);
            if entries().any(|entry| entry.part != part)
                || entries().map(|entry| entry.weight).sum::<u64>() != queue.weight
            {
                return Err(format!("{part:?}: {queue:?}"));
            }
            slots.extend(here);
        }
        if slots.len() != self.held {
            return Err(format!("{} are held, {} counted", slots.len(), self.held));
        }
        Ok(slots)
    }
}

#[cfg(test)]
mod tests {
    use crate::NearCapacity;
    use crate::bounded::{Eviction, Request, Simulation};

    /// In either unit: the window is full at another weight than its target's.
    #[test]
    fn a_pass_over_many_keys_does_not_empty_it() {
        for (capacity, weight) in [
            (NearCapacity::Entries(1_000), 1),
            (NearCapacity::Bytes(1_050_300), 1_000),
            (NearCapacity::Bytes(1_050_300), 1_700),
        ] {
            let mut cache = Simulation::new(Eviction::WTinyLfu, capacity);
            let hot = 0..400_u64;
            for _ in 0..10 {
                for key in hot.clone() {
                    cache.request(&Request::new(key).weight(weight));
                }
            }
            // Each of the others twice, the second time when it has left the window.
            for key in 1_000..5_000 {
                cache.request(&Request::new(key).weight(weight));
                cache.request(&Request::new(key - 100).weight(weight));
            }
            let held = hot.filter(|key| cache.request(&Request::new(*key).weight(weight)));
            let held = held.count();
            assert!(held > 350, "{capacity:?}, {weight}: {held}");
        }
    }
}
