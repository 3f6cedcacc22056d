//! Servers that answer, and refuse: who asks, what is asked, or how much.

use std::convert::Infallible;
use std::sync::Arc;

use larder::remote::RemoteError;
use larder::remote::valkey::ConnectError;
use larder::{Config, Error, Larder, NearTrust};
use larder_servers::{Kind, NotAServer, Reply, Server};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::common::{
    Runs, always, config, eventually, larder, larder_with, millis, on_each_server, soon, start,
};
use super::{bare, get};

on_each_server!(
    a_wrong_or_missing_password_is_an_error_that_says_so,
    a_password_that_the_server_does_not_want_is_an_error_that_says_so,
    the_right_password_is_taken,
    a_user_who_may_not_ask_for_info_can_work,
    a_user_who_may_not_ping_is_answered_all_the_same,
    a_command_that_nothing_works_without_is_named_with_the_way_to_grant_it,
    a_right_that_is_taken_away_meanwhile_shows_at_the_next_connection,
    a_heartbeat_that_is_refused_is_an_answer,
    the_documented_rights_are_enough_and_each_is_needed,
    a_user_who_may_not_write_gets_the_servers_answer,
    a_database_out_of_range_is_an_error_that_names_it,
    a_full_server_refuses_writes_and_reads_go_on,
    a_value_over_the_servers_limit_is_an_error_and_others_go_on,
);

async fn refused(config: larder::ConfigBuilder) -> String {
    let start = Larder::with(config.build().unwrap());
    soon("the start", start).await.unwrap_err().to_string()
}

async fn a_wrong_or_missing_password_is_an_error_that_says_so(kind: Kind) {
    let server = Server::builder(kind)
        .args(["--requirepass", "right"])
        .start()
        .unwrap();
    for config in [config(&server), config(&server).password("wr0ng")] {
        let error = Larder::with(config.build().unwrap()).await.unwrap_err();
        assert!(
            matches!(error, Error::Connect(ConnectError::Authentication { .. })),
            "{error:?}"
        );
        let error = error.to_string();
        assert!(error.contains("VALKEY_PASSWORD"), "{error}");
        assert!(error.contains(&server.port().to_string()), "{error}");
        assert!(!error.contains("wr0ng"), "{error}");
    }
}

async fn a_password_that_the_server_does_not_want_is_an_error_that_says_so(kind: Kind) {
    let server = start(kind);
    let error = refused(config(&server).username("ghost").password("boo")).await;
    assert!(error.contains("user or password"), "{error}");
}

async fn the_right_password_is_taken(kind: Kind) {
    let server = Server::builder(kind)
        .args(["--requirepass", "right"])
        .start()
        .unwrap();
    let larder = larder_with(config(&server).password("right")).await;
    assert!(larder.health().await.is_usable());
    server.restart().unwrap();
    eventually("it logs in again", async || {
        larder.health().await.is_usable()
    })
    .await;
}

fn with_user(kind: Kind, rules: &[&str]) -> Server {
    let server = start(kind);
    let mut command = vec!["ACL", "SETUSER", "app", "on", ">secret", "~cache:*"];
    command.extend(rules);
    assert_eq!(server.command(&command).unwrap().as_str(), Some("OK"));
    server
}

async fn a_user_who_may_not_ask_for_info_can_work(kind: Kind) {
    let server = with_user(kind, &["+@all", "-info"]);
    let config = || config(&server).username("app").password("secret");
    let (larder, other) = (larder_with(config()).await, larder_with(config()).await);
    let (cache, other) = (bare(&larder), bare(&other));
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    assert_eq!(get(&other, 1).await.as_deref(), Some("Ann"));
    let health = larder.health().await;
    assert!(health.is_usable());
    assert_eq!(health.remote.server.unwrap().kind, "unknown");
    let note = health.remote.notes.concat();
    assert!(note.contains("`ACL SETUSER app +info`"), "{note}");
    // Granted, the next connection knows.
    let granted = server.command(&["ACL", "SETUSER", "app", "+info"]).unwrap();
    assert_eq!(granted.as_str(), Some("OK"));
    let health = larder_with(config()).await.health().await;
    assert_eq!(health.remote.notes, [""; 0]);
}

