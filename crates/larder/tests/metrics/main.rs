//! What is told through the `metrics` facade.

#![cfg(all(feature = "metrics", feature = "valkey", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

use std::convert::Infallible;
use std::sync::OnceLock;
use std::time::Duration;

use larder::{Cache, Config, Larder, NearCapacity, Strength};
use larder_servers::{Kind, Server};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// All tests of this program have one recorder, so each has caches of its own.
fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}

/// The value of the series with this name and all of these labels; `None` where there is none.
fn value(name: &str, labels: &[&str]) -> Option<f64> {
    let text = recorder().render();
    let series = text.lines().find(|line| {
        let of = line
            .strip_prefix(name)
            .filter(|rest| rest.starts_with(['{', ' ']));
        of.is_some_and(|rest| labels.iter().all(|label| rest.contains(label)))
    })?;
    series.rsplit(' ').next()?.parse().ok()
}

/// Waits until the series has this value.
async fn reaches(name: &str, labels: &[&str], wanted: f64) {
    let reached = async {
        while value(name, labels) != Some(wanted) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(20), reached)
        .await
        .is_err()
    {
        panic!(
            "{name} {labels:?} is not {wanted}:\n{}",
            recorder().render()
        );
    }
}

#[tokio::test]
async fn lookups_loads_and_the_near_tier_are_told_by_cache() {
    recorder();
    let larder = Larder::in_memory().await.unwrap();
    let near = NearCapacity::Entries(40);
    let cache: Cache<u64, String> = larder.cache("told").near(near).build().unwrap();
    let of = r#"cache="told""#;
    cache.get(&1).await;
    cache.set(&1, "one").await.unwrap();
    cache.get(&1).await;
    cache.get(&1).await;
    let load = async || Ok::<_, Infallible>("two".to_owned());
    cache.get_or_load(&2, load).await.unwrap();
    let fail = async || Err::<String, _>("no");
    cache.get_or_load(&3, fail).await.unwrap_err();
    cache.remove(&1).await.unwrap();
    larder.invalidate_tag("told").await.unwrap();
    larder
        .tenant("acme")
        .invalidate(Strength::Expire)
        .await
        .unwrap();
    for key in 100..150 {
        cache.set(&key, "more").await.unwrap();
    }

    let (near, fresh) = (r#"tier="near""#, r#"freshness="fresh""#);
    reaches("larder_hits_total", &[of, near, fresh], 2.0).await;
    reaches("larder_misses_total", &[of, r#"cause="absent""#], 3.0).await;
    reaches("larder_loads_total", &[of], 2.0).await;
    reaches("larder_load_failures_total", &[of], 1.0).await;
    reaches("larder_sets_total", &[of], 51.0).await;
    reaches("larder_removes_total", &[of], 1.0).await;
    reaches("larder_near_capacity_entries", &[of], 40.0).await;
    reaches("larder_load_duration_seconds_count", &[of], 2.0).await;
    let usage = cache.near_usage();
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let (entries, evicted) = (usage.entries as f64, 51.0 - usage.entries as f64);
    assert!(evicted >= 11.0);
    reaches("larder_near_entries", &[of], entries).await;
    reaches("larder_near_evicted_total", &[of], evicted).await;
    assert!(value("larder_invalidations_total", &[r#"scope="tag""#]).unwrap() >= 1.0);
    assert!(value("larder_invalidations_total", &[r#"scope="tenant""#]).unwrap() >= 1.0);
}

#[tokio::test]
async fn evictions_that_nobody_heard_of_are_told() {
    recorder();
    let larder = Larder::in_memory().await.unwrap();
    let cache = larder.cache("untold").near(NearCapacity::Entries(1));
    let cache: Cache<u64, u64> = cache.on_evicted(|_| {}).build().unwrap();
    // Nothing here lets the only thread go to the task that delivers.
    for key in 0..10_000 {
        cache.set(&key, key).await.unwrap();
    }
    let untold = cache.stats().evictions_untold;
    assert!(untold > 0);
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let untold = untold as f64;
    let of = r#"cache="untold""#;
    reaches("larder_evictions_untold_total", &[of], untold).await;
}

#[tokio::test]
async fn several_larders_add_up_and_take_with_them_what_they_held() {
    recorder();
    let mut larders = Vec::new();
    let of = [r#"cache="twice""#];
    for _ in 0..2 {
        let larder = Larder::in_memory().await.unwrap();
        let cache: Cache<u64, u64> = larder.cache("twice").build().unwrap();
        cache.set(&1, 1).await.unwrap();
        cache.get(&1).await;
        larders.push((larder, cache));
    }
    reaches("larder_near_entries", &of, 2.0).await;
    reaches(
        "larder_hits_total",
        &[of[0], r#"tier="near""#, r#"freshness="fresh""#],
        2.0,
    )
    .await;
    let (larder, _) = larders.pop().unwrap();
    larder.close().await;
    reaches("larder_near_entries", &of, 1.0).await;
    reaches("larder_near_capacity_bytes", &of, 64.0 * 1024.0 * 1024.0).await;
    drop(larders);
    reaches("larder_near_entries", &of, 0.0).await;
    reaches("larder_sets_total", &of, 2.0).await;
}

#[tokio::test]
async fn answers_and_failures_of_the_server_are_told_by_operation() {
    recorder();
    for kind in Kind::ALL {
        let server = Server::start(kind).unwrap();
        let config = Config::builder().url(server.url()).build().unwrap();
        let larder = Larder::with(config).await.unwrap();
        let name = format!("away-{kind}");
        let cache: Cache<u64, u64> = larder.cache(&name).near(NearCapacity::Off).build().unwrap();
        cache.set(&1, 1).await.unwrap();
        assert_eq!(cache.get(&1).await.as_deref(), Some(&1));
        let of = format!(r#"cache="{name}""#);
        reaches(
            "larder_hits_total",
            &[&of, r#"tier="remote""#, r#"freshness="fresh""#],
            1.0,
        )
        .await;
        let answers = |operation| value("larder_remote_duration_seconds_count", &[operation]);
        assert!(answers(r#"operation="set""#).unwrap() >= 1.0);
        assert!(answers(r#"operation="get""#).unwrap() >= 1.0);

        server.kill();
        let away = [of.as_str(), r#"cause="remote_unavailable""#];
        let fails = async {
            while value("larder_misses_total", &away).unwrap_or_default() < 1.0 {
                cache.get(&1).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), fails)
            .await
            .unwrap();
        assert!(value("larder_remote_errors_total", &[r#"operation="get""#]).unwrap() >= 1.0);
        reaches("larder_near_untrusted", &[], 1.0).await;
        larder.close().await;
        reaches("larder_near_untrusted", &[], 0.0).await;
    }
}
