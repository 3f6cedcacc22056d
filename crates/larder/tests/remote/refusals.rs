//! Servers that answer, and refuse: who asks, what is asked, or how much.

use larder::remote::RemoteError;
use larder::remote::valkey::ConnectError;
use larder::{Config, Error, Larder};
use larder_servers::{Kind, NotAServer, Server};

use super::common::{
    Runs, config, eventually, larder, larder_with, millis, on_each_server, soon, start,
};
use super::{bare, get};

on_each_server!(
    a_wrong_or_missing_password_is_an_error_that_says_so,
    a_password_that_the_server_does_not_want_is_an_error_that_says_so,
    the_right_password_is_taken,
    a_user_who_may_not_ask_for_info_can_work,
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
}

async fn a_user_who_may_not_write_gets_the_servers_answer(kind: Kind) {
    let server = with_user(kind, &["+@all", "-set"]);
    let larder = larder_with(config(&server).username("app").password("secret")).await;
    let cache = bare(&larder);
    let error = cache.set(&1, "Ann".to_owned()).await.unwrap_err();
    let Error::Remote {
        source: RemoteError::Refused { code, .. },
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(code, "NOPERM");
    let runs = Runs::default();
    let value = cache.get_or_load(&1, runs.load("loaded".to_owned())).await;
    assert_eq!((value.unwrap().as_str(), runs.get()), ("loaded", 1));
    assert_eq!(cache.stats().fills_failed, 1);
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
    let Error::Remote {
        source: RemoteError::Refused { code, .. },
        ..
    } = &error
    else {
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
    assert_eq!(cache.stats().fills_failed, 2);
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
            matches!(too_large, Err(Error::Remote { .. })),
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
