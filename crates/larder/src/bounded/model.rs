//! Each policy beside a naive one: the same steps, and after each the same entries.

use proptest::prelude::*;

use super::Eviction;
use super::policy::policy;
use super::store::{Cause, Gone, Item, Store};
use crate::time::Tick;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Value {
    weight: u64,
    expires: u64,
}

impl Item for Value {
    fn weight(&self) -> u64 {
        self.weight
    }

    fn expires(&self) -> Tick {
        Tick(self.expires)
    }
}

/// A key that the table compares.
struct Key(u64);

impl hashbrown::Equivalent<u64> for Key {
    fn equivalent(&self, key: &u64) -> bool {
        self.0 == *key
    }
}

/// Few of them, so that some hash alike.
fn hash(key: u64) -> u64 {
    key % 5
}

#[derive(Clone, Debug)]
enum Step {
    Get(u64),
    Set { key: u64, weight: u64, ttl: u64 },
    Remove(u64),
    Resize(u64),
    Wait(u64),
    Sweep,
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => (0..12_u64).prop_map(Step::Get),
        20 => (0..12_u64, 1..4_u64, 1..40_u64)
            .prop_map(|(key, weight, ttl)| Step::Set { key, weight, ttl }),
        // As a cache in entries does.
        20 => (0..12_u64).prop_map(|key| Step::Set { key, weight: 1, ttl: 1_000 }),
        4 => (0..12_u64).prop_map(Step::Remove),
        2 => (0..14_u64).prop_map(Step::Resize),
        6 => (1..20_u64).prop_map(Step::Wait),
        1 => Just(Step::Sweep),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 0..120)
}

#[derive(Clone, Debug)]
struct Held {
    key: u64,
    value: Value,
    used: u64,
    count: u64,
    visited: bool,
}

/// What is held, in the order in which it came; the rules of a policy, word for word.
struct Naive {
    eviction: Eviction,
    held: Vec<Held>,
    capacity: u64,
    time: u64,
    /// SIEVE's hand: the key that it is at.
    hand: Option<u64>,
}

impl Naive {
    fn weight(&self) -> u64 {
        self.held.iter().map(|held| held.value.weight).sum()
    }

    fn find(&mut self, key: u64) -> Option<&mut Held> {
        self.held.iter_mut().find(|held| held.key == key)
    }

    fn expire(&mut self, now: u64) {
        let expired = |held: &Held| held.value.expires <= now;
        while let Some(at) = self.held.iter().position(expired) {
            self.leave(at);
        }
    }

    fn leave(&mut self, at: usize) -> u64 {
        let key = self.held[at].key;
        if self.hand == Some(key) {
            self.hand = self.held.get(at + 1).map(|next| next.key);
        }
        self.held.remove(at).key
    }

    fn used(&mut self, key: u64) -> bool {
        self.time += 1;
        let time = self.time;
        let Some(held) = self.find(key) else {
            return false;
        };
        held.used = time;
        held.count += 1;
        held.visited = true;
        true
    }

    fn victim(&mut self) -> usize {
        let by = |of: fn(&Held) -> (u64, u64)| {
            let all = self.held.iter().enumerate();
            all.min_by_key(|(_, held)| of(held)).map_or(0, |(at, _)| at)
        };
        match self.eviction {
            Eviction::Fifo => 0,
            Eviction::Lifo => self.held.len() - 1,
            Eviction::Lru => by(|held| (held.used, 0)),
            Eviction::Mru => by(|held| (u64::MAX - held.used, 0)),
            Eviction::Lfu => by(|held| (held.count, held.used)),
            Eviction::Sieve => {
                let hand = self.hand;
                let mut at = self.held.iter().position(|held| Some(held.key) == hand);
                loop {
                    let here = at.unwrap_or(0);
                    if !std::mem::take(&mut self.held[here].visited) {
                        self.hand = Some(self.held[here].key);
                        return here;
                    }
                    at = Some((here + 1) % self.held.len());
                }
            }
            other => unreachable!("{other} has no naive form"),
        }
    }

    fn set(&mut self, key: u64, value: Value) {
        if value.weight > self.capacity {
            if let Some(at) = self.held.iter().position(|held| held.key == key) {
                self.leave(at);
            }
            return;
        }
        loop {
            let old = self.find(key).map_or(0, |held| held.value.weight);
            if self.weight() - old + value.weight <= self.capacity {
                break;
            }
            let victim = self.victim();
            self.leave(victim);
        }
        if self.used(key) {
            if let Some(held) = self.find(key) {
                held.value = value;
            }
        } else {
            let (used, count) = (self.time, 1);
            let visited = false;
            self.held.push(Held {
                key,
                value,
                used,
                count,
                visited,
            });
        }
    }

    fn resize(&mut self, capacity: u64) {
        self.capacity = capacity;
        while self.weight() > capacity {
            let victim = self.victim();
            self.leave(victim);
        }
    }
}

