//! Who may have how much of a near tier. Plain and synchronous; the engines are told afterwards.
//!
//! ```text
//!   a part is full, and something is to go in
//!       │
//!       ▼
//!   what is free ──► what others have and do not use ──► what they have beyond their floors,
//!                                                        from who has most of that
//! ```
//!
//! The last step goes on while the giver has more beyond its floor than the taker, by more than a step:
//! so all who want more end up with as much beyond their floors as each other, and who wants less keeps
//! all that it wants. A part below its floor takes in any case. Nobody is taken below its floor, save
//! what it does not use.
//!
//! The floors that are granted are three quarters of the whole at most, the earliest first. So a part
//! below its floor always finds one above its own.

/// What a step moves at least, as a share of the whole.
const STEPS: u64 = 256;
/// Or as a share of what each part has on average: a newcomer must find one that has more to give.
const STEPS_OF_A_PART: u64 = 8;

#[derive(Debug)]
pub(super) struct Ledger {
    total: u64,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    floor: u64,
    /// What of its floor can be had.
    granted: u64,
    ceiling: u64,
    /// What it has now.
    capacity: u64,
}

impl Part {
    fn beyond_floor(&self) -> u64 {
        self.capacity.saturating_sub(self.granted)
    }
}

impl Ledger {
    /// The first part has everything, no floor and no ceiling.
    pub(super) fn new(total: u64) -> Self {
        let all = Part {
            floor: 0,
            granted: 0,
            ceiling: u64::MAX,
            capacity: total,
        };
        Self {
            total,
            parts: vec![all],
        }
    }

    /// Adds a part that has nothing yet; its number.
    pub(super) fn add(&mut self, floor: u64, ceiling: u64) -> usize {
        self.parts.push(Part {
            floor,
            granted: 0,
            ceiling,
            capacity: 0,
        });
        self.grant();
        self.parts.len() - 1
    }

    pub(super) fn capacity(&self, of: usize) -> u64 {
        self.parts[of].capacity
    }

