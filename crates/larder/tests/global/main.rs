//! The process-wide cache: contract A1 to A7, C3, D1 to D3, and fault 10.
//!
//! One process has one, so the tests take turns.

#![cfg(all(feature = "valkey", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

use std::time::Duration;

use larder::global::{self, exists, get, remove, set};
use larder::remote::RemoteState;
use larder::{Cache, Clock, Config, Error, Larder};
use larder_servers::{Kind, Reply, Server, Silent};
use tokio::sync::{Mutex, MutexGuard};

use common::{Runs, config, eventually, millis, on_each_server, secs, start};

on_each_server!(
    the_environment_leads_to_a_usable_cache,
    the_same_calls_work_on_a_server,
    the_persistent_cache_is_shared_and_the_memory_cache_is_not,
    the_default_ttl_holds_on_every_path,
    a_second_initialisation_elsewhere_is_an_error,
    an_unreachable_server_is_not_usable_and_heals,
);

static TURN: Mutex<()> = Mutex::const_new(());

/// This test's turn; whatever the one before left behind is closed.
async fn turn() -> MutexGuard<'static, ()> {
    let turn = TURN.lock().await;
    global::close().await;
    turn
}

fn in_memory() -> Config {
    Config::builder().build().unwrap()
}

fn vars(vars: &[(&str, &str)]) -> Config {
    let vars = vars
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_vars(vars).unwrap()
}

/// A1, A2 and A6, with the variables that an operator would set.
async fn the_environment_leads_to_a_usable_cache(kind: Kind) {
    let _turn = turn().await;
    let server = start(kind);
    let (url, port) = (server.url(), server.port().to_string());
    let environments: [&[(&str, &str)]; 4] = match kind {
        Kind::Valkey => [
            &[("VALKEY_URL", &url)],
            &[("VALKEY_HOST", "127.0.0.1"), ("VALKEY_PORT", &port)],
            &[("CACHE_BACKEND", "valkey"), ("REDIS_URL", &url)],
            &[
                ("CACHE_BACKEND", "auto"),
                ("VALKEY_URL", &url),
                ("REDIS_URL", "redis://nowhere"),
            ],
        ],
        Kind::Redis => [
            &[("REDIS_URL", &url)],
            &[
                ("CACHE_REDIS_HOST", "127.0.0.1"),
                ("CACHE_REDIS_PORT", &port),
            ],
            &[
                ("CACHE_BACKEND", "redis"),
                ("REDIS_URL", &url),
                ("VALKEY_URL", "valkey://nowhere"),
            ],
            &[
                ("CACHE_BACKEND", "auto"),
                ("REDIS_HOST", "127.0.0.1"),
                ("REDIS_PORT", &port),
            ],
        ],
    };
    for environment in environments {
        assert!(
            global::init_with(vars(environment)).await.unwrap(),
            "{environment:?}"
        );
        set("key", "value").await.unwrap();
        assert_eq!(get::<String>("key").await.as_deref(), Some("value"));
        let health = global::health().await.unwrap();
        assert_eq!(health.remote.server.unwrap().kind, kind.scheme());
        global::close().await;
    }
    assert_eq!(
        server.command(&["EXISTS", "cache:persistent:key"]).unwrap(),
        Reply::Int(1)
    );
}

