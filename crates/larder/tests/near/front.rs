//! What a thread keeps of the keys that it asks for most often.

use std::sync::Arc;
use std::sync::mpsc::channel;

use larder::{Cache, Larder};
use tokio::runtime::Handle;

use super::common::{always, secs};
use super::in_memory;

/// Enough that a thread answers by itself.
const MANY: u64 = 5_000;

type Names = Cache<u32, String>;

async fn ask(cache: &Names, times: u64) -> Arc<String> {
    let mut value = cache.get(&1).await.unwrap();
    for turn in 1..times {
        value = if turn % 2 == 0 {
            cache.get(&1).await.unwrap()
        } else {
            let loaded = cache.get_or_load(&1, always("loaded".to_owned())).await;
            loaded.unwrap()
        };
    }
    value
}

/// Another thread asks many times, keeps what it got, and says what it gets after `change`.
async fn after(larder: &Larder, change: impl AsyncFnOnce(&Names)) -> Option<String> {
    let cache: Names = larder.cache("names").ttl(secs(60)).build().unwrap();
    cache.set(&1, "old".to_owned()).await.unwrap();
    let (asked, has_asked) = channel();
    let (changed, has_changed) = channel();
    let (theirs, runtime) = (cache.clone(), Handle::current());
    let thread = std::thread::spawn(move || {
        let kept = runtime.block_on(ask(&theirs, MANY));
        asked.send(()).unwrap();
        has_changed.recv().unwrap();
        let got = runtime.block_on(theirs.get(&1));
        drop(kept);
        got.map(|value| value.to_string())
    });
    tokio::task::block_in_place(|| has_asked.recv().unwrap());
    change(&cache).await;
    changed.send(()).unwrap();
    tokio::task::block_in_place(|| thread.join().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_thread_changed_another_serves_no_more() {
    let (larder, clock) = in_memory().await;
    let removed = after(&larder, async |cache| {
        assert!(cache.remove(&1).await.unwrap());
    });
    assert_eq!(removed.await, None);
    let replaced = after(&larder, async |cache| {
        cache.set(&1, "new".to_owned()).await.unwrap();
    });
    assert_eq!(replaced.await.as_deref(), Some("new"));
    let set_for_no_time = after(&larder, async |cache| {
        let entry = cache.entry(&1).ttl(secs(0));
        entry.set("new".to_owned()).await.unwrap();
    });
    assert_eq!(set_for_no_time.await, None);
    let expired = after(&larder, async |_| clock.advance(secs(60)));
    assert_eq!(expired.await, None);
    let evicted = after(&larder, async |cache| cache.resize_near(0));
    assert_eq!(evicted.await, None);
    let cache: Names = larder.cache("names").ttl(secs(60)).build().unwrap();
    cache.resize_near(1 << 20);
    let closed = after(&larder, async |_| larder.close().await);
    assert_eq!(closed.await, None);
}

#[tokio::test]
async fn each_hit_is_counted_once_whoever_answers() {
    let (larder, _clock) = in_memory().await;
    let cache: Names = larder.cache("names").build().unwrap();
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    ask(&cache, MANY).await;
    assert_eq!(cache.stats().near_hits, MANY);
    for _ in 0..MANY {
        assert!(cache.lookup(&1).await.is_some());
    }
    assert_eq!(cache.stats().near_hits, 2 * MANY);
}

#[tokio::test]
async fn tenants_are_apart_however_often_one_is_asked() {
    let (larder, _clock) = in_memory().await;
    let cache: Names = larder.cache("names").build().unwrap();
    let acme = cache.tenant("acme");
    cache.set(&1, "nobody's".to_owned()).await.unwrap();
    ask(&cache, MANY).await;
    assert!(acme.get(&1).await.is_none());
    acme.set(&1, "acme's".to_owned()).await.unwrap();
    assert_eq!(*ask(&acme, MANY).await, "acme's");
    assert_eq!(*ask(&cache, MANY).await, "nobody's");
}
