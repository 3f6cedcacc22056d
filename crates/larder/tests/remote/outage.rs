//! A server that is away, killed or stopped: calls go on, and it heals by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use larder::key::{CacheName, Prefix, StoredKey};
use larder::remote::valkey::Valkey;
use larder::remote::{Deadline, Remote, RemoteError, RemoteState};
use larder::{Clock, Coherence, Error, Freshness, Larder, Source, StaleReason};
use larder_servers::{Kind, Server, Silent};
use tokio::task::JoinSet;

use super::common::{
    Runs, always, config, eventually, larder_with, millis, on_each_server, secs, start,
};
use super::{Texts, bare, get};

on_each_server!(
    a_server_that_is_down_at_the_start_is_used_as_soon_as_it_comes,
    a_server_killed_under_load_costs_no_caller_an_error,
    a_stopped_server_costs_a_timeout_and_then_next_to_nothing,
    during_an_outage_what_is_in_memory_is_served_as_stale,
    what_is_loaded_during_an_outage_is_kept_in_memory,
    require_remote_makes_a_missing_server_an_error,
    a_larder_can_be_closed_while_its_server_is_stopped,
    impatient_calls_do_not_open_the_breaker,
);

const TIMEOUT: Duration = Duration::from_millis(400);
/// What a call may take beyond its timeout on a busy machine.
const GRACE: Duration = Duration::from_secs(2);

async fn impatient(server: &Server) -> Larder {
    larder_with(config(server).timeout(TIMEOUT)).await
}

async fn heals(larder: &Larder, cache: &Texts) {
    eventually("it heals by itself", async || {
        larder.health().await.is_usable() && cache.set(&9, "back".to_owned()).await.is_ok()
    })
    .await;
    eventually("what waited is done", async || {
        larder.health().await.pending_writes == 0
    })
    .await;
    // A removal of it that was on its way may have come after the first that went well.
    cache.set(&9, "back".to_owned()).await.unwrap();
    assert_eq!(get(cache, 9).await.as_deref(), Some("back"));
}