async fn a_user_who_may_not_ping_is_answered_all_the_same(kind: Kind) {
    let server = with_user(kind, &["+@all", "-ping"]);
    let larder = larder_with(config(&server).username("app").password("secret")).await;
    let health = larder.health().await;
    assert!(health.is_usable(), "{health}");
    assert!(health.remote.round_trip.is_some());
    bare(&larder).set(&1, "Ann".to_owned()).await.unwrap();
    // That is no answer for ever.
    server.pause().unwrap();
    assert!(larder.health().await.is_degraded());
    server.resume().unwrap();
}

async fn a_command_that_nothing_works_without_is_named_with_the_way_to_grant_it(kind: Kind) {
    let server = with_user(kind, &["+@all", "-time", "-select"]);
    let user = || config(&server).username("app").password("secret");
    for (config, command) in [(user(), "time"), (user().database(2), "select")] {
        let error = Larder::with(config.build().unwrap()).await.unwrap_err();
        assert!(
            matches!(error, Error::Connect(ConnectError::Forbidden { .. })),
            "{error}"
        );
        let error = error.to_string();
        let (name, grant) = (
            command.to_uppercase(),
            format!("`ACL SETUSER app +{command}`"),
        );
        assert!(error.contains(&name) && error.contains(&grant), "{error}");
        let granted = server.command(&["ACL", "SETUSER", "app", &format!("+{command}")]);
        assert_eq!(granted.unwrap().as_str(), Some("OK"));
    }
    let larder = larder_with(user().database(2)).await;
    assert!(larder.health().await.is_usable());
}

async fn a_right_that_is_taken_away_meanwhile_shows_at_the_next_connection(kind: Kind) {
    let server = with_user(kind, &["+@all"]);
    let larder = larder_with(config(&server).username("app").password("secret")).await;
    assert!(larder.health().await.is_usable());
    server.command(&["ACL", "SETUSER", "app", "-time"]).unwrap();
    let kill = ["CLIENT", "KILL", "USER", "app"];
    // The connection for requests, and the one that listens.
    assert_eq!(server.command(&kill).unwrap(), Reply::Int(2));
    eventually("the health says why", async || {
        larder
            .health()
            .await
            .to_string()
            .contains("may not run TIME")
    })
    .await;
    server.command(&["ACL", "SETUSER", "app", "+time"]).unwrap();
    eventually("granted, it comes back", async || {
        larder.health().await.is_usable()
    })
    .await;
}

async fn a_heartbeat_that_is_refused_is_an_answer(kind: Kind) {
    let server = with_user(kind, &["+@all"]);
    let config = config(&server).username("app").password("secret");
    let larder = larder_with(config.timeout(millis(300)).retry_on_timeout(false)).await;
    let cache = bare(&larder);
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    server.command(&["ACL", "SETUSER", "app", "-time"]).unwrap();
    server.pause().unwrap();
    let mut asked = JoinSet::new();
    for _ in 0..10 {
        let cache = cache.clone();
        asked.spawn(async move { get(&cache, 1).await });
    }
    assert!(asked.join_all().await.iter().all(Option::is_none));
    // The breaker is open; only a heartbeat can close it.
    server.resume().unwrap();
    eventually("the server is asked again", async || {
        get(&cache, 1).await.is_some()
    })
    .await;
}

/// Each right with what fails without it.
const RIGHTS: [(&str, &str); 20] = [
    ("+get", "set"),
    ("+mget", "set"),
    ("+getrange", "get a large value"),
    ("+set", "set"),
    ("+del", "set"),
    ("+unlink", "remove"),
    ("+strlen", "fill"),
    ("+pttl", "wait for another's load"),
    ("+pexpire", "fill after a long load"),
    ("+multi", "set"),
    ("+exec", "set"),
    ("+eval", "set"),
    ("+evalsha", "set"),
    ("+scan", "free what was cleared"),
    ("+time", "start"),
    ("+select", "start"),
    ("+info", "tell the server's run"),
    ("+ping", "hear of changes"),
    ("+client|tracking", "hear of changes"),
    ("~cache:*", "set"),
];

