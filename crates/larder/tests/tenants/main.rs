//! What is particular about a tenant: its defaults, its share, its limit, its numbers.

#![cfg(all(feature = "testing", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;
mod loads;
mod numbers;
mod shares;

use std::time::Duration;

use larder::{Cache, Error, Larder, TenantOptions};

use common::secs;

async fn with(each: TenantOptions) -> Larder {
    Larder::builder().tenants(each).build().await.unwrap()
}

/// How long what is stored now is fresh, rounded to seconds.
async fn ttl(cache: &Cache<u32, String>) -> Duration {
    cache.set(&1, "value").await.unwrap();
    let left = cache.ttl_left(&1).await.unwrap();
    Duration::from_secs_f64(left.as_secs_f64().round())
}

#[tokio::test]
async fn a_tenants_times_count_where_neither_cache_nor_call_has_its_own() {
    let larder = with(TenantOptions::new().ttl(secs(20))).await;
    let acme = TenantOptions::new().ttl(secs(10));
    larder.configure_tenant("acme", acme).unwrap();
    let plain: Cache<u32, String> = larder.cache("plain").build().unwrap();
    let own: Cache<u32, String> = larder.cache("own").ttl(secs(40)).build().unwrap();
    for (cache, expected) in [
        (plain.clone(), 300),
        (plain.tenant("acme"), 10),
        (plain.tenant("other"), 20),
        (own.clone(), 40),
        (own.tenant("acme"), 40),
    ] {
        assert_eq!(ttl(&cache).await, secs(expected), "{cache:?}");
    }

    // In either order, the call's own goes before.
    let both = plain.entry(&2).ttl(secs(5)).tenant("acme");
    both.set("value").await.unwrap();
    let entry = plain.entry(&3).tenant("acme").ttl(secs(5));
    entry.set("value").await.unwrap();
    for key in [2, 3] {
        assert!(plain.tenant("acme").ttl_left(&key).await.unwrap() <= secs(5));
    }
    // Batches too, and a stale window.
    let acme = acme.stale(secs(60));
    larder.configure_tenant("acme", acme).unwrap();
    let acme = plain.tenant("acme");
    acme.set_many([(4, "value")]).await.unwrap();
    assert!(acme.ttl_left(&4).await.unwrap() <= secs(10));
    let zero = acme.entry(&4).ttl(Duration::ZERO);
    zero.set("nothing").await.unwrap();
    assert_eq!(acme.lookup(&4).await.map(|found| found.value), None);
}

#[tokio::test]
async fn a_tenants_stale_window_counts() {
    let clock = larder::Clock::manual();
    let builder = Larder::builder().clock(clock.clone());
    let each = TenantOptions::new().ttl(secs(10)).stale(secs(60));
    let larder = builder.tenants(each).build().await.unwrap();
    let cache: Cache<u32, String> = larder.cache("users").build().unwrap();
    let acme = cache.tenant("acme");
    acme.set(&1, "value").await.unwrap();
    clock.advance(secs(30));
    assert!(acme.get(&1).await.is_none());
    assert!(acme.lookup(&1).await.is_some(), "as stale");
    clock.advance(secs(50));
    assert!(acme.lookup(&1).await.is_none());
}

#[tokio::test]
async fn options_that_cannot_be_are_named() {
    let larder = Larder::in_memory().await.unwrap();
    let options = TenantOptions::new();
    for (options, says) in [
        (
            options.ttl(Duration::from_secs(u64::MAX)),
            "tenant \"acme\": ttl of ",
        ),
        (
            options.near_floor(10).near_ceiling(9),
            "tenant \"acme\": near_ceiling of 9 is not above 0, and at least the floor of 10",
        ),
        (
            options.near_ceiling(0),
            "tenant \"acme\": near_ceiling of 0 is not above 0",
        ),
        (
            options.max_loads(0),
            "tenant \"acme\": max_loads of 0 is not at least 1",
        ),
    ] {
        let error = larder.configure_tenant("acme", options).unwrap_err();
        assert!(error.to_string().starts_with(says), "{error}");
        let error = Larder::builder().tenants(options).build().await;
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("the options of each tenant: "), "{error}");
    }
    let error = larder.configure_tenant("", options).unwrap_err();
    assert!(matches!(error, Error::Name(_)), "{error}");
}