/// A4 and B1.
async fn all_calls_work() {
    assert_eq!(get::<u32>("limit").await, None);
    assert!(!exists("limit").await);
    assert!(!remove("limit").await.unwrap());
    set("limit", &10_u32).await.unwrap();
    assert_eq!(get::<u32>("limit").await, Some(10));
    assert!(exists("limit").await);
    // Of any type, under any key.
    set(&("page", 2), &vec!["a", "b"]).await.unwrap();
    assert_eq!(get::<Vec<String>>(&("page", 2)).await.unwrap(), ["a", "b"]);
    set(&42, &None::<u32>).await.unwrap();
    assert_eq!(
        get::<Option<u32>>(&42).await,
        Some(None),
        "a cached None is a hit"
    );
    set("42", "text").await.unwrap();
    assert_eq!(
        get::<Option<u32>>(&42).await,
        Some(None),
        "42 is not \"42\""
    );
    assert_eq!(get::<bool>("limit").await, None, "another type is a miss");
    // Each tenant has its own.
    assert_eq!(get::<u32>("limit").tenant("acme").await, None);
    set("limit", &11_u32).tenant("acme").await.unwrap();
    assert_eq!(get::<u32>("limit").tenant("acme").await, Some(11));
    assert!(exists("limit").tenant("acme").await);
    assert_eq!(get::<u32>("limit").await, Some(10));
    assert!(remove("limit").tenant("acme").await.unwrap());
    assert!(!exists("limit").tenant("acme").await);
    assert!(exists("limit").await);
    // With a TTL of its own.
    set("short", &true).ttl(millis(60)).await.unwrap();
    set("short", &true)
        .ttl(millis(60))
        .tenant("acme")
        .await
        .unwrap();
    set("never", &true).ttl(Duration::ZERO).await.unwrap();
    assert!(!exists("never").await);
    eventually("both have expired", async || {
        !exists("short").await && !exists("short").tenant("acme").await
    })
    .await;
    assert!(remove("limit").await.unwrap());
    assert!(!remove("limit").await.unwrap());
}

async fn the_same_calls_work_on_a_server(kind: Kind) {
    let _turn = turn().await;
    let server = start(kind);
    assert!(
        global::init_with(config(&server).build().unwrap())
            .await
            .unwrap()
    );
    all_calls_work().await;
}

#[tokio::test]
async fn the_same_calls_work_in_memory() {
    let _turn = turn().await;
    assert!(global::init_with(in_memory()).await.unwrap());
    all_calls_work().await;
}

/// A1 with the process's own environment, which the tests leave as it is.
#[tokio::test]
async fn without_any_variable_it_works_in_memory() {
    let _turn = turn().await;
    assert_eq!(vars(&[]), in_memory());
    let named = |name: &str| {
        ["CACHE_", "VALKEY_", "REDIS_"]
            .iter()
            .any(|p| name.starts_with(p))
    };
    if !std::env::vars().any(|(name, _)| named(&name)) {
        assert!(global::init().await.unwrap());
        assert_eq!(global::handle().unwrap().config(), &in_memory());
        all_calls_work().await;
    }
}

/// D1.
async fn the_persistent_cache_is_shared_and_the_memory_cache_is_not(kind: Kind) {
    let _turn = turn().await;
    let server = start(kind);
    global::init_with(config(&server).build().unwrap())
        .await
        .unwrap();
    let larder = global::handle().unwrap();
    larder.memory().unwrap().set("here", &1).await.unwrap();
    larder.persistent().unwrap().set("there", &2).await.unwrap();
    let other = common::larder(&server).await;
    assert_eq!(
        other.persistent().unwrap().get::<u8, _>("there").await,
        Some(2)
    );
    assert_eq!(other.memory().unwrap().get::<u8, _>("here").await, None);
    assert_eq!(larder.memory().unwrap().get::<u8, _>("here").await, Some(1));
    assert_eq!(
        get::<u8>("there").await,
        Some(2),
        "the free functions use `persistent`"
    );
    assert_eq!(get::<u8>("here").await, None);
    assert_eq!(common::keys(&server), 1);
}

fn pttl(server: &Server, key: &str) -> Duration {
    let left = server.command(&["PTTL", key]).unwrap().as_int().unwrap();
    millis(u64::try_from(left).unwrap())
}