async fn the_documented_rights_are_enough_and_each_is_needed(kind: Kind) {
    let page = include_str!("../../src/config/mod.rs");
    let rights = page.split_once("ACL SETUSER app on >password ").unwrap().1;
    let mut documented: Vec<_> = rights
        .split("```")
        .next()
        .unwrap()
        .split_whitespace()
        .filter(|word| word.starts_with(['+', '~']))
        .collect();
    let mut tested: Vec<_> = RIGHTS.iter().map(|(right, _)| *right).collect();
    documented.sort_unstable();
    tested.sort_unstable();
    assert_eq!(documented, tested);

    let server = start(kind);
    assert_eq!(works(&server, &tested).await, Ok(()));
    for (without, failing) in RIGHTS {
        let rest: Vec<_> = tested.iter().copied().filter(|r| *r != without).collect();
        assert_eq!(works(&server, &rest).await, Err(failing), "{without}");
    }
}

/// Does all that larder can as a user with these rights alone, or says what fails.
async fn works(server: &Server, rights: &[&str]) -> Result<(), &'static str> {
    let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">secret"];
    command.extend(rights);
    assert_eq!(server.command(&command).unwrap().as_str(), Some("OK"));
    server.command(&["FLUSHALL"]).unwrap();
    server.command(&["SCRIPT", "FLUSH"]).unwrap();
    let open = async || {
        let config = config(server).username("app").password("secret");
        let larder = Larder::with(config.database(2).build().unwrap()).await;
        larder.map_err(|_| "start")
    };
    let good = |fine: bool, what| if fine { Ok(()) } else { Err(what) };
    let (larder, other) = (open().await?, open().await?);
    let health = larder.health().await;
    good(health.is_usable(), "answer")?;
    good(health.remote.notes.is_empty(), "tell the server's run")?;
    good(health.near == NearTrust::Trusted, "hear of changes")?;
    let cache = bare(&larder);
    good(cache.set(&1, "Ann".to_owned()).await.is_ok(), "set")?;
    good(get(&cache, 1).await.as_deref() == Some("Ann"), "get")?;
    // It is read in two steps, on a connection of its own.
    let large = "x".repeat(100_000);
    good(cache.set(&2, large.clone()).await.is_ok(), "set")?;
    for _ in 0..2 {
        let found = get(&cache, 2).await;
        good(found == Some(large.clone()), "get a large value")?;
    }
    for key in [1, 2] {
        good(matches!(cache.remove(&key).await, Ok(true)), "remove")?;
    }
    cache
        .get_or_load(&3, always("loaded".to_owned()))
        .await
        .unwrap();
    good(cache.stats().fills == 1, "fill")?;

    // Longer than a lease lives by itself; another larder waits for it.
    let begun = Arc::new(Notify::new());
    let load = tokio::spawn({
        let (cache, begun) = (cache.clone(), Arc::clone(&begun));
        async move {
            let slow = || async {
                begun.notify_one();
                tokio::time::sleep(millis(3_600)).await;
                Ok::<_, Infallible>("loaded".to_owned())
            };
            cache.get_or_load(&4, slow).await.unwrap();
        }
    });
    soon("the load", begun.notified()).await;
    let others = bare(&other);
    let asked = others.get_or_load(&4, always("another".to_owned()));
    let asked = tokio::time::timeout(millis(300), asked).await;
    good(asked.is_err(), "wait for another's load")?;
    soon("the load", load).await.unwrap();
    good(cache.stats().fills == 2, "fill after a long load")?;

    let swept = larder.clear().await.unwrap().finished().await;
    let is_freed = swept.is_ok_and(|swept| swept.freed == 2);
    good(is_freed, "free what was cleared")
}

