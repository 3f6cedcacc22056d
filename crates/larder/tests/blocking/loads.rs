//! Loaders: where they run, once for all, and what becomes of those that use the cache themselves.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use larder::LoadError;

use super::*;
use crate::common::{millis, secs};

#[test]
fn a_loader_runs_in_the_calling_thread_and_may_borrow() {
    let (_larder, cache) = on_a_store();
    let (here, mut ran_in) = (thread::current().id(), None);
    let loaded = cache.get_or_load(&1, || {
        ran_in = Some(thread::current().id());
        ann()
    });
    assert_eq!(*loaded.unwrap(), "Ann");
    assert_eq!(ran_in, Some(here));
}

#[test]
fn an_owned_loader_runs_in_a_thread_of_its_own() {
    let (_larder, cache) = on_a_store();
    let (tell, told) = channel();
    let load = move || {
        tell.send(thread::current().name().map(str::to_owned))
            .unwrap();
        ann()
    };
    cache.get_or_spawn(&1, load).unwrap();
    assert_eq!(told.recv().unwrap().as_deref(), Some("larder-loader"));
}

#[test]
fn many_threads_load_a_key_once() {
    for cache in [in_memory(), on_a_store().1] {
        let (runs, come) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let load = || {
            runs.fetch_add(1, SeqCst);
            while come.load(SeqCst) < 16 {
                thread::yield_now();
            }
            ann()
        };
        thread::scope(|scope| {
            let call = || {
                come.fetch_add(1, SeqCst);
                cache.get_or_load(&1, load).unwrap()
            };
            let callers: Vec<_> = (0..16).map(|_| scope.spawn(call)).collect();
            for caller in callers {
                assert_eq!(*caller.join().unwrap(), "Ann");
            }
        });
        assert_eq!(runs.load(SeqCst), 1);
    }
}

#[test]
fn a_slow_loader_holds_nobody_else_up() {
    let (_larder, cache) = on_a_store();
    let (gate, pass) = gate();
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            cache.get_or_load(&1, || {
                pass.pass();
                ann()
            })
        });
        gate.begun();
        cache.set(&2, "Bob").unwrap();
        assert!(cache.entry(&2).skip_near().exists());
        assert_eq!(*cache.get_or_load(&3, ann).unwrap(), "Ann");
        assert_eq!(*cache.get_or_spawn(&4, ann).unwrap(), "Ann");
        gate.open();
        slow.join().unwrap().unwrap();
    });
}

#[test]
fn errors_and_panics_reach_all_who_waited() {
    let (_larder, cache) = on_a_store();
    let began = Instant::now();
    // Until the second caller came soon enough to wait for the first one's load.
    for key in 10.. {
        let (gate, pass) = gate();
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| {
                cache.get_or_load(&key, || -> Result<String, Infallible> {
                    pass.pass();
                    panic!("the database is on fire");
                })
            });
            gate.begun();
            let second = scope.spawn(|| cache.get_or_load(&key, ann));
            thread::sleep(millis(1));
            gate.open();
            (first.join().unwrap(), second.join().unwrap())
        });
        let panicked = |error: &LoadError<Infallible>| matches!(error, LoadError::Panicked(message) if &**message == "the database is on fire");
        assert!(panicked(&first.unwrap_err()));
        match second {
            Err(error) => {
                assert!(panicked(&error), "{error}");
                break;
            }
            Ok(_) => assert!(began.elapsed() < BOUND, "the second caller never waits"),
        }
    }
    let failed = cache.get_or_load(&2, || Err("no such user"));
    assert_eq!(failed.unwrap_err().loader(), Some(&"no such user"));
    let failed = cache.get_or_spawn(&2, || -> Result<String, String> { panic!("oh") });
    assert!(matches!(failed, Err(LoadError::Panicked(message)) if &*message == "oh"));
}

