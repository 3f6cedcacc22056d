use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use super::*;
use crate::bounded::Eviction;
use crate::key::Tenant;
use crate::load::Proof;
use crate::near::Life;
use crate::tenant::TenantOptions;
use crate::time::Tick;

/// More lookups than it takes to get a front and to fill a slot.
const MANY: usize = 5_000;
const TTL: Duration = Duration::from_mins(1);

type Names = Tier<String, String>;

fn accounts() -> Arc<Accounts> {
    Arc::new(Accounts::new(TenantOptions::new()))
}

fn tier<K, V>() -> (Tier<K, V>, Clock)
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    let (capacity, clock) = (NearCapacity::Entries(10_000), Clock::manual());
    let kind = Kind {
        eviction: Eviction::Default,
        clock: clock.clone(),
        listener: None,
        evicted: Arc::default(),
    };
    (Tier::new(kind, capacity, accounts()), clock)
}

fn stored<V>(value: V, now: Tick) -> Stored<V> {
    let life = Life::new(now, TTL, Duration::ZERO);
    let (value, until) = (Arc::new(value), life.fresh_until);
    Stored::new(value, 1, life, until, Proof::LOCAL, Duration::ZERO)
}

fn at(key: &str) -> NearRef<'_, str> {
    NearRef::new(None, key)
}

fn put(tier: &Names, clock: &Clock, key: &str, value: &str) {
    let stored = stored(value.to_owned(), clock.now());
    assert_eq!(tier.insert(at(key).to_key(), stored), Admission::Stored);
}