async fn a_user_who_may_not_write_gets_the_servers_answer(kind: Kind) {
    let server = with_user(kind, &["+@all", "-set"]);
    let larder = larder_with(config(&server).username("app").password("secret")).await;
    let cache = bare(&larder);
    let error = cache.set(&1, "Ann".to_owned()).await.unwrap_err();
    let Error::Pending { source, .. } = &error else {
        panic!("{error}");
    };
    let RemoteError::Refused { code, .. } = &**source else {
        panic!("{error}");
    };
    // What a script was refused comes as the script's error.
    assert!(error.to_string().contains("set"), "{code}: {error}");
    let runs = Runs::default();
    let value = cache.get_or_load(&1, runs.load("loaded".to_owned())).await;
    assert_eq!((value.unwrap().as_str(), runs.get()), ("loaded", 1));
    // Not even a lease can be taken, and without one nothing is filled.
    let stats = cache.stats();
    assert_eq!((stats.fills, stats.fills_refused), (0, 1));
}

async fn a_database_out_of_range_is_an_error_that_names_it(kind: Kind) {
    let server = start(kind);
    let config = config(&server).database(99);
    let error = Larder::with(config.build().unwrap()).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Connect(ConnectError::Database { database: 99, .. })
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("no database 99"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_server_is_named() {
    for fake in [NotAServer::http().unwrap(), NotAServer::garbage().unwrap()] {
        let url = format!("redis://127.0.0.1:{}", fake.port());
        let error = refused(Config::builder().url(url).timeout(millis(500))).await;
        assert!(
            error.contains("does not answer as Valkey or Redis"),
            "{error}"
        );
        assert!(error.contains(&fake.port().to_string()), "{error}");
        let accepted = fake.accepted();
        tokio::time::sleep(millis(200)).await;
        assert_eq!(
            fake.accepted(),
            accepted,
            "a wrong setting is not tried again"
        );
    }
}

async fn a_full_server_refuses_writes_and_reads_go_on(kind: Kind) {
    let server = start(kind);
    let larder = larder(&server).await;
    let cache = bare(&larder);
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    server
        .command(&["CONFIG", "SET", "maxmemory", "1"])
        .unwrap();
    let error = cache.set(&2, "Bob".to_owned()).await.unwrap_err();
    let Error::Pending { source, .. } = &error else {
        panic!("{error}");
    };
    let RemoteError::Refused { code, .. } = &**source else {
        panic!("{error}");
    };
    assert_eq!(code, "OOM");
    assert!(
        error.to_string().contains("cannot set cache:texts:2"),
        "{error}"
    );
    assert_eq!(get(&cache, 1).await.as_deref(), Some("Ann"));
    let runs = Runs::default();
    for turn in 1..=2 {
        let value = cache.get_or_load(&3, runs.load("loaded".to_owned())).await;
        assert_eq!((value.unwrap().as_str(), runs.get()), ("loaded", turn));
    }
    // No room for a lease either.
    let stats = cache.stats();
    assert_eq!((stats.fills, stats.fills_refused), (0, 2));
    eventually("what could not be replaced is removed", async || {
        larder.health().await.pending_writes == 0
    })
    .await;
    assert!(cache.remove(&1).await.unwrap(), "a removal makes room");
    assert!(larder.health().await.is_usable());
    server
        .command(&["CONFIG", "SET", "maxmemory", "0"])
        .unwrap();
    cache.set(&2, "Bob".to_owned()).await.unwrap();
}

async fn a_value_over_the_servers_limit_is_an_error_and_others_go_on(kind: Kind) {
    let server = Server::builder(kind).args(["--proto-max-bulk-len", "1048576"]);
    let server = server.start().unwrap();
    let cache = bare(&larder(&server).await);
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    let reader = {
        let cache = cache.clone();
        tokio::spawn(async move {
            for _ in 0..300 {
                assert_eq!(get(&cache, 1).await.as_deref(), Some("Ann"));
                tokio::time::sleep(millis(1)).await;
            }
        })
    };
    for _ in 0..3 {
        let too_large = cache.set(&2, "x".repeat(3 << 20)).await;
        assert!(
            matches!(too_large, Err(Error::Pending { .. })),
            "{too_large:?}"
        );
        tokio::time::sleep(millis(50)).await;
    }
    reader.await.unwrap();
    assert_eq!(cache.stats().misses(), 0);
    // The connection for large values comes back too.
    eventually("large values go on", async || {
        cache.set(&3, "x".repeat(500_000)).await.is_ok()
    })
    .await;
    assert_eq!(get(&cache, 3).await.map(|value| value.len()), Some(500_000));
}
