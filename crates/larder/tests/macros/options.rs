//! What the options of the attribute do.

use std::time::Duration;

use larder::{CacheBuilder, Clock, Config, Freshness, Larder, Refresh, StaleReason, cached};

use crate::common::{eventually, secs};
use crate::{Counter, DbError};

async fn at(clock: &Clock) -> Larder {
    Larder::builder()
        .clock(clock.clone())
        .build()
        .await
        .unwrap()
}

/// Fault 8: a stale window did nothing.
#[tokio::test]
async fn fault_8_a_stale_value_is_served_where_the_function_fails() {
    #[cached(larder = larder, ttl = "5m", stale = "1h", skip(runs))]
    async fn rate(larder: &Larder, runs: &Counter, id: u64) -> Result<u64, DbError> {
        if runs.up() == 1 {
            Ok(id)
        } else {
            Err(DbError::NotFound)
        }
    }
    let clock = Clock::manual();
    let (larder, runs) = (at(&clock).await, Counter::default());
    assert_eq!(rate(&larder, &runs, 7).await.unwrap(), 7);
    clock.advance(secs(301));
    assert_eq!(rate(&larder, &runs, 7).await.unwrap(), 7);
    assert_eq!(runs.get(), 2, "it was tried");
    let found = rate_lookup(&larder, 7).await.unwrap();
    assert!(matches!(found.outcome.freshness, Freshness::Stale(_)));
    assert_ne!(
        found.outcome.freshness,
        Freshness::Stale(StaleReason::RemoteUnavailable)
    );
    clock.advance(secs(3600));
    assert!(rate(&larder, &runs, 7).await.is_err(), "past both");
}

/// Fault 8: what was to be warmed was not.
#[tokio::test]
async fn fault_8_a_refresh_warms() {
    #[cached(larder = larder, skip(runs))]
    async fn rate(larder: &Larder, runs: &Counter, id: u64) -> u64 {
        runs.up();
        id
    }
    let (larder, runs) = (Larder::in_memory().await.unwrap(), Counter::default());
    rate_refresh(&larder, &runs, 7).await;
    assert_eq!(rate(&larder, &runs, 7).await, 7);
    assert_eq!(runs.get(), 1);
}

/// Fault 8: a key prefix setting was never applied. D3: nor were default TTLs.
#[tokio::test]
async fn fault_8_the_configuration_applies() {
    #[cached(larder = larder, cache = "ids", key = id)]
    async fn ids(larder: &Larder, id: u64) -> u64 {
        id
    }
    let config = Config::builder().prefix("shop").memory_ttl(secs(77));
    let clock = Clock::manual();
    let larder = Larder::builder()
        .config(config.build().unwrap())
        .clock(clock);
    let larder = larder.build().await.unwrap();
    ids(&larder, 7).await;
    assert_eq!(ids_key(&larder, 7).unwrap().as_str(), "shop:ids:7");
    let found = ids_lookup(&larder, 7).await.unwrap();
    assert_eq!(found.outcome.ttl_left, secs(77));
}

#[tokio::test]
async fn times_are_the_caches_or_the_calls() {
    #[cached(larder = larder, ttl = Duration::from_secs(seconds), skip(seconds))]
    async fn by_argument(larder: &Larder, id: u64, seconds: u64) -> u64 {
        id + seconds
    }
    #[cached(larder = larder, negative_ttl = "5s", ttl = "1m")]
    async fn perhaps(larder: &Larder, id: u64) -> Option<u64> {
        let _ = larder;
        (id > 0).then_some(id)
    }
    let clock = Clock::manual();
    let larder = at(&clock).await;
    by_argument(&larder, 1, 10).await;
    perhaps(&larder, 0).await;
    perhaps(&larder, 1).await;
    let left = by_argument_lookup(&larder, 1)
        .await
        .unwrap()
        .outcome
        .ttl_left;
    assert_eq!(left, secs(10));
    clock.advance(secs(6));
    assert!(perhaps_lookup(&larder, 0).await.is_none());
    assert!(perhaps_lookup(&larder, 1).await.is_some());
    clock.advance(secs(5));
    assert!(by_argument_lookup(&larder, 1).await.is_none());
}

#[tokio::test]
async fn a_condition_lets_the_function_run_by_itself() {
    #[cached(larder = larder, condition = id > 10, skip(runs))]
    async fn large(larder: &Larder, runs: &Counter, id: u64) -> u64 {
        runs.up();
        id
    }
    let (larder, runs) = (Larder::in_memory().await.unwrap(), Counter::default());
    for id in [1, 1, 11, 11] {
        assert_eq!(large(&larder, &runs, id).await, id);
    }
    assert_eq!(runs.get(), 3);
}

