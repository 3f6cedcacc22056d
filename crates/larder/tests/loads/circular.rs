//! Loads that would wait for themselves.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use larder::{Cache, LoadError};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::common::{always, soon};
use super::{Names, in_memory, names};

/// What a loader in these tests fails with: the inner load's error, in words.
type Words = String;

fn is_circular(error: &LoadError<Words>) -> bool {
    matches!(error, LoadError::Circular)
}

#[tokio::test]
async fn a_loader_that_loads_its_own_key_gets_an_error() {
    let (larder, _) = in_memory().await;
    let cache: Names = names(&larder).build().unwrap();
    for spawned in [false, true] {
        let inner = cache.clone();
        let outer = move || async move {
            let load = async || Ok::<_, Words>("inner".to_owned());
            let again = if spawned {
                inner.get_or_spawn(&1, load).await
            } else {
                inner.get_or_load(&1, load).await
            };
            let error = again.unwrap_err();
            assert!(is_circular(&error), "{error}");
            Err::<String, _>(error.to_string())
        };
        let result = if spawned {
            soon("no deadlock", cache.get_or_spawn(&1, outer)).await
        } else {
            soon("no deadlock", cache.get_or_load(&1, outer)).await
        };
        let error = result.unwrap_err();
        let message = error.loader().unwrap();
        assert!(message.contains("would wait for itself"), "{message}");
    }
    let value = cache.get_or_load(&1, always("fine".to_owned())).await;
    assert_eq!(*value.unwrap(), "fine", "the key is not spoilt");
}

#[tokio::test]
async fn it_may_be_seen_through_other_keys_and_caches() {
    let (larder, _) = in_memory().await;
    let users: Names = names(&larder).build().unwrap();
    let pages: Names = larder.cache("pages").build().unwrap();
    let load = async || {
        let page = pages.get_or_load(&7, async || {
            let user = users.get_or_load(&1, async || Ok::<_, Words>("user".to_owned()));
            match user.await {
                Ok(user) => Ok(user.to_string()),
                Err(error) => {
                    assert!(is_circular(&error), "{error}");
                    Err(error.to_string())
                }
            }
        });
        page.await
            .map(|page| page.to_string())
            .map_err(|e| e.to_string())
    };
    let error = soon("no deadlock", users.get_or_load(&1, load)).await;
    assert!(error.unwrap_err().to_string().contains("wait for itself"));
}

/// Loads key `of`, and from within its loader the next of `count` keys, once all have begun.
fn one_of(cache: Names, of: u32, count: u32, all: Arc<Barrier>) -> Loading {
    Box::pin(async move {
        let load = async || {
            all.wait().await;
            let next = (of + 1) % count;
            let next = cache.get_or_load(&next, async || Ok::<_, Words>("never".to_owned()));
            match next.await {
                Ok(value) => Ok(format!("{of} after {value}")),
                Err(error) if is_circular(&error) => Err("circular".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        };
        let loaded = cache.get_or_load(&of, load).await;
        loaded
            .map(|value| value.to_string())
            .map_err(|e| e.to_string())
    })
}

type Loading = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

async fn in_a_circle_of(count: u32) {
    let (larder, _) = in_memory().await;
    let cache: Names = names(&larder).build().unwrap();
    let all = Arc::new(Barrier::new(count as usize));
    let mut loads = JoinSet::new();
    for of in 0..count {
        loads.spawn(one_of(cache.clone(), of, count, Arc::clone(&all)));
    }
    let ends = soon("no deadlock", loads.join_all()).await;
    let refused = ends.iter().flat_map(Result::as_ref).count();
    assert_eq!(refused, 0, "none of them can be loaded: {ends:?}");
    let own = |end: &&Result<String, String>| matches!(end, Err(error) if error == "the loader failed: circular");
    assert_eq!(
        ends.iter().filter(own).count(),
        1,
        "one closes the circle: {ends:?}"
    );
    for of in 0..count {
        let value = cache.get_or_load(&of, always("fine".to_owned())).await;
        assert_eq!(*value.unwrap(), "fine");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tasks_that_load_each_others_key_do_not_wait_for_ever() {
    for _ in 0..50 {
        in_a_circle_of(2).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_do_three_or_seven() {
    for count in [3, 7] {
        for _ in 0..20 {
            in_a_circle_of(count).await;
        }
    }
}

/// Two loads that need the same third one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_that_only_meet_are_no_circle() {
    let (larder, _) = in_memory().await;
    let cache: Cache<u32, u32> = larder.cache("sums").build().unwrap();
    for round in 0..50 {
        let [top, left, right, base] = [0, 1, 2, 3].map(|key| round * 4 + key);
        let side = |key: u32| {
            let cache = cache.clone();
            async move {
                let load = async || {
                    let base = cache.get_or_load(&base, async || {
                        tokio::task::yield_now().await;
                        Ok::<_, Infallible>(1)
                    });
                    base.await.map(|base| *base + 1).map_err(|e| e.to_string())
                };
                cache.get_or_load(&key, load).await.map(|side| *side)
            }
        };
        let sum = cache.get_or_load(&top, async || {
            let (left, right) = tokio::join!(side(left), side(right));
            match (left, right) {
                (Ok(left), Ok(right)) => Ok(left + right),
                (left, right) => Err(format!("{left:?} {right:?}")),
            }
        });
        assert_eq!(*soon("the sum", sum).await.unwrap(), 4);
    }
}