fn sweep(store: &mut Store<u64, Value>, now: u64, gone: &mut Vec<Gone<u64, Value>>) {
    let mut place = 0;
    while let Some((at, &key, _)) = store.from(place) {
        place = at + 1;
        let expired = |value: &Value| value.expires <= now;
        gone.extend(store.remove_if(hash(key), &Key(key), Tick(now), expired));
    }
}

/// Runs the steps, and compares where there is a naive form.
fn run(eviction: Eviction, steps: &[Step], is_compared: bool) {
    let capacity = 10;
    let mut store: Store<u64, Value> = Store::new(policy(eviction, capacity).unwrap(), capacity);
    let mut naive = Naive {
        eviction,
        held: Vec::new(),
        capacity,
        time: 0,
        hand: None,
    };
    let (mut now, mut put, mut left) = (0, 0, 0);
    for step in steps {
        let mut later = now;
        let mut gone: Vec<Gone<u64, Value>> = Vec::new();
        if is_compared {
            naive.expire(now);
        }
        if eviction == Eviction::Sieve {
            // Its hand may be at an entry that has expired: where it goes on depends on when that goes.
            sweep(&mut store, now, &mut gone);
        }
        match *step {
            Step::Get(key) => {
                let found = store.find(hash(key), &Key(key));
                let found = found.filter(|slot| now < store.at(*slot).unwrap().1.expires);
                if let Some(slot) = found {
                    store.hit(slot);
                }
                if is_compared {
                    assert_eq!(found.is_some(), naive.used(key), "{step:?}");
                }
            }
            Step::Set { key, weight, ttl } => {
                let expires = now + ttl;
                let value = Value { weight, expires };
                let stored = store.insert(hash(key), key, value, Tick(now), &mut gone);
                assert_eq!(stored.is_ok(), weight <= store.capacity());
                put += usize::from(stored.is_ok());
                if is_compared {
                    naive.set(key, value);
                }
            }
            Step::Remove(key) => {
                let removed = store.remove_if(hash(key), &Key(key), Tick(now), |_| true);
                gone.extend(removed);
                if let Some(at) = naive.held.iter().position(|held| held.key == key) {
                    naive.leave(at);
                }
            }
            Step::Resize(capacity) => {
                store.resize(capacity, Tick(now), &mut gone);
                naive.resize(capacity);
            }
            Step::Wait(time) => later += time,
            Step::Sweep => {
                sweep(&mut store, now, &mut gone);
                assert!(gone.iter().all(|gone| gone.cause == Cause::Expired));
            }
            Step::Clear => {
                gone.extend(store.clear(Tick(now)));
                assert_eq!(store.len(), 0);
                (naive.held, naive.hand) = (Vec::new(), None);
            }
        }
        store.validate().unwrap();
        left += gone.len();
        assert_eq!(
            put,
            left + store.len(),
            "each value that came in leaves once"
        );
        for gone in gone {
            let has_expired = gone.value.expires <= now;
            assert!(
                has_expired == (gone.cause == Cause::Expired),
                "{gone:?} at {now}"
            );
            let is_wanted = has_expired || !matches!(step, Step::Get(_) | Step::Wait(_));
            assert!(is_wanted, "{step:?} removes nothing");
        }
        now = later;
        if is_compared {
            naive.expire(now);
            let living = |value: &Value| now < value.expires;
            let mut expected: Vec<_> = naive.held.iter().map(|h| (h.key, h.value)).collect();
            let mut place = 0;
            let mut found = Vec::new();
            while let Some((at, key, value)) = store.from(place) {
                place = at + 1;
                found.extend(living(value).then_some((*key, *value)));
            }
            expected.sort_by_key(|(key, _)| *key);
            found.sort_by_key(|(key, _)| *key);
            assert_eq!(found, expected, "{eviction} after {step:?}");
        }
    }
}

proptest! {
    #[test]
    fn fifo_does_what_a_naive_one_does(steps in steps()) {
        run(Eviction::Fifo, &steps, true);
    }

    #[test]
    fn lifo_does_what_a_naive_one_does(steps in steps()) {
        run(Eviction::Lifo, &steps, true);
    }

    #[test]
    fn lru_does_what_a_naive_one_does(steps in steps()) {
        run(Eviction::Lru, &steps, true);
    }

    #[test]
    fn mru_does_what_a_naive_one_does(steps in steps()) {
        run(Eviction::Mru, &steps, true);
    }

    #[test]
    fn lfu_does_what_a_naive_one_does(steps in steps()) {
        run(Eviction::Lfu, &steps, true);
    }

    #[test]
    fn sieve_does_what_a_naive_one_does(steps in steps()) {
        run(Eviction::Sieve, &steps, true);
    }

    #[test]
    fn w_tiny_lfu_stays_in_order_and_within_its_room(steps in steps()) {
        run(Eviction::WTinyLfu, &steps, false);
    }

    #[test]
    fn s3_fifo_stays_in_order_and_within_its_room(steps in steps()) {
        run(Eviction::S3Fifo, &steps, false);
    }
}