async fn a_server_that_is_down_at_the_start_is_used_as_soon_as_it_comes(kind: Kind) {
    let server = start(kind);
    server.kill();
    let larder = impatient(&server).await;
    let health = larder.health().await;
    assert!(health.is_degraded() && !health.is_usable());
    assert_eq!(health.remote.state, RemoteState::Down);
    let error = health.remote.last_error.unwrap();
    assert!(error.contains(&server.port().to_string()), "{error}");
    assert_eq!(
        (health.remote.round_trip, health.remote.server),
        (None, None)
    );

    let cache = bare(&larder);
    assert_eq!(get(&cache, 1).await, None);
    let runs = Runs::default();
    let value = cache.get_or_load(&1, runs.load("loaded".to_owned())).await;
    assert_eq!((value.unwrap().as_str(), runs.get()), ("loaded", 1));
    let error = cache.set(&1, "set".to_owned()).await.unwrap_err();
    let Error::Pending {
        operation: "set",
        source,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    let RemoteError::Disconnected { address, .. } = &**source else {
        panic!("{error}");
    };
    assert!(address.contains(&server.port().to_string()));
    let error = cache.remove(&1).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Pending {
                operation: "remove",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(larder.health().await.pending_writes, 1, "one key waits");

    server.restart().unwrap();
    heals(&larder, &cache).await;
    // What could not be set an hour ago does not appear now.
    assert_eq!(get(&cache, 1).await, None);
}

/// Fifty tasks load for three seconds while the server dies and comes back.
async fn a_server_killed_under_load_costs_no_caller_an_error(kind: Kind) {
    let server = Arc::new(start(kind));
    let larder = impatient(&server).await;
    let cache = bare(&larder);
    let (runs, ended) = (Runs::default(), Arc::new(AtomicBool::new(false)));
    let mut callers = JoinSet::new();
    for caller in 0..50_u32 {
        let (cache, runs, ended) = (cache.clone(), runs.clone(), Arc::clone(&ended));
        callers.spawn(async move {
            let mut longest = Duration::ZERO;
            for round in 0.. {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let key = (caller * 7 + round) % 30;
                let asked = Instant::now();
                let value = cache
                    .get_or_load(&key, runs.load(key.to_string()))
                    .await
                    .unwrap();
                longest = longest.max(asked.elapsed());
                assert_eq!(*value, key.to_string());
                tokio::time::sleep(millis(2)).await;
            }
            longest
        });
    }
    let storm = tokio::task::spawn_blocking({
        let server = Arc::clone(&server);
        move || {
            let began = Instant::now();
            while began.elapsed() < secs(3) {
                std::thread::sleep(millis(300));
                server.kill();
                std::thread::sleep(millis(100));
                server.restart().unwrap();
            }
        }
    });
    storm.await.unwrap();
    ended.store(true, Ordering::Relaxed);
    for longest in callers.join_all().await {
        assert!(longest < TIMEOUT + GRACE, "a caller waited {longest:?}");
    }
    heals(&larder, &cache).await;
    // Hits come back: what is loaded now stays.
    for key in 0..30 {
        cache
            .get_or_load(&key, always(key.to_string()))
            .await
            .unwrap();
    }
    let before = cache.stats().remote_hits;
    for key in 0..30 {
        assert!(cache.get(&key).await.is_some());
    }
    assert_eq!(cache.stats().remote_hits, before + 30);
}

async fn a_stopped_server_costs_a_timeout_and_then_next_to_nothing(kind: Kind) {
    let server = start(kind);
    let larder = impatient(&server).await;
    let cache = bare(&larder);
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    server.pause().unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let cache = cache.clone();
        callers.spawn(async move {
            let asked = Instant::now();
            let value = cache
                .get_or_load(&1, always("loaded".to_owned()))
                .await
                .unwrap();
            assert_eq!(*value, "loaded");
            let took = asked.elapsed();
            assert_eq!(get(&cache, 2).await, None);
            took
        });
    }
    for took in callers.join_all().await {
        assert!(took < TIMEOUT + GRACE, "a caller waited {took:?}");
    }
    let error = cache.set(&1, "Bob".to_owned()).await.unwrap_err();
    let Error::Pending { source, .. } = &error else {
        panic!("{error}");
    };
    // On a machine that stood still for seconds, the connection was given up already.
    assert!(
        matches!(
            **source,
            RemoteError::CircuitOpen { .. } | RemoteError::Disconnected { .. }
        ),
        "{error}"
    );
    let asked = Instant::now();
    for _ in 0..200 {
        assert_eq!(get(&cache, 1).await, None);
    }
    // Each with its timeout, they would take 80 seconds.
    assert!(asked.elapsed() < secs(8), "{:?}", asked.elapsed());
    assert!(cache.stats().misses_remote_unavailable >= 200);
    assert!(larder.health().await.is_degraded());
    server.resume().unwrap();
    heals(&larder, &cache).await;
    // Neither the value from before nor the one that could not be confirmed.
    assert_eq!(get(&cache, 1).await, None);
    cache.set(&1, "Cid".to_owned()).await.unwrap();
    assert_eq!(get(&cache, 1).await.as_deref(), Some("Cid"));
}

async fn during_an_outage_what_is_in_memory_is_served_as_stale(kind: Kind) {
    for coherence in [Coherence::Pushed, Coherence::Ttl(millis(50))] {
        served_as_stale_during_an_outage(kind, coherence).await;
    }
}

async fn served_as_stale_during_an_outage(kind: Kind, coherence: Coherence) {
    let server = start(kind);
    let open = async || -> (Larder, Texts) {
        let larder = impatient(&server).await;
        let cache = larder.cache("near").coherence(coherence).build().unwrap();
        (larder, cache)
    };
    let (_, writer) = open().await;
    writer.set(&1, "Ann".to_owned()).await.unwrap();
    // It begins to listen after the write, so no push of it comes.
    let (larder, cache) = open().await;
    assert_eq!(get(&cache, 1).await.as_deref(), Some("Ann"));
    server.kill();
    eventually("trust in it has lapsed", async || {
        get(&cache, 1).await.is_none()
    })
    .await;
    let found = cache.lookup(&1).await.unwrap();
    assert_eq!(found.as_str(), "Ann");
    assert_eq!(found.outcome.source, Source::Near);
    assert_eq!(
        found.outcome.freshness,
        Freshness::Stale(StaleReason::RemoteUnavailable)
    );
    // Within its TTL it is better than a load that could not be stored.
    let runs = Runs::default();
    let found = cache
        .lookup_or_load(&1, runs.load("loaded".to_owned()))
        .await
        .unwrap();
    assert_eq!((found.as_str(), runs.get()), ("Ann", 0));
    assert!(!found.outcome.freshness.is_fresh());
    // What is removed meanwhile is not served, although the server could not be told.
    assert!(cache.remove(&1).await.is_err());
    assert_eq!(larder.health().await.pending_writes, 1);
    assert!(cache.lookup(&1).await.is_none());
    let found = cache
        .lookup_or_load(&1, runs.load("loaded".to_owned()))
        .await
        .unwrap();
    assert_eq!((found.as_str(), runs.get()), ("loaded", 1));
}

async fn what_is_loaded_during_an_outage_is_kept_in_memory(kind: Kind) {
    let server = start(kind);
    let larder = impatient(&server).await;
    let cache: Texts = larder.cache("near").build().unwrap();
    server.kill();
    let runs = Runs::default();
    for _ in 0..50 {
        let value = cache.get_or_load(&1, runs.load("loaded".to_owned())).await;
        assert_eq!(*value.unwrap(), "loaded");
    }
    assert_eq!(runs.get(), 1);
}

async fn require_remote_makes_a_missing_server_an_error(kind: Kind) {
    let server = start(kind);
    let required = || config(&server).timeout(TIMEOUT).require_remote(true);
    let larder = larder_with(required()).await;
    assert!(larder.health().await.is_usable());
    server.kill();
    let error = Larder::with(required().build().unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::RemoteRequired { .. }), "{error}");
    assert!(
        error.to_string().contains(&server.port().to_string()),
        "{error}"
    );
}

