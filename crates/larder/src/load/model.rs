//! The flight table under a scheduler that tries interleavings: `table.rs` once more, with locks
//! that the scheduler sees. A lost wake-up shows as a deadlock.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::sync::Arc;
use shuttle::{future, thread};

// What `table.rs` finds beside it.
use super::{Failure, chain, lease, limit, watch};
use crate::near::NearRef;
use crate::outcome::Found;
use crate::space::Space;
use crate::time::Tick;

#[allow(
    dead_code,
    clippy::duplicate_mod,
    reason = "it is there twice on purpose, and the model needs no leases and no limits"
)]
#[path = "table.rs"]
mod table;

use table::{Joined, Lead, Table, Waited};

mod sync {
    /// A lock like `parking_lot`'s.
    pub(super) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(super) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }
}

/// How many schedules of each scenario are tried.
const SCHEDULES: usize = 1_000;

fn check(scenario: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(scenario, SCHEDULES);
    // Few, but well-placed switches find what chance does not.
    shuttle::check_pct(scenario, SCHEDULES, 3);
}

/// A cache of one key: flights over a near tier, and a source whose version only grows.
struct Cache {
    table: std::sync::Arc<Table<u8, usize>>,
    near: sync::Mutex<Option<Found<usize>>>,
    source: AtomicUsize,
    loading: AtomicUsize,
    loads: AtomicUsize,
}

fn key() -> NearRef<'static, u8> {
    NearRef::new(None, &7)
}

/// Nothing changes elsewhere, and time stands still.
const NOW: (watch::Proof, Tick) = (watch::Proof::LOCAL, Tick(1_000_000_000_000));

impl Cache {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            table: std::sync::Arc::new(Table::new()),
            near: sync::Mutex::new(None),
            source: AtomicUsize::new(1),
            loading: AtomicUsize::new(0),
            loads: AtomicUsize::new(0),
        })
    }

    /// A caller whose loader is dropped this many times before it is let through.
    async fn get(&self, mut drops: usize) -> usize {
        let join = || {
            let near = || self.near.lock().clone();
            let table = &self.table;
            table.join(&key(), NOW, |_, _| true, None, near)
        };
        loop {
            let lead = match join() {
                Joined::Hit(found) | Joined::Landed(found) => return *found,
                Joined::Full => panic!("three callers are not too many"),
                Joined::Lead(lead) => lead,
                Joined::Wait(waiter) => match waiter.wait().await {
                    Waited::Landed(landing) => return *landing.ok().unwrap(),
                    Waited::Lead(lead) => lead,
                    Waited::Outdated => panic!("no tag of it has changed"),
                },
            };
            if drops == 0 {
                return self.load(&lead);
            }
            drops -= 1;
        }
    }

    fn load(&self, lead: &Lead<u8, usize>) -> usize {
        self.loading.fetch_add(1, Ordering::SeqCst);
        let version = self.source.load(Ordering::SeqCst);
        thread::yield_now();
        self.loads.fetch_add(1, Ordering::SeqCst);
        let found = Space::<u8, usize>::loaded(std::sync::Arc::new(version), crate::MAX_TTL);
        let _ = lead.publish(Ok(found.clone()), NOW.1, || *self.near.lock() = Some(found));
        self.loading.fetch_sub(1, Ordering::SeqCst);
        version
    }

    /// Changes the source, and removes the key; the version from then on.
    fn remove(&self) -> usize {
        let version = self.source.fetch_add(1, Ordering::SeqCst) + 1;
        self.table.void(&key(), || *self.near.lock() = None);
        version
    }
}

fn spawn<F: Future + Send + 'static>(future: F) -> thread::JoinHandle<F::Output>
where
    F::Output: Send,
{
    thread::spawn(|| future::block_on(future))
}

#[test]
fn callers_share_one_load() {
    check(|| {
        let cache = Cache::new();
        let callers = [0; 3].map(|_| {
            let cache = Arc::clone(&cache);
            spawn(async move { cache.get(0).await })
        });
        for caller in callers {
            assert_eq!(caller.join().unwrap(), 1);
        }
        assert_eq!(cache.loads.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_leader_that_leaves_hands_over() {
    check(|| {
        let cache = Cache::new();
        let callers = [1, 2, 0].map(|drops| {
            let cache = Arc::clone(&cache);
            spawn(async move { cache.get(drops).await })
        });
        for caller in callers {
            assert_eq!(caller.join().unwrap(), 1);
        }
        assert_eq!(cache.loads.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_waiter_that_leaves_takes_nobody_along() {
    check(|| {
        let cache = Cache::new();
        let (left, stays) = (Arc::clone(&cache), Arc::clone(&cache));
        let leaver = spawn(async move {
            let near = || left.near.lock().clone();
            let joined = left.table.join(&key(), NOW, |_, _| true, None, near);
            // Polled once at most, and dropped: as the leader, or as one who waits.
            if let Joined::Wait(waiter) = joined {
                let waited = std::pin::pin!(waiter.wait());
                let _ = waited.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
            }
        });
        let others = [0, 1].map(|drops| {
            let cache = Arc::clone(&stays);
            spawn(async move { cache.get(drops).await })
        });
        leaver.join().unwrap();
        for other in others {
            assert_eq!(other.join().unwrap(), 1);
        }
    });
}

#[test]
fn what_was_removed_is_not_brought_back() {
    check(|| {
        let cache = Cache::new();
        let before = {
            let cache = Arc::clone(&cache);
            spawn(async move { cache.get(1).await })
        };
        let remover = {
            let cache = Arc::clone(&cache);
            spawn(async move {
                let version = cache.remove();
                let after = cache.get(0).await;
                assert!(after >= version, "{after} after {version} was current");
            })
        };
        before.join().unwrap();
        remover.join().unwrap();
        let near = cache.near.lock().clone();
        assert!(
            near.is_none_or(|found| *found == 2),
            "from before the removal"
        );
    });
}

#[test]
fn at_most_one_loads_at_a_time_unless_something_was_removed() {
    check(|| {
        let cache = Cache::new();
        let callers = [0, 1, 0].map(|drops| {
            let cache = Arc::clone(&cache);
            spawn(async move {
                cache.get(drops).await;
                assert!(cache.loading.load(Ordering::SeqCst) <= 1);
            })
        });
        for caller in callers {
            caller.join().unwrap();
        }
    });
}