/// D3.
async fn the_default_ttl_holds_on_every_path(kind: Kind) {
    let _turn = turn().await;
    let server = start(kind);
    let configured = config(&server).remote_ttl(secs(1_234)).memory_ttl(secs(56));
    global::init_with(configured.build().unwrap())
        .await
        .unwrap();
    let larder = global::handle().unwrap();
    let about = |left: Duration, ttl: u64| left <= secs(ttl) && left > secs(ttl - 20);

    set("set", &1).await.unwrap();
    assert!(about(pttl(&server, "cache:persistent:set"), 1_234));
    let persistent = larder.persistent().unwrap();
    let runs = Runs::default();
    let loaded: u8 = persistent
        .get_or_load("loaded", runs.load(1_u8))
        .await
        .unwrap();
    assert_eq!(loaded, 1);
    assert!(about(pttl(&server, "cache:persistent:loaded"), 1_234));
    let typed: Cache<u32, u32> = larder.cache("typed").build().unwrap();
    typed.set(&1, 1).await.unwrap();
    typed.get_or_load(&2, runs.load(2)).await.unwrap();
    for key in ["cache:typed:1", "cache:typed:2"] {
        assert!(about(pttl(&server, key), 1_234), "{key}");
    }
    let memory = larder.memory().unwrap();
    memory.set("set", &1).await.unwrap();
    assert!(about(memory.ttl_left("set").await.unwrap(), 56));
    memory
        .get_or_load::<u8, _, _, _, _>("loaded", runs.load(1))
        .await
        .unwrap();
    assert!(about(memory.ttl_left("loaded").await.unwrap(), 56));
    let here: Cache<u32, u32> = larder.cache("here").memory_only().build().unwrap();
    here.set(&1, 1).await.unwrap();
    assert!(about(here.ttl_left(&1).await.unwrap(), 56));
}

#[tokio::test]
async fn the_default_ttls_are_those_of_the_contract() {
    let clock = Clock::manual();
    let larder = Larder::builder().clock(clock).build().await.unwrap();
    let memory = larder.memory().unwrap();
    memory.set("key", &1).await.unwrap();
    assert_eq!(memory.ttl_left("key").await, Some(secs(300)));
    let persistent = larder.persistent().unwrap();
    persistent.set("key", &1).await.unwrap();
    assert_eq!(persistent.ttl_left("key").await, Some(secs(3_600)));
}

/// A3 and C3.
#[tokio::test]
async fn a_larder_built_in_code_can_be_installed_and_taken() {
    let _turn = turn().await;
    assert!(global::handle().is_none());
    assert!(global::health().await.is_none());
    let larder = Larder::with(in_memory()).await.unwrap();
    global::install(larder.clone()).unwrap();
    global::install(larder.clone()).unwrap();
    let users: Cache<u32, String> = larder.cache("users").build().unwrap();
    users.set(&1, "Ann".to_owned()).await.unwrap();
    let again: Cache<u32, String> = global::handle().unwrap().cache("users").build().unwrap();
    assert_eq!(*again.get(&1).await.unwrap(), "Ann", "it is the same cache");
    assert!(
        global::init_with(in_memory()).await.unwrap(),
        "the same settings only answer"
    );
    assert!(users.exists(&1).await);
}

/// Contract fault 10, first half.
async fn a_second_initialisation_elsewhere_is_an_error(kind: Kind) {
    let _turn = turn().await;
    let server = start(kind);
    let settings = || {
        config(&server)
            .password("s3cret-for-nobody")
            .username("default")
    };
    assert!(
        global::init_with(config(&server).build().unwrap())
            .await
            .unwrap()
    );
    set("key", &1).await.unwrap();
    let others = [
        in_memory(),
        config(&server).prefix("other").build().unwrap(),
        config(&server).remote_ttl(secs(1)).build().unwrap(),
        settings().build().unwrap(),
    ];
    for other in others {
        let error = global::init_with(other).await.unwrap_err();
        assert!(
            matches!(error, Error::InstalledOtherwise { .. }),
            "{error:?}"
        );
        let error = error.to_string();
        assert!(
            error.contains(&server.port().to_string()),
            "it says what is installed: {error}"
        );
        assert!(!error.contains("s3cret-for-nobody"), "{error}");
    }
    let another = Larder::with(in_memory()).await.unwrap();
    assert!(matches!(
        global::install(another),
        Err(Error::InstalledOtherwise { .. })
    ));
    assert_eq!(get::<u8>("key").await, Some(1), "the first one goes on");
}