#[test]
fn a_loader_may_use_the_cache() {
    for cache in [in_memory(), on_a_store().1] {
        let inner = cache.clone();
        let nested = move || {
            inner.set(&9, "Eve").unwrap();
            let bob = inner.get_or_load(&2, || Ok::<_, Infallible>("Bob".to_owned()))?;
            let eve = inner.get_or_spawn(&9, ann)?;
            let all = inner.get_or_load_many(&[20, 21], |missing: Vec<u32>| {
                let fred = inner.get_or_load(&5, ann).unwrap();
                Ok::<_, Infallible>(missing.into_iter().map(move |key| (key, fred.to_string())))
            })?;
            Ok::<_, LoadError<Infallible>>(format!("{bob} {eve} {}", all.len()))
        };
        let borrowed = cache.get_or_load(&1, nested.clone()).unwrap();
        assert_eq!(*borrowed, "Bob Eve 2");
        let owned = cache.get_or_spawn(&3, nested).unwrap();
        assert_eq!(*owned, "Bob Eve 2");
        for key in [1, 2, 3, 9, 20, 5] {
            assert!(cache.exists(&key), "{key}");
        }
    }
}

#[test]
fn a_loader_that_waits_for_itself_gets_an_error() {
    for cache in [in_memory(), on_a_store().1] {
        let inner = cache.clone();
        let circle = move || match inner.get_or_load(&1, ann) {
            Err(LoadError::Circular) => Ok::<_, Infallible>("a circle".to_owned()),
            other => panic!("{other:?}"),
        };
        assert_eq!(*cache.get_or_load(&1, circle.clone()).unwrap(), "a circle");
        cache.remove(&1).unwrap();
        assert_eq!(*cache.get_or_spawn(&1, circle.clone()).unwrap(), "a circle");
        cache.remove(&1).unwrap();
        // Through another thread's load, and through a batch.
        let outer = cache.clone();
        let through = cache.get_or_load(&1, move || {
            let brought = outer.get_or_spawn(&2, circle);
            Ok::<_, Infallible>(brought.unwrap().to_string())
        });
        assert_eq!(*through.unwrap(), "a circle");
        let inner = cache.clone();
        let batch = cache.get_or_load_many(&[7, 8], move |missing: Vec<u32>| {
            let refused = inner.get_or_load(&7, ann);
            assert!(matches!(refused, Err(LoadError::Circular)), "{refused:?}");
            Ok::<_, Infallible>(missing.into_iter().map(|key| (key, "x".to_owned())))
        });
        assert_eq!(batch.unwrap().len(), 2);
    }
}

#[test]
fn callers_of_an_owned_loader_do_not_wait_past_its_time() {
    let larder = Larder::in_memory().unwrap();
    let cache: Cache<u32, String> = larder
        .cache("names")
        .load_timeout(millis(20))
        .build()
        .unwrap();
    let (gate, pass) = gate();
    let late = cache.get_or_spawn(&1, move || {
        pass.pass();
        ann()
    });
    assert!(matches!(late, Err(LoadError::TimedOut { .. })), "{late:?}");
    gate.begun();
    gate.open();
}

#[test]
fn a_stale_value_is_served_while_an_owned_loader_takes_its_time() {
    let clock = larder::Clock::manual();
    let larder = Larder::builder().clock(clock.clone()).build().unwrap();
    let cache: Cache<u32, String> = larder
        .cache("names")
        .ttl(secs(60))
        .stale(secs(60))
        .soft_timeout(millis(0))
        .build()
        .unwrap();
    cache.set(&1, "old").unwrap();
    clock.advance(secs(61));
    let (gate, pass) = gate();
    let load = move || {
        pass.pass();
        ann()
    };
    assert_eq!(*cache.get_or_spawn(&1, load).unwrap(), "old");
    gate.begun();
    gate.open();
    while cache.get(&1).is_none() {
        thread::yield_now();
    }
    assert_eq!(*cache.get(&1).unwrap(), "Ann");
}

#[test]
fn a_removal_during_a_load_discards_it() {
    let (_larder, cache) = on_a_store();
    let (gate, pass) = gate();
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            cache.get_or_load(&1, || {
                pass.pass();
                ann()
            })
        });
        gate.begun();
        cache.remove(&1).unwrap();
        gate.open();
        assert_eq!(*slow.join().unwrap().unwrap(), "Ann");
    });
    assert_eq!(cache.get(&1), None);
}
