//! On a thread of its own, or on a runtime that the program has.

use std::thread;

use tokio::runtime::{Builder, Runtime};

use tokio::task::spawn_blocking;

use super::common::soon;
use super::*;

fn uses(cache: &Cache<u32, String>) {
    cache.set(&1, "Bob").unwrap();
    assert!(cache.entry(&1).skip_near().exists());
    assert_eq!(*cache.get_or_load(&2, ann).unwrap(), "Ann");
    assert_eq!(*cache.get_or_spawn(&3, ann).unwrap(), "Ann");
}

#[test]
fn a_given_runtime_serves_it() {
    let runtime = Runtime::new().unwrap();
    let larder = Larder::builder()
        .runtime(runtime.handle().clone())
        .remote(MemoryRemote::new())
        .build()
        .unwrap();
    uses(&larder.cache("names").build().unwrap());
    larder.close().unwrap();
    // It is not the larder's to end.
    assert_eq!(
        runtime
            .block_on(async { tokio::spawn(async { 7 }).await })
            .unwrap(),
        7
    );
}

#[test]
fn a_given_runtime_of_one_thread_serves_it_while_it_runs() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let serving = thread::spawn(move || runtime.block_on(ended));
    let builder = Larder::builder().runtime(handle);
    let larder = builder.remote(MemoryRemote::new()).build().unwrap();
    uses(&larder.cache("names").build().unwrap());
    end.send(()).unwrap();
    serving.join().unwrap().unwrap();
}

#[test]
fn an_async_larder_is_used_from_threads() {
    let runtime = Runtime::new().unwrap();
    let builder = larder::Larder::builder().remote(MemoryRemote::new());
    let larder = runtime.block_on(builder.build()).unwrap();
    let names: larder::Cache<u32, String> = larder.cache("names").build().unwrap();
    let blocking = Larder::wrap(larder);
    let cache: Cache<u32, String> = blocking.cache("names").build().unwrap();
    uses(&cache);
    assert!(runtime.block_on(names.exists(&1)), "they are one cache");
    assert!(runtime.block_on(cache.as_async().exists(&2)));
    assert!(runtime.block_on(blocking.as_async().health()).is_usable());
}

#[test]
fn a_call_that_is_under_way_outlives_the_close() {
    let (larder, cache) = on_a_store();
    let (gate, pass) = gate();
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            cache.get_or_load(&1, || {
                pass.pass();
                ann()
            })
        });
        gate.begun();
        assert!(!larder.close_within(common::millis(1)).unwrap());
        gate.open();
        assert_eq!(*slow.join().unwrap().unwrap(), "Ann");
    });
}

#[test]
fn a_cache_outlives_its_larder() {
    let (larder, cache) = on_a_store();
    drop(larder);
    uses(&cache);
}

#[test]
fn a_missing_server_costs_a_miss() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let config = larder::Config::builder()
        .url(format!("valkey://127.0.0.1:{port}"))
        .timeout(common::secs(1));
    let larder = Larder::with(config.build().unwrap()).unwrap();
    let cache: Cache<u32, String> = larder.cache("names").build().unwrap();
    assert_eq!(cache.get(&1), None);
    assert_eq!(*cache.get_or_load(&1, ann).unwrap(), "Ann");
    assert!(matches!(
        cache.set(&2, "x"),
        Err(larder::Error::Pending { .. })
    ));
    assert!(larder.health().unwrap().is_degraded());
}

/// A loader is a part of its caller's program, and finds the runtime that this is in.
#[tokio::test]
async fn a_loader_finds_its_callers_runtime() {
    let larder = spawn_blocking(|| Larder::in_memory().unwrap())
        .await
        .unwrap();
    let cache: Cache<u32, u16> = larder.cache("ports").build().unwrap();
    let ours = tokio::runtime::Handle::current().id();
    let port = move || {
        let here = tokio::runtime::Handle::current();
        assert_eq!(here.id(), ours);
        let listener = here.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        listener.local_addr().map(|address| address.port())
    };
    let many = move |keys: Vec<u32>| {
        let port = port()?;
        Ok::<_, std::io::Error>(keys.into_iter().map(move |key| (key, port)))
    };
    spawn_blocking(move || {
        assert!(*cache.get_or_load(&1, port).unwrap() > 0);
        assert_eq!(cache.get_or_load_many(&[2, 3], many).unwrap().len(), 2);
    })
    .await
    .unwrap();
    spawn_blocking(|| drop(larder)).await.unwrap();
}

/// Loaders need no thread of the pool that their callers wait in.
#[test]
fn a_full_pool_of_waiting_threads_gets_its_values() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let value = runtime.block_on(async {
        let larder = Larder::wrap(larder::Larder::in_memory().await.unwrap());
        let cache: Cache<u32, String> = larder.cache("names").build().unwrap();
        let asks = move || cache.get_or_spawn(&1, || Ok::<_, std::io::Error>("Ann".to_owned()));
        soon("the loader runs", spawn_blocking(asks)).await.unwrap()
    });
    assert_eq!(*value.unwrap(), "Ann");
}