/// Contract fault 10, second half.
#[tokio::test]
async fn after_close_calls_miss_and_it_can_be_initialised_anew() {
    let _turn = turn().await;
    assert!(global::init_with(in_memory()).await.unwrap());
    let old = global::handle().unwrap();
    set("key", &1).await.unwrap();
    global::close().await;
    global::close().await;
    assert!(old.is_closed());
    assert!(global::handle().is_none());
    assert_eq!(get::<u8>("key").await, None);
    assert!(!exists("key").await);
    assert!(matches!(set("key", &1).await, Err(Error::NotInstalled)));
    assert!(matches!(remove("key").await, Err(Error::NotInstalled)));
    let other = Config::builder().prefix("other").build().unwrap();
    assert!(
        global::init_with(other).await.unwrap(),
        "with other settings, too"
    );
    assert_eq!(
        get::<u8>("key").await,
        None,
        "nothing is left of the old one"
    );
    set("key", &2).await.unwrap();
    assert_eq!(get::<u8>("key").await, Some(2));
    // A larder that was closed by itself makes way as well.
    global::handle().unwrap().close().await;
    assert!(global::handle().is_none());
    assert!(matches!(set("key", &1).await, Err(Error::NotInstalled)));
    assert!(global::init_with(in_memory()).await.unwrap());
    all_calls_work().await;
}

/// D2.
#[tokio::test]
async fn switched_off_every_operation_is_a_no_op() {
    let _turn = turn().await;
    let off: [&[(&str, &str)]; 3] = [
        &[
            ("CACHE_ENABLED", "false"),
            ("VALKEY_URL", "valkey://nowhere.invalid"),
        ],
        &[("CACHE_ENABLED", "Off"), ("CACHE_BACKEND", "nonsense")],
        &[("CACHE_BACKEND", "none")],
    ];
    for environment in off {
        assert!(
            !global::init_with(vars(environment)).await.unwrap(),
            "{environment:?}"
        );
        set("key", &1).await.unwrap();
        assert_eq!(get::<u8>("key").await, None);
        assert!(!exists("key").await);
        assert!(!remove("key").await.unwrap());
        let larder = global::handle().unwrap();
        let health = larder.health().await;
        assert!(!health.enabled && !health.is_usable() && !health.is_degraded());
        assert_eq!(health.remote.state, RemoteState::Absent);
        let (runs, typed) = (
            Runs::default(),
            larder.cache::<u32, u32>("typed").build().unwrap(),
        );
        for turn in 1..=3 {
            assert_eq!(*typed.get_or_load(&1, runs.load(7)).await.unwrap(), 7);
            let any: u8 = larder
                .memory()
                .unwrap()
                .get_or_load("key", runs.load(7))
                .await
                .unwrap();
            assert_eq!((any, runs.get()), (7, 2 * turn));
        }
        typed.set(&1, 7).await.unwrap();
        assert!(!typed.remove(&1).await.unwrap());
        assert!(typed.lookup(&1).await.is_none());
        assert_eq!(typed.near_usage().entries, 0);
        global::close().await;
    }
}

/// A2.
async fn an_unreachable_server_is_not_usable_and_heals(kind: Kind) {
    let _turn = turn().await;
    let server = start(kind);
    server.kill();
    let settings = || config(&server).timeout(millis(400)).build().unwrap();
    assert!(
        !global::init_with(settings()).await.unwrap(),
        "the application runs on"
    );
    assert_eq!(get::<u8>("key").await, None);
    assert!(matches!(set("key", &1).await, Err(Error::Pending { .. })));
    assert!(global::health().await.unwrap().is_degraded());
    server.restart().unwrap();
    eventually("it heals", async || {
        global::init_with(settings()).await.unwrap()
    })
    .await;
    set("key", &1).await.unwrap();
    assert_eq!(get::<u8>("key").await, Some(1));
}

#[tokio::test]
async fn many_initialise_at_once_and_one_larder_is_made() {
    let _turn = turn().await;
    let silent = Silent::start().unwrap();
    let url = format!("valkey://127.0.0.1:{}", silent.port());
    let settings = Config::builder()
        .url(url)
        .timeout(millis(300))
        .build()
        .unwrap();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..20 {
        all.spawn(global::init_with(settings.clone()));
    }
    for usable in all.join_all().await {
        assert!(!usable.unwrap());
    }
    global::close().await;
}