/// Asks for what is good by its time alone.
fn hit<K, V, Q>(tier: &Tier<K, V>, at: &NearRef<'_, Q>, clock: &Clock) -> Option<Stored<V>>
where
    K: Borrow<Q> + Hash + Eq + Clone + Send + Sync + 'static,
    Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    V: Send + Sync + 'static,
{
    tier.hit(at, |stored| clock.is_before(stored.good_until()))
}

fn get(tier: &Names, clock: &Clock, key: &str) -> Option<String> {
    let stored = hit(tier, &at(key), clock)?;
    Some(String::clone(&stored.value))
}

/// Looks up until this thread's front answers. The value is returned, so that it lives on
/// where the engine drops it.
fn in_front(tier: &Names, clock: &Clock, key: &str) -> Arc<String> {
    for _ in 0..MANY {
        hit(tier, &at(key), clock);
    }
    let value = hit(tier, &at(key), clock).unwrap().value;
    // Behind the tier's back.
    let entry = tier.get(&at(key)).unwrap();
    assert!(tier.engines.remove(&at(key)));
    let found = hit(tier, &at(key), clock).expect("the front answers");
    assert!(Arc::ptr_eq(&found.value, &value));
    assert_eq!(
        tier.engines.insert(at(key).to_key(), entry),
        Admission::Stored
    );
    value
}

#[test]
fn what_was_changed_is_not_served_from_a_front() {
    type Change = fn(&Names, &Clock);
    let changes: [(&str, Change, Option<&str>); 5] = [
        ("remove", |tier, _| assert!(tier.remove(&at("a"))), None),
        (
            "replace",
            |tier, clock| put(tier, clock, "a", "new"),
            Some("new"),
        ),
        ("clear", |tier, _| tier.clear(), None),
        ("resize", |tier, _| tier.resize(0), None),
        ("expire", |_, clock| clock.advance(TTL), None),
    ];
    for (what, change, expected) in changes {
        for elsewhere in [false, true] {
            let (tier, clock) = tier();
            put(&tier, &clock, "a", "old");
            let (seen, wait_seen) = channel();
            let (done, wait_done) = channel();
            std::thread::scope(|scope| {
                let (tier, clock) = (&tier, &clock);
                scope.spawn(move || {
                    let _kept = in_front(tier, clock, "a");
                    if elsewhere {
                        seen.send(()).unwrap();
                        wait_done.recv().unwrap();
                    } else {
                        change(tier, clock);
                    }
                    for _ in 0..MANY {
                        let found = get(tier, clock, "a");
                        assert_eq!(found.as_deref(), expected, "{what}, {elsewhere}");
                    }
                });
                if elsewhere {
                    wait_seen.recv().unwrap();
                    change(tier, clock);
                    done.send(()).unwrap();
                }
            });
        }
    }
}

#[test]
fn a_front_answers_nothing_that_is_not_good_and_takes_nothing_up() {
    let (tier, clock) = tier();
    put(&tier, &clock, "a", "old");
    let _kept = in_front(&tier, &clock, "a");
    for _ in 0..MANY {
        let asked = std::cell::Cell::new(0);
        let found = tier.hit(&at("a"), |stored| {
            asked.set(asked.get() + 1);
            assert_eq!(*stored.value, "old");
            false
        });
        assert!(found.is_none());
        assert!((1..=2).contains(&asked.get()));
    }
    assert_eq!(get(&tier, &clock, "a").as_deref(), Some("old"));
}

#[test]
fn an_entry_from_a_front_is_the_whole_entry() {
    let (tier, _) = tier::<u32, u32>();
    let life = Life::new(Tick(1_000_000_000_000), TTL, TTL * 2);
    let proof = Proof::from_bits(0x0123_4567_89ab_cdef);
    let cost = Duration::from_millis(16);
    let until = life.born.plus(TTL / 2);
    let entry = Stored::new(Arc::new(1), 77, life, until, proof, cost);
    let at = NearRef::new(None, &1);
    let _stored = tier.insert(at.to_key(), entry.clone());
    for _ in 0..MANY {
        let _kept = tier.hit(&at, |_| true);
    }
    tier.engines.remove(&at);
    let found = tier.hit(&at, |_| true).expect("the front answers");
    assert!(Arc::ptr_eq(&found.value, &entry.value));
    assert_eq!(found.life(), entry.life());
    assert_eq!(found.good_until(), until);
    assert_eq!(found.weight(), 77);
    assert_eq!(found.cost(), entry.cost());
    assert_eq!(found.proof(), proof);
}

#[test]
fn a_front_that_passes_to_another_thread_serves_nothing_old() {
    let (tier, clock) = tier();
    put(&tier, &clock, "a", "old");
    // One after the other, so that the second may get the number of the first.
    std::thread::scope(|scope| {
        let kept = scope.spawn(|| in_front(&tier, &clock, "a")).join().unwrap();
        put(&tier, &clock, "a", "new");
        let found = scope.spawn(|| get(&tier, &clock, "a")).join().unwrap();
        assert_eq!((kept.as_str(), found.as_deref()), ("old", Some("new")));
    });
}

#[test]
fn a_value_is_freed_although_fronts_have_seen_it() {
    let (tier, clock) = tier();
    put(&tier, &clock, "a", "old");
    let value = Arc::downgrade(&in_front(&tier, &clock, "a"));
    assert!(value.upgrade().is_some());
    tier.remove(&at("a"));
    assert!(value.upgrade().is_none());
    assert_eq!(get(&tier, &clock, "a"), None);
}

/// A key that hashes like all others of its type.
#[derive(Clone, PartialEq, Eq)]
struct Alike(u32);

impl Hash for Alike {
    fn hash<H: std::hash::Hasher>(&self, _state: &mut H) {}
}

#[test]
fn a_front_keeps_keys_that_hash_alike_and_tenants_and_caches_apart() {
    let tenants = [None, Tenant::new("acme").ok(), Tenant::new("emca").ok()];
    let ((names, clock), (numbers, _)) = (tier(), tier::<Alike, u32>());
    let keys: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let key = |n: usize, t: usize| NearRef::new(tenants[t].as_ref(), keys[n].as_str());
    for n in 0..200_u32 {
        for t in 0..3 {
            let value = stored(format!("{n} {t}"), clock.now());
            let _stored = names.insert(key(n as usize, t).to_key(), value);
        }
        let number = Alike(n);
        let number = NearRef::new(None, &number).to_key();
        let _stored = numbers.insert(number, stored(n, clock.now()));
    }
    // Each is asked for often enough to take the slot from the one before.
    for n in 0..200_u32 {
        for t in 0..3 {
            for _ in 0..20 {
                let name = hit(&names, &key(n as usize, t), &clock).unwrap();
                assert_eq!(*name.value, format!("{n} {t}"));
                let number = hit(&numbers, &NearRef::new(None, &Alike(n)), &clock).unwrap();
                assert_eq!(*number.value, n);
            }
        }
    }
}

#[test]
fn a_front_that_does_not_pay_rests_and_is_tried_again() {
    let (tier, clock) = tier();
    put(&tier, &clock, "hot", "");
    let cold: Vec<String> = (0..5_000).map(|n| n.to_string()).collect();
    for key in &cold {
        put(&tier, &clock, key, "");
    }
    let _kept = in_front(&tier, &clock, "hot");
    for key in &cold {
        assert!(get(&tier, &clock, key).is_some());
    }
    tier.engines.remove(&at("hot"));
    assert!(get(&tier, &clock, "hot").is_none(), "it rests");
    put(&tier, &clock, "hot", "");
    for _ in 0..100_000 {
        get(&tier, &clock, "hot");
    }
    in_front(&tier, &clock, "hot");
}

#[test]
fn who_reads_after_a_write_returned_gets_it_or_a_later_one() {
    const WRITES: u64 = 20_000;
    let (tier, clock) = tier::<u32, u64>();
    let (published, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let key = NearRef::new(None, &1);
    let _stored = tier.insert(key.to_key(), stored(0, clock.now()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // What a front holds weakly lives on.
                let mut kept = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    let least = published.load(Ordering::Acquire);
                    let found = hit(&tier, &key, &clock).unwrap().value;
                    assert!(*found >= least, "{found} after {least}");
                    if kept.last().is_none_or(|last| !Arc::ptr_eq(last, &found)) {
                        kept.push(found);
                    }
                }
            });
        }
        for n in 1..=WRITES {
            let _stored = tier.insert(key.to_key(), stored(n, clock.now()));
            published.store(n, Ordering::Release);
            for _ in 0..n % 500 {
                std::hint::spin_loop();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_key_may_look_into_its_own_cache() {
    thread_local! {
        static LOOK: std::cell::RefCell<Option<Arc<Tier<Nosy, u32>>>> = const { std::cell::RefCell::new(None) };
    }
    #[derive(Clone)]
    struct Nosy(u32);
    impl Hash for Nosy {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }
    impl PartialEq for Nosy {
        fn eq(&self, other: &Self) -> bool {
            if let Some(tier) = LOOK.take() {
                assert!(hit(&tier, &NearRef::new(None, &Self(2)), &Clock::system()).is_some());
                LOOK.set(Some(tier));
            }
            self.0 == other.0
        }
    }
    impl Eq for Nosy {}

    let tier = Arc::new(tier::<Nosy, u32>().0);
    for n in 1..=2 {
        let value = stored(n, Clock::system().now());
        let _stored = tier.insert(NearRef::new(None, &Nosy(n)).to_key(), value);
    }
    LOOK.set(Some(Arc::clone(&tier)));
    for _ in 0..MANY {
        let found = hit(&tier, &NearRef::new(None, &Nosy(1)), &Clock::system());
        assert_eq!(*found.unwrap().value, 1);
    }
}

#[test]
fn a_thread_that_is_ending_looks_up_like_any_other() {
    struct Last(Arc<Names>, Clock);
    impl Drop for Last {
        fn drop(&mut self) {
            // A panic here would end the process.
            assert_eq!(get(&self.0, &self.1, "a").as_deref(), Some("1"));
            put(&self.0, &self.1, "a", "2");
        }
    }
    thread_local! {
        static LAST: std::cell::RefCell<Option<Last>> = const { std::cell::RefCell::new(None) };
    }
    for first in [false, true] {
        let (tier, clock) = tier();
        let tier: Arc<Names> = Arc::new(tier);
        put(&tier, &clock, "a", "1");
        let (theirs, time) = (Arc::clone(&tier), clock.clone());
        let thread = std::thread::spawn(move || {
            // What is used first is dropped last.
            let last = || LAST.set(Some(Last(Arc::clone(&theirs), time.clone())));
            if first {
                last();
            }
            in_front(&theirs, &time, "a");
            if !first {
                last();
            }
        });
        thread.join().unwrap();
        assert_eq!(get(&tier, &clock, "a").as_deref(), Some("2"));
    }
}
