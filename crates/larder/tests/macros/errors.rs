//! How a function's own error, and the failure of a load, reach its callers.

use std::fmt;
use std::sync::Arc;

use larder::{Larder, LoadError, cached};
use tokio::sync::{Barrier, Semaphore};

use crate::common::{eventually, soon};
use crate::{Counter, DbError, installed};

#[cached(skip(runs))]
async fn failing(runs: &Counter, id: u64) -> Result<u64, DbError> {
    runs.up();
    let _ = id;
    Err(DbError::NotFound)
}

/// Fault 1: a function ran twice when it raised, or when the cache failed after it.
#[tokio::test]
async fn fault_1_a_function_that_fails_runs_once_a_call() {
    installed().await;
    let runs = Counter::default();
    for call in 1..=3 {
        assert!(
            matches!(failing(&runs, 1).await, Err(DbError::NotFound)),
            "as it is"
        );
        assert_eq!(runs.get(), call);
    }
}

/// Fault 1 and C6: where there is no cache, the function runs by itself, once.
#[tokio::test]
async fn fault_1_without_a_cache_the_function_runs_once() {
    #[cached(larder = larder, cache = "taken", key = id)]
    async fn user(larder: &Larder, runs: &Counter, id: u64) -> Result<u64, DbError> {
        runs.up();
        Ok(id)
    }
    let (larder, runs) = (Larder::in_memory().await.unwrap(), Counter::default());
    // Open with other types: the function's cache cannot be had.
    let other = Larder::in_memory().await.unwrap();
    let _taken = other.cache::<String, String>("taken").build().unwrap();
    assert_eq!(user(&other, &runs, 7).await.unwrap(), 7);
    assert_eq!(user(&other, &runs, 7).await.unwrap(), 7);
    assert_eq!(runs.get(), 2);
    larder.close().await;
    assert_eq!(user(&larder, &runs, 7).await.unwrap(), 7);
    assert_eq!(runs.get(), 3);
}

/// Fault 7: waiters recomputed one after another.
#[tokio::test]
async fn fault_7_callers_at_once_share_one_run() {
    #[cached(skip(runs, gate))]
    async fn slow(runs: &Counter, gate: &Semaphore, id: u64) -> u64 {
        runs.up();
        let _open = gate.acquire().await.unwrap();
        id
    }
    installed().await;
    let (runs, gate) = (Counter::default(), Arc::new(Semaphore::new(0)));
    let begun = Arc::new(Barrier::new(101));
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let (runs, gate, begun) = (runs.clone(), Arc::clone(&gate), Arc::clone(&begun));
            tokio::spawn(async move {
                begun.wait().await;
                slow(&runs, &gate, 7).await
            })
        })
        .collect();
    begun.wait().await;
    eventually("the function runs", async || runs.get() == 1).await;
    gate.add_permits(1);
    for caller in callers {
        assert_eq!(soon("a caller", caller).await.unwrap(), 7);
    }
    assert_eq!(runs.get(), 1);
}

/// Fault 11: error responses were cached.
#[tokio::test]
async fn fault_11_an_error_is_never_cached() {
    #[cached(skip(runs))]
    async fn third_time(runs: &Counter, id: u64) -> Result<u64, DbError> {
        if runs.up() < 3 {
            Err(DbError::NotFound)
        } else {
            Ok(id)
        }
    }
    installed().await;
    let runs = Counter::default();
    assert!(third_time(&runs, 7).await.is_err());
    assert!(third_time_lookup(7).await.is_none());
    assert!(third_time(&runs, 7).await.is_err());
    assert_eq!(third_time(&runs, 7).await.unwrap(), 7);
    assert_eq!(third_time(&runs, 7).await.unwrap(), 7);
    assert_eq!(runs.get(), 3);
}

/// An error type that cannot be cloned, as most are.
#[derive(Debug)]
enum Single {
    NotFound,
    Shared(Arc<Single>),
    Other(String),
}

impl fmt::Display for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl From<LoadError<Self>> for Single {
    fn from(error: LoadError<Self>) -> Self {
        match error.into_loader() {
            Ok(own) => Self::Shared(own),
            Err(other) => Self::Other(other.to_string()),
        }
    }
}

#[tokio::test]
async fn an_error_that_is_not_clone_comes_through_from() {
    #[cached]
    async fn find(id: u64) -> Result<u64, Single> {
        if id == 1 {
            Err(Single::NotFound)
        } else {
            panic!("no id {id}")
        }
    }
    installed().await;
    let shared = find(1).await.unwrap_err();
    assert!(
        matches!(&shared, Single::Shared(own) if matches!(**own, Single::NotFound)),
        "{shared}"
    );
    let panicked = find(2).await.unwrap_err();
    assert!(
        matches!(&panicked, Single::Other(text) if text.contains("no id 2")),
        "{panicked}"
    );
}

