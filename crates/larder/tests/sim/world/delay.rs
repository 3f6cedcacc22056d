//! How long messages are on their way: by the seed, the time and what they are about, so that nothing
//! depends on the order in which tasks were woken.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::State;
use crate::groups::Slot;
use crate::rng::Rng;

impl State {
    /// How long the next message about a key or a stamp takes.
    pub(super) fn delay(&mut self, process: usize, slot: Slot, message: (&str, u64)) -> u64 {
        let (low, high) = self.plan.latency;
        let mut rng = self.rng_of(process, slot, message);
        let delay = rng.between(low, high);
        if !self.healed && rng.percent(self.plan.laggards) {
            let delay = rng.between(200, 1_500);
            self.check.troubled(process, self.now + delay);
            return delay;
        }
        delay
    }

    /// What is random about a message: its text, and which way it goes.
    pub(super) fn rng_of(&self, process: usize, slot: Slot, message: (&str, u64)) -> Rng {
        let mut hasher = DefaultHasher::new();
        (slot, message).hash(&mut hasher);
        let tags = [2, process as u64, hasher.finish(), self.now];
        Rng::of(self.plan.seed, &tags)
    }

    /// The same for what is not about a key: alike for all messages of a millisecond.
    pub(super) fn delay_now(&self, process: usize, what: u64) -> u64 {
        let (low, high) = self.plan.latency;
        Rng::of(self.plan.seed, &[4, process as u64, what, self.now]).between(low, high)
    }
}
