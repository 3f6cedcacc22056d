//! Functions that are not async.

use std::sync::Arc;
use std::sync::mpsc;

use larder::remote::MemoryRemote;
use larder::{Cache, Larder, cached, invalidates};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::{spawn_blocking, yield_now};

use crate::common::{eventually, soon};
use crate::{Counter, DbError, installed};

#[cached(larder = larder, skip(runs))]
fn square(larder: &Larder, runs: &Counter, n: u64) -> u64 {
    runs.up();
    n * n
}

#[cached(larder = larder, skip(runs))]
fn checked(larder: &Larder, runs: &Counter, n: u64) -> Result<Arc<u64>, DbError> {
    runs.up();
    if n == 0 {
        Err(DbError::NotFound)
    } else {
        Ok(Arc::new(n))
    }
}

/// A larder beside a stand-in for a server, whose answers come from other threads.
async fn beside_a_server() -> Larder {
    Larder::builder()
        .remote(MemoryRemote::new())
        .build()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_and_a_blocking_task_wait_as_async_callers_do() {
    for larder in [Larder::in_memory().await.unwrap(), beside_a_server().await] {
        let runs = Counter::default();
        let (on_thread, counted) = (larder.clone(), runs.clone());
        let thread = std::thread::spawn(move || {
            for _ in 0..2 {
                assert_eq!(square(&on_thread, &counted, 7), 49);
                assert!(checked(&on_thread, &counted, 0).is_err());
                assert_eq!(*checked(&on_thread, &counted, 1).unwrap(), 1);
            }
            assert_eq!(*square_lookup(&on_thread, 7).unwrap().value, 49);
            square_refresh(&on_thread, &counted, 7);
            assert!(square_invalidate(&on_thread, 7).wait().unwrap());
            assert!(square_lookup(&on_thread, 7).is_none());
        });
        thread.join().unwrap();
        assert_eq!(runs.get(), 5);
        let counted = runs.clone();
        let blocking = spawn_blocking(move || {
            assert_eq!(square(&larder, &counted, 8), 64);
            assert_eq!(square(&larder, &counted, 8), 64);
        });
        soon("a blocking task", blocking).await.unwrap();
        assert_eq!(runs.get(), 6);
    }
}

#[tokio::test]
async fn in_an_async_task_memory_is_filled_at_once() {
    let (larder, runs) = (Larder::in_memory().await.unwrap(), Counter::default());
    for _ in 0..2 {
        assert_eq!(square(&larder, &runs, 7), 49);
        assert!(checked(&larder, &runs, 0).is_err());
    }
    assert_eq!(runs.get(), 3);
    assert!(square_invalidate(&larder, 7).wait().unwrap());
    assert!(square_lookup(&larder, 7).is_none());
}

#[tokio::test]
async fn in_an_async_task_nobody_waits_for_a_server() {
    let (larder, runs) = (beside_a_server().await, Counter::default());
    assert_eq!(square(&larder, &runs, 7), 49);
    assert_eq!(square(&larder, &runs, 7), 49);
    assert_eq!(runs.get(), 2, "each call runs once, and stores nothing");
    let (elsewhere, counted) = (larder.clone(), runs.clone());
    spawn_blocking(move || square(&elsewhere, &counted, 7))
        .await
        .unwrap();
    assert_eq!(runs.get(), 3);
    // What is in memory is there for all.
    assert!(square_lookup(&larder, 8).is_none());
}

/// On one thread a task that waited here would keep the other one from ending: a deadlock.
#[tokio::test]
async fn in_an_async_task_nobody_waits_for_another_call() {
    #[cached(larder = larder, skip(runs, gate))]
    fn gated(larder: &Larder, runs: &Counter, gate: &mpsc::Receiver<()>, n: u64) -> u64 {
        runs.up();
        let _ = gate.recv();
        n
    }
    let (larder, runs) = (Larder::in_memory().await.unwrap(), Counter::default());
    let (open, gate) = mpsc::channel();
    let (elsewhere, counted) = (larder.clone(), runs.clone());
    let other = spawn_blocking(move || gated(&elsewhere, &counted, &gate, 7));
    while runs.get() == 0 {
        yield_now().await;
    }
    let (let_through, own) = mpsc::channel();
    let_through.send(()).unwrap();
    assert_eq!(gated(&larder, &runs, &own, 7), 7, "it runs by itself");
    assert_eq!(runs.get(), 2);
    open.send(()).unwrap();
    assert_eq!(soon("the other call", other).await.unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_may_call_another() {
    #[cached(larder = larder, skip(runs))]
    fn outer(larder: &Larder, runs: &Counter, n: u64) -> u64 {
        square(larder, runs, n) + square(larder, runs, n)
    }
    let (larder, runs) = (beside_a_server().await, Counter::default());
    let (on_thread, counted) = (larder.clone(), runs.clone());
    let thread = std::thread::spawn(move || outer(&on_thread, &counted, 3));
    assert_eq!(thread.join().unwrap(), 18);
    assert_eq!(runs.get(), 1, "the inner one is cached as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_on_threads_share_one_run() {
    #[cached(skip(runs))]
    fn slow(runs: &Counter, n: u64) -> u64 {
        runs.up();
        // Long enough that the others come meanwhile; it is right if they do not.
        std::thread::yield_now();
        n
    }
    installed().await;
    let runs = Counter::default();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let runs = runs.clone();
            std::thread::spawn(move || slow(&runs, 7))
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 7);
    }
    assert_eq!(runs.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_its_callers_and_no_second_run() {
    #[cached(larder = larder, skip(runs))]
    fn panics(larder: &Larder, runs: &Counter, n: u64) -> u64 {
        let _ = larder;
        runs.up();
        panic!("no {n}")
    }
    let (larder, runs) = (Larder::in_memory().await.unwrap(), Counter::default());
    let (on_thread, counted) = (larder.clone(), runs.clone());
    let panic = std::thread::spawn(move || panics(&on_thread, &counted, 7))
        .join()
        .unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().unwrap(), "no 7");
    assert_eq!(runs.get(), 1);
}

/// The timers of larder are no place for a function's sockets and tasks.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_runs_in_its_callers_runtime_or_in_none() {
    #[cached(larder = larder)]
    fn bound(larder: &Larder, n: u64) -> (bool, Option<String>) {
        let _ = larder;
        let Ok(runtime) = Handle::try_current() else {
            return (n == 0, None);
        };
        let bound = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let task = tokio::spawn(async { std::thread::current().name().map(str::to_owned) });
        (bound.is_ok(), runtime.block_on(task).unwrap())
    }
    #[cached(larder = larder)]
    fn panics(larder: &Larder, n: u64) -> Result<u64, DbError> {
        let _ = larder;
        panic!("no {n}")
    }
    for larder in [Larder::in_memory().await.unwrap(), beside_a_server().await] {
        let cloned = larder.clone();
        let (is_bound, thread) = spawn_blocking(move || {
            assert!(panics(&cloned, 1).is_err());
            bound(&cloned, 1)
        })
        .await
        .unwrap();
        assert!(is_bound);
        assert_ne!(thread.as_deref(), Some("larder-timers"));
        let thread = std::thread::spawn(move || {
            let alone = bound(&larder, 0);
            let handle = Handle::try_current();
            (alone, handle.is_err())
        });
        assert_eq!(thread.join().unwrap(), ((true, None), true));
    }
}

/// What is in memory is gone when the function returns; the server is told in the background.
#[tokio::test]
async fn in_an_async_task_memory_forgets_at_once_and_the_server_soon() {
    #[invalidates(cache = users, key = id)]
    fn by_key(users: &Cache<u64, u64>, id: u64) {
        let _ = id;
    }
    #[invalidates(cache = users, all)]
    fn by_cache(users: &Cache<u64, u64>) {
        let _ = users;
    }
    #[invalidates(larder = larder, tags = ["team:{team}"])]
    fn by_tag(larder: &Larder, team: u64) {
        let _ = larder;
    }
    #[invalidates(larder = larder, tenants = ["acme"])]
    fn by_tenant(larder: &Larder) {
        let _ = larder;
    }
    for (larder, has_server) in [
        (Larder::in_memory().await.unwrap(), false),
        (beside_a_server().await, true),
    ] {
        let users: Cache<u64, u64> = larder.cache("users").build().unwrap();
        let acme = users.tenant("acme");
        let filled = async |users: &Cache<u64, u64>| {
            let entry = users.entry(&1).tags(["team:7"]);
            entry.set(1).await.unwrap();
            assert!(users.get(&1).await.is_some());
        };
        let gone = async |what, users: &Cache<u64, u64>| {
            if has_server {
                eventually(what, async || users.get(&1).await.is_none()).await;
            } else {
                assert!(users.get(&1).await.is_none(), "{what}");
            }
        };
        filled(&users).await;
        by_key(&users, 1);
        gone("a key", &users).await;
        filled(&users).await;
        by_cache(&users);
        gone("a cache", &users).await;
        filled(&users).await;
        by_tag(&larder, 7);
        gone("a tag", &users).await;
        filled(&acme).await;
        by_tenant(&larder);
        gone("a tenant", &acme).await;
    }
}