#[tokio::test]
async fn a_refresh_runs_in_the_background() {
    #[cached(larder = larder, ttl = "100s", refresh = 0.5, skip(runs))]
    async fn rate(larder: &Larder, runs: &Counter, name: &str) -> Result<String, DbError> {
        Ok(format!("{name}{}", runs.up()))
    }
    let clock = Clock::manual();
    let (larder, runs) = (at(&clock).await, Counter::default());
    assert_eq!(rate(&larder, &runs, "EUR").await.unwrap(), "EUR1");
    clock.advance(secs(60));
    assert_eq!(
        rate(&larder, &runs, "EUR").await.unwrap(),
        "EUR1",
        "nobody waits"
    );
    eventually("it is refreshed", async || {
        rate(&larder, &runs, "EUR").await.unwrap() == "EUR2"
    })
    .await;
    assert_eq!(runs.get(), 2);
}

#[tokio::test]
async fn the_cache_may_be_opened_with_any_option() {
    #[cached(
        larder = larder,
        refresh = Refresh::ByCost(1.0),
        soft_timeout = "50ms",
        remote_soft_timeout = "20ms",
        load_timeout = "2s",
        options = |cache| cache.jitter(0.1).memory_only(),
    )]
    async fn odd(larder: &Larder, id: u64) -> Result<u64, DbError> {
        let _ = larder;
        Ok(id)
    }
    let larder = Larder::in_memory().await.unwrap();
    assert_eq!(odd(&larder, 1).await.unwrap(), 1);
    let shown = format!("{:?}", odd_cache(&larder).unwrap());
    for part in [
        "jitter: 0.1",
        "memory_only: true",
        "load_timeout: 2s",
        "soft_timeout: Some(50ms)",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

/// What the guide says of those who come from elsewhere, where it takes more than one option to do the same.
#[tokio::test]
async fn what_a_cache_keeps_and_how_long_is_for_the_function_to_say() {
    #[cached(larder = larder, negative_ttl = "0s", skip(runs))]
    async fn only_some(larder: &Larder, runs: &Counter, id: u64) -> Option<u64> {
        runs.up();
        (id > 0).then_some(id)
    }
    #[cached(larder = larder, options = |cache| cache.cache_errors::<DbError>(secs(60)), skip(runs))]
    async fn errors_too(larder: &Larder, runs: &Counter, id: u64) -> Result<u64, DbError> {
        runs.up();
        if id > 0 {
            Ok(id)
        } else {
            Err(DbError::NotFound)
        }
    }
    #[cached(larder = larder, options = |cache| cache.ttl_by(|left| Some(secs(*left))))]
    async fn by_value(larder: &Larder, left: u64) -> u64 {
        left
    }
    #[cached(larder = larder, ttl = "100s", options = CacheBuilder::sliding, skip(id, runs))]
    async fn once(larder: &Larder, runs: &Counter, id: u64) -> u64 {
        runs.up();
        id
    }
    let clock = Clock::manual();
    let (larder, runs) = (at(&clock).await, Counter::default());
    for id in [0, 0, 1, 1] {
        only_some(&larder, &runs, id).await;
    }
    assert_eq!(runs.get(), 3, "a `None` is not kept");
    for id in [0, 0, 1, 1] {
        let found = errors_too(&larder, &runs, id).await;
        assert_eq!(found.is_ok(), id > 0);
    }
    assert_eq!(runs.get(), 5, "the error is kept");
    by_value(&larder, 7).await;
    let found = by_value_lookup(&larder, 7).await.unwrap();
    assert_eq!(found.outcome.ttl_left, secs(7));
    for _ in 0..3 {
        assert_eq!(once(&larder, &runs, 1).await, 1);
        clock.advance(secs(60));
        assert_eq!(once(&larder, &runs, 2).await, 1, "whatever it is asked for");
    }
    assert_eq!(runs.get(), 6);
}

#[tokio::test]
async fn tags_and_tenants_reach_what_a_function_stored() {
    #[cached(larder = larder, tenant = tenant, tags = ["team:{team}", format!("odd:{}", id % 2)])]
    async fn user(larder: &Larder, tenant: &str, id: u64, team: u64) -> u64 {
        let _ = (larder, tenant, team);
        id
    }
    let larder = Larder::in_memory().await.unwrap();
    user(&larder, "acme", 1, 7).await;
    user(&larder, "acme", 2, 7).await;
    user(&larder, "other", 1, 7).await;
    larder.tenant("acme").invalidate_tag("odd:1").await.unwrap();
    assert!(user_lookup(&larder, "acme", 1, 7).await.is_none());
    assert!(user_lookup(&larder, "acme", 2, 7).await.is_some());
    larder
        .tenant("acme")
        .invalidate_tag("team:7")
        .await
        .unwrap();
    assert!(user_lookup(&larder, "acme", 2, 7).await.is_none());
    assert!(user_lookup(&larder, "other", 1, 7).await.is_some());
    // A view of a tenant is a larder too.
    assert!(
        user_lookup(&larder.tenant("acme"), "other", 1, 7)
            .await
            .is_some()
    );
}