async fn a_larder_can_be_closed_while_its_server_is_stopped(kind: Kind) {
    let server = start(kind);
    let larder = impatient(&server).await;
    let cache = bare(&larder);
    server.pause().unwrap();
    let write = tokio::spawn(async move { cache.set(&1, "Ann".to_owned()).await });
    tokio::time::sleep(millis(20)).await;
    let asked = Instant::now();
    larder.close().await;
    assert!(asked.elapsed() < TIMEOUT + GRACE);
    assert!(write.await.unwrap().is_err());
    server.resume().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_starts_degraded() {
    let silent = Silent::start().unwrap();
    let url = format!("valkey://127.0.0.1:{}", silent.port());
    let asked = Instant::now();
    let config = || larder::Config::builder().url(&url).timeout(TIMEOUT);
    let larder = larder_with(config()).await;
    assert!(asked.elapsed() < TIMEOUT + GRACE);
    let health = larder.health().await;
    assert!(health.is_degraded());
    let error = health.remote.last_error.unwrap();
    // Two limits of the same length end the attempt; either may be the first.
    assert!(
        error.contains("no answer") || error.contains("timed out"),
        "{error}"
    );
    assert!(error.contains(&silent.port().to_string()), "{error}");
    let runs = Runs::default();
    let cache = bare(&larder);
    cache
        .get_or_load(&1, runs.load("loaded".to_owned()))
        .await
        .unwrap();
    assert_eq!(runs.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_dropped_leaves_nothing_behind() {
    let url = |silent: &Silent| format!("valkey://127.0.0.1:{}", silent.port());
    let build = |silent: &Silent| {
        let config = larder::Config::builder()
            .url(url(silent))
            .timeout(millis(100));
        Larder::with(config.build().unwrap())
    };
    let (dropped, kept) = (Silent::start().unwrap(), Silent::start().unwrap());
    assert!(
        tokio::time::timeout(millis(30), build(&dropped))
            .await
            .is_err()
    );
    let _larder = build(&kept).await.unwrap();
    eventually("the one that is kept tries again", async || {
        kept.accepted() >= 5
    })
    .await;
    assert!(dropped.accepted() <= 2, "{} attempts", dropped.accepted());
}

/// Calls that grant next to no time must not make the server look dead to all others.
async fn impatient_calls_do_not_open_the_breaker(kind: Kind) {
    let server = start(kind);
    let config = config(&server).build().unwrap();
    let remote = Valkey::connect(&config.server.unwrap(), Clock::system())
        .await
        .unwrap();
    let (prefix, name) = (
        Prefix::new("test").unwrap(),
        CacheName::new("texts").unwrap(),
    );
    let key = StoredKey::new(&prefix, None, &name, "key").unwrap();
    for _ in 0..100 {
        let _ = remote.get(&key, Deadline::after(Duration::ZERO)).await;
        let _ = remote
            .get(&key, Deadline::after(Duration::from_micros(10)))
            .await;
    }
    assert_eq!(remote.get(&key, Deadline::after(secs(5))).await, Ok(None));
}