#[tokio::test]
async fn a_timeout_and_a_panic_are_errors_of_the_function() {
    #[cached(load_timeout = "5ms")]
    async fn never(id: u64) -> Result<u64, DbError> {
        let () = std::future::pending().await;
        Ok(id)
    }
    #[cached]
    async fn panics(id: u64) -> Result<u64, DbError> {
        panic!("no {id}")
    }
    installed().await;
    let late = soon("a load that times out", never(1)).await.unwrap_err();
    assert!(
        matches!(&late, DbError::Load(error) if matches!(**error, LoadError::TimedOut { .. })),
        "{late}"
    );
    let panicked = panics(1).await.unwrap_err();
    assert!(
        matches!(&panicked, DbError::Load(error) if matches!(**error, LoadError::Panicked(_))),
        "{panicked}"
    );
}

#[tokio::test]
async fn a_function_without_errors_outlasts_its_load() {
    #[cached(load_timeout = "5ms", skip(runs, gate))]
    async fn slow(runs: &Counter, gate: &Semaphore, id: u64) -> u64 {
        runs.up();
        let _open = gate.acquire().await.unwrap();
        id
    }
    installed().await;
    let (runs, gate) = (Counter::default(), Arc::new(Semaphore::new(0)));
    let caller = tokio::spawn({
        let (runs, gate) = (runs.clone(), Arc::clone(&gate));
        async move { slow(&runs, &gate, 7).await }
    });
    let cache = slow_cache().unwrap();
    eventually("the load times out", async || {
        cache.stats().load_failures == 1
    })
    .await;
    gate.add_permits(1);
    assert_eq!(soon("the caller", caller).await.unwrap(), 7);
    assert_eq!(runs.get(), 1, "it went on where it was");
}

#[tokio::test]
async fn a_panic_of_a_function_without_errors_is_its_callers() {
    #[cached(skip(runs))]
    async fn panics(runs: &Counter, id: u64) -> u64 {
        runs.up();
        panic!("no {id}")
    }
    installed().await;
    let runs = Counter::default();
    let counted = runs.clone();
    let panic = tokio::spawn(async move { panics(&counted, 7).await })
        .await
        .unwrap_err();
    let payload = panic.into_panic();
    assert_eq!(payload.downcast_ref::<String>().unwrap(), "no 7");
    assert_eq!(runs.get(), 1);
}

#[tokio::test]
async fn a_waiter_of_a_panicking_function_runs_its_own() {
    #[cached(skip(runs, gate))]
    async fn first_panics(runs: &Counter, gate: &Semaphore, id: u64) -> u64 {
        let first = runs.up() == 1;
        let _open = gate.acquire().await.unwrap();
        assert!(!first, "the first one");
        id
    }
    installed().await;
    let (runs, gate) = (Counter::default(), Arc::new(Semaphore::new(0)));
    let call = || {
        let (runs, gate) = (runs.clone(), Arc::clone(&gate));
        tokio::spawn(async move { first_panics(&runs, &gate, 7).await })
    };
    let first = call();
    eventually("the first one runs", async || runs.get() == 1).await;
    let second = call();
    tokio::task::yield_now().await;
    gate.add_permits(2);
    assert!(soon("the first", first).await.is_err());
    assert_eq!(soon("the second", second).await.unwrap(), 7);
}

#[tokio::test]
async fn an_alias_of_a_result_is_one() {
    type Answer<T> = Result<T, DbError>;
    #[cached]
    async fn aliased(id: u64) -> Answer<u64> {
        if id == 0 {
            Err(DbError::NotFound)
        } else {
            Ok(id)
        }
    }
    installed().await;
    assert!(aliased(0).await.is_err());
    assert!(aliased_lookup(0).await.is_none());
    assert_eq!(aliased(1).await.unwrap(), 1);
}

type Boxed = Box<dyn std::error::Error + Send + Sync>;

#[cached]
async fn boxed(id: u64) -> Result<u64, Boxed> {
    tokio::task::yield_now().await;
    Ok(id)
}

#[cached(spawn)]
async fn boxed_in_background(id: u64) -> Result<u64, Boxed> {
    Ok(id)
}

#[cached(batch = ids)]
async fn boxed_batch(ids: &[u64]) -> Result<Vec<(u64, u64)>, Boxed> {
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

/// Its lifetime is not known to the compiler within a future: what web frameworks and `spawn` ask for has to
/// hold all the same.
#[tokio::test]
async fn a_function_with_a_boxed_error_runs_in_a_task() {
    installed().await;
    let task = tokio::spawn(async {
        let found = [
            boxed(1).await?,
            boxed_refresh(2).await?,
            boxed_in_background(3).await?,
        ];
        boxed_batch(&[4]).await?;
        boxed_invalidate(1).await?;
        Ok::<_, Boxed>(found)
    });
    assert_eq!(task.await.unwrap().unwrap(), [1, 2, 3]);
}