    /// The most that a part can have.
    pub(super) fn most(&self, of: usize) -> u64 {
        self.parts[of].ceiling.min(self.total)
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn step(&self) -> u64 {
        let steps = STEPS.max(STEPS_OF_A_PART * self.parts.len() as u64);
        (self.total / steps).max(1)
    }

    /// Changes a part's floor and ceiling; whether its capacity changed.
    pub(super) fn change(&mut self, of: usize, floor: u64, ceiling: u64) -> bool {
        let part = &mut self.parts[of];
        (part.floor, part.ceiling) = (floor, ceiling);
        let before = part.capacity;
        part.capacity = before.min(ceiling);
        let changed = part.capacity != before;
        self.grant();
        changed
    }

    /// Changes the whole, and takes what there is too much from those who have most beyond their floors.
    pub(super) fn resize(&mut self, total: u64) {
        self.total = total;
        self.grant();
        if self.parts.len() == 1 {
            self.parts[0].capacity = total;
            return;
        }
        loop {
            let over = self.given().saturating_sub(total);
            let Some(giver) = self.richest(None).filter(|_| over > 0) else {
                return;
            };
            // Down to what the next one has, so that it falls on all alike.
            let part = self.parts[giver];
            let next = self.richest(Some(giver));
            let next = next.map_or(0, |next| self.parts[next].beyond_floor());
            let gap = (part.beyond_floor() - next).max(self.step());
            let amount = over.min(gap).min(part.beyond_floor());
            if amount == 0 {
                return;
            }
            self.parts[giver].capacity -= amount;
        }
    }

    /// Lets a part have `wanted`, or as much of it as it may; whose capacity changed. `used` says how
    /// much each part holds.
    pub(super) fn grow(
        &mut self,
        of: usize,
        wanted: u64,
        used: impl Fn(usize) -> u64,
    ) -> Vec<usize> {
        let step = self.step();
        let part = self.parts[of];
        // At least a step, so that it is not asked for again at once.
        let target = wanted.max(part.capacity + step).min(part.ceiling);
        let mut missing = target.saturating_sub(part.capacity);
        let mut changed = Vec::new();
        let free = self.total.saturating_sub(self.given()).min(missing);
        self.parts[of].capacity += free;
        missing -= free;
        for other in (0..self.parts.len()).filter(|other| *other != of) {
            // Some is left to who uses any, so that it does not have to take it back at once.
            let in_use = used(other);
            let in_use = in_use + step.min(in_use);
            let given = self.parts[other].capacity.saturating_sub(in_use);
            self.give((other, of), given.min(missing), &mut changed);
            missing -= given.min(missing);
        }
        while missing > 0 {
            let Some(giver) = self.richest(Some(of)) else {
                break;
            };
            let (has, mine) = (self.parts[giver].beyond_floor(), self.parts[of]);
            let is_below = mine.capacity < mine.granted;
            if !is_below && has <= mine.beyond_floor() + 2 * step {
                break;
            }
            let amount = has.min(step).min(missing);
            if amount == 0 {
                break;
            }
            self.give((giver, of), amount, &mut changed);
            missing -= amount;
        }
        if self.parts[of].capacity != part.capacity {
            changed.push(of);
        }
        changed
    }

    fn give(&mut self, (from, to): (usize, usize), amount: u64, changed: &mut Vec<usize>) {
        if amount == 0 {
            return;
        }
        self.parts[from].capacity -= amount;
        self.parts[to].capacity += amount;
        if !changed.contains(&from) {
            changed.push(from);
        }
    }

    fn given(&self) -> u64 {
        self.parts.iter().map(|part| part.capacity).sum()
    }

    /// Who has most beyond its floor, but for one.
    fn richest(&self, but: Option<usize>) -> Option<usize> {
        (0..self.parts.len())
            .filter(|of| Some(*of) != but)
            .max_by_key(|of| self.parts[*of].beyond_floor())
    }

    fn grant(&mut self) {
        let mut left = self.total / 4 * 3;
        for part in &mut self.parts {
            part.granted = part.floor.min(left);
            left -= part.granted;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All parts are full.
    fn full(ledger: &Ledger) -> impl Fn(usize) -> u64 + use<> {
        let held: Vec<u64> = ledger.parts.iter().map(|part| part.capacity).collect();
        move |of| held[of]
    }

    /// Wants more until nobody gives any.
    fn grow_all_it_can(ledger: &mut Ledger, of: usize) {
        loop {
            let (before, used) = (ledger.capacity(of), full(ledger));
            ledger.grow(of, before + 1, used);
            if ledger.capacity(of) == before {
                return;
            }
        }
    }

    #[test]
    fn who_wants_more_ends_up_with_as_much_as_the_others_beyond_the_floors() {
        let mut ledger = Ledger::new(256_000);
        let (one, other) = (ledger.add(64_000, u64::MAX), ledger.add(0, u64::MAX));
        for _ in 0..100 {
            for of in [0, one, other] {
                grow_all_it_can(&mut ledger, of);
            }
        }
        for (of, expected) in [(0, 64_000), (one, 128_000), (other, 64_000)] {
            let has = ledger.capacity(of);
            assert!(has.abs_diff(expected) <= 3 * ledger.step(), "{of}: {has}");
        }
    }

    #[test]
    fn what_is_not_used_is_given_and_a_floor_is_taken_back() {
        let mut ledger = Ledger::new(256_000);
        let quiet = ledger.add(100_000, u64::MAX);
        let idle = ledger.grow(quiet, 200_000, |_| 0);
        assert_eq!(idle, [0, quiet]);
        assert_eq!(ledger.capacity(quiet), 200_000);
        // It uses little of that, so the others get the rest.
        let used = |of| if of == quiet { 10_000 } else { 56_000 };
        ledger.grow(0, 240_000, used);
        assert_eq!(ledger.capacity(0), 240_000);
        // Once it wants its floor, it has it, whatever the others hold.
        let used = full(&ledger);
        ledger.grow(quiet, 100_000, used);
        assert!(ledger.capacity(quiet) >= 100_000, "{ledger:?}");
    }

    #[test]
    fn however_many_there_are_each_has_its_part_and_gives_it_back() {
        const WANTED: u64 = 2_000;
        let mut ledger = Ledger::new(64 << 20);
        grow_all_it_can(&mut ledger, 0);
        let all: Vec<_> = (0..1_000).map(|_| ledger.add(0, 16 << 20)).collect();
        for of in &all {
            let used = full(&ledger);
            let used = move |other| {
                if other == 0 {
                    used(0)
                } else {
                    used(other).min(WANTED)
                }
            };
            ledger.grow(*of, WANTED, used);
            assert!(ledger.capacity(*of) >= WANTED, "{of}");
        }
        // They have nothing left, and the common one wants all.
        ledger.grow(0, 64 << 20, |_| 0);
        assert_eq!(ledger.capacity(0), 64 << 20);
    }

    #[test]
    fn nobody_passes_its_ceiling() {
        let mut ledger = Ledger::new(1_000);
        let of = ledger.add(0, 100);
        ledger.grow(of, 900, |_| 0);
        assert_eq!(ledger.capacity(of), 100);
        assert!(ledger.change(of, 0, 40));
        assert_eq!(ledger.capacity(of), 40);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u64, u64),
        Grow(usize, u64, Vec<u64>),
        Change(usize, u64, u64),
        Resize(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let amount = 0..2_000_u64;
        let step = prop_oneof![
            1 => (amount.clone(), amount.clone()).prop_map(|(floor, more)| Step::Add(floor, floor + more)),
            6 => (0..8_usize, amount.clone(), prop::collection::vec(amount.clone(), 8))
                .prop_map(|(of, wanted, used)| Step::Grow(of, wanted, used)),
            1 => (0..8_usize, amount.clone(), amount.clone())
                .prop_map(|(of, floor, more)| Step::Change(of, floor, floor + more)),
            1 => (1..4_000_u64).prop_map(Step::Resize),
        ];
        prop::collection::vec(step, 1..60)
    }

    proptest! {
        #[test]
        fn no_more_is_given_than_there_is_and_floors_hold(steps in steps()) {
            let mut ledger = Ledger::new(1_000);
            for step in steps {
                let count = ledger.parts.len();
                match step {
                    Step::Add(floor, ceiling) if count < 8 => { ledger.add(floor, ceiling); }
                    Step::Add(..) => {}
                    Step::Change(of, floor, ceiling) => {
                        // The first part has neither.
                        if of % count > 0 {
                            ledger.change(of % count, floor, ceiling);
                        }
                    }
                    Step::Resize(total) => ledger.resize(total),
                    Step::Grow(of, wanted, used) => {
                        let of = of % count;
                        let before = ledger.parts.clone();
                        let used = |of: usize| used[of].min(before[of].capacity);
                        let changed = ledger.grow(of, wanted, used);
                        for (other, (was, is)) in before.iter().zip(&ledger.parts).enumerate() {
                            prop_assert_eq!(was.capacity != is.capacity, changed.contains(&other));
                            if other != of {
                                let kept = was.granted.min(used(other));
                                prop_assert!(is.capacity >= kept.min(was.capacity));
                            }
                        }
                        let is = &ledger.parts[of];
                        prop_assert!(is.capacity >= wanted.min(is.granted).min(is.ceiling));
                        prop_assert!(is.capacity <= is.ceiling.max(before[of].capacity));
                    }
                }
                prop_assert!(ledger.given() <= ledger.total.max(1));
            }
        }
    }
}
