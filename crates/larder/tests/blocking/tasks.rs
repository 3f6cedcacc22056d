//! Within async tasks calls are errors that say so; beside them they work.

use std::time::Duration;

use larder::{Error, LoadError};
use tokio::runtime::{Builder, Runtime};
use tokio::task::coop::unconstrained;
use tokio::task::{LocalSet, block_in_place, spawn_blocking, spawn_local};

use super::*;

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn two_workers() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

fn not_run() -> Result<String, Infallible> {
    panic!("a loader that must not run");
}

/// All that would wait says that it may not.
fn refuses(larder: &Larder, cache: &Cache<u32, String>) {
    let before = cache.stats();
    let refused = |result: Result<(), Error>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::InAsyncTask), "{error}");
        assert!(error.to_string().contains("spawn_blocking"), "{error}");
    };
    refused(cache.set(&1, "Ann"));
    refused(cache.remove(&1).map(drop));
    refused(cache.remove_matching("*").map(drop));
    refused(cache.clear().map(drop));
    refused(larder.clear().map(drop));
    refused(larder.invalidate_tag("x"));
    refused(larder.sweep().finished().map(drop));
    refused(larder.health().map(drop));
    refused(larder.close());
    refused(larder.close_within(Duration::ZERO).map(drop));
    refused(Larder::in_memory().map(drop));
    assert!(!larder.is_closed());

    let loads = [
        cache.get_or_load(&1, not_run),
        cache.get_or_spawn(&1, not_run),
        cache.entry(&1).get_or_load(not_run),
    ];
    for load in loads {
        let error = load.unwrap_err();
        assert!(matches!(error, LoadError::InAsyncTask), "{error}");
    }
    let many = cache.lookup_or_load_many(&[1, 2], |_| Err::<Vec<(u32, String)>, _>("never"));
    assert_eq!(many.failed.len(), 2);
    assert!(
        many.failed
            .values()
            .all(|error| matches!(error, LoadError::InAsyncTask))
    );
    assert_eq!(
        cache
            .set_many([(1, "a"), (2, "b")])
            .unwrap_err()
            .failed()
            .len(),
        2
    );
    assert_eq!(cache.remove_many(&[1, 2]).unwrap_err().failed().len(), 2);
    let warmed = cache
        .warm(0..9)
        .load(|_| Err::<Vec<(u32, String)>, _>("never"));
    assert!(matches!(warmed.first_error, Some(LoadError::InAsyncTask)));

    assert_eq!(cache.get(&1), None);
    assert!(!cache.exists(&1));
    assert!(cache.lookup(&1).is_none());
    assert!(cache.get_many(&[1, 2]).is_empty());
    let during = cache.stats().since(&before);
    assert_eq!(during.misses_in_async_task, 5);
    assert_eq!((during.loads, during.sets, during.removes), (0, 0, 0));

    // What lies in memory waits for nothing.
    assert_eq!(*cache.get(&7).unwrap(), "Bob");
    assert_eq!(*cache.get_or_load(&7, not_run).unwrap(), "Bob");
}

/// A cache with one value in memory, which is on the way to being believed.
fn prepared() -> (Larder, Cache<u32, String>) {
    let (larder, cache) = on_a_store();
    cache.set(&7, "Bob").unwrap();
    // The write's own push marks the key, so that it is read once more.
    assert!(cache.exists(&7));
    assert!(cache.exists(&7));
    (larder, cache)
}

#[test]
fn every_call_refuses_to_wait_in_a_task() {
    let (larder, cache) = prepared();
    for runtime in [one_thread(), two_workers()] {
        runtime.block_on(async { refuses(&larder, &cache) });
        let (larder, cache) = (larder.clone(), cache.clone());
        let task = runtime.spawn(async move { refuses(&larder, &cache) });
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn local_and_unconstrained_tasks_are_tasks() {
    let (larder, cache) = prepared();
    for runtime in [one_thread(), two_workers()] {
        let (l, c) = (larder.clone(), cache.clone());
        let local = LocalSet::new();
        let task =
            local.run_until(async move { spawn_local(async move { refuses(&l, &c) }).await });
        runtime.block_on(task).unwrap();
        let (l, c) = (larder.clone(), cache.clone());
        let task = runtime.spawn(unconstrained(async move { refuses(&l, &c) }));
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn where_tokio_lets_block_everything_works() {
    let (_larder, cache) = prepared();
    let works = |cache: &Cache<u32, String>, key: u32| {
        cache.set(&key, "Ann").unwrap();
        assert!(cache.entry(&key).skip_near().exists());
        assert_eq!(*cache.get_or_load(&(key + 1), ann).unwrap(), "Ann");
        assert_eq!(*cache.get_or_spawn(&(key + 2), ann).unwrap(), "Ann");
    };
    for runtime in [one_thread(), two_workers()] {
        let theirs = cache.clone();
        let task = async move { spawn_blocking(move || works(&theirs, 100)).await };
        runtime.block_on(task).unwrap();
    }
    let runtime = two_workers();
    runtime.block_on(async { block_in_place(|| works(&cache, 200)) });
    let theirs = cache.clone();
    let task = runtime.spawn(async move { block_in_place(|| works(&theirs, 300)) });
    runtime.block_on(task).unwrap();
    let _context = runtime.enter();
    works(&cache, 400);
}

#[test]
fn within_its_own_runtime_a_call_is_refused() {
    let larder = Larder::in_memory().unwrap();
    let (tell, told) = channel();
    let (send, receive) = channel::<Cache<u32, String>>();
    let receive = std::sync::Mutex::new(receive);
    let cache: Cache<u32, String> = larder
        .cache("names")
        .on_evicted(move |_| {
            let cache = receive.lock().unwrap().recv().unwrap();
            tell.send(cache.set(&2, "Bob")).unwrap();
        })
        .build()
        .unwrap();
    send.send(cache.clone()).unwrap();
    cache.set(&1, "Ann").unwrap();
    cache.remove(&1).unwrap();
    let refused = told.recv_timeout(BOUND).unwrap();
    assert!(matches!(refused, Err(Error::InAsyncTask)), "{refused:?}");
}

#[test]
fn a_task_may_drop_the_last_handle() {
    for runtime in [one_thread(), two_workers()] {
        let (larder, cache) = prepared();
        runtime.block_on(async move {
            drop(larder);
            drop(cache);
        });
    }
}

#[test]
fn an_async_function_can_be_the_loader_s_source() {
    // A loader in the calling thread may use a runtime of its own.
    let (_larder, cache) = on_a_store();
    let runtime = one_thread();
    let loaded = cache.get_or_load(&1, || runtime.block_on(async { ann() }));
    assert_eq!(*loaded.unwrap(), "Ann");
}
