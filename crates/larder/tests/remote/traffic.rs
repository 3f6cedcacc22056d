//! What goes over the wire, and over which connection.

use larder::remote::RemoteState;
use larder::{Larder, NearCapacity, NearTrust};
use larder_servers::{Kind, Server};
use tokio::task::JoinSet;

use super::common::{
    Runs, always, config, eventually, keys, larder, larder_with, millis, names, on_each_server,
    secs, start, traffic,
};
use super::{Texts, bare, get};

on_each_server!(
    each_operation_is_one_round_trip_and_a_load_is_three,
    nothing_foreign_is_touched,
    large_values_are_kept_off_the_common_connection,
    large_values_come_back_whole,
    several_connections_are_all_used,
    a_connection_that_is_down_is_passed_over,
    dropping_or_closing_the_larder_ends_its_connections,
    raw_commands_go_over_the_larders_connection,
    a_unix_socket_is_a_server_too,
    health_tells_what_answers,
    many_callers_at_once_all_get_their_own_value,
);

async fn each_operation_is_one_round_trip_and_a_load_is_three(kind: Kind) {
    let server = start(kind);
    let larder = larder(&server).await;
    let (bare, near): (Texts, Texts) = (bare(&larder), larder.cache("near").build().unwrap());
    let monitor = server.monitor().unwrap();
    let sent = || {
        let names = names(&monitor);
        monitor.clear().unwrap();
        names
    };
    // In one piece, with one answer awaited.
    let write = ["MULTI", "SET", "DEL", "EXEC"];
    bare.set(&1, "Ann".to_owned()).await.unwrap();
    assert_eq!(sent(), write);
    assert!(bare.get(&1).await.is_some());
    assert_eq!(sent(), ["GET"]);
    assert!(bare.exists(&1).await);
    assert_eq!(sent(), ["GET"]);
    assert!(bare.get(&2).await.is_none());
    assert_eq!(sent(), ["GET"]);
    bare.get_or_load(&1, always(String::new())).await.unwrap();
    assert_eq!(sent(), ["GET"]);
    // The lookup, the lease and the fill. A server that has not run a script since its start is
    // sent it once.
    let load = || bare.get_or_load(&2, always("Bob".to_owned()));
    load().await.unwrap();
    assert_eq!(sent(), ["GET", "EVALSHA", "EVAL", "EVALSHA", "EVAL"]);
    assert!(bare.remove(&2).await.unwrap());
    assert_eq!(sent(), ["EVALSHA", "EVAL"]);
    load().await.unwrap();
    assert_eq!(sent(), ["GET", "EVALSHA", "EVALSHA"]);
    assert!(bare.remove(&2).await.unwrap());
    assert_eq!(sent(), ["EVALSHA"]);
    assert!(!bare.remove(&2).await.unwrap());
    assert_eq!(sent(), ["EVALSHA"]);
    // After its own write and the push of it a process asks once, or twice where the push comes
    // between. A near hit sends nothing.
    near.set(&1, "Ann".to_owned()).await.unwrap();
    eventually("the push has come", async || {
        assert!(near.get(&1).await.is_some());
        near.stats().remote_hits > 0
    })
    .await;
    let before = near.stats();
    for _ in 0..50 {
        assert!(near.get(&1).await.is_some());
    }
    let during = near.stats().since(&before);
    let sent = sent();
    assert_eq!(sent[..4], write);
    let asked = before.remote_hits + during.remote_hits;
    assert_eq!(sent[4..].len() as u64, asked, "{sent:?}");
    assert!((1..=2).contains(&asked), "{sent:?}");
    assert!(during.near_hits >= 49);
}

/// Contract fault 3, and G10.
async fn nothing_foreign_is_touched(kind: Kind) {
    let server = start(kind);
    let foreign = [
        "users:1",
        "cache",
        "cache:",
        "cache:other:1",
        "cache:texts",
        "cache:texts:2:x",
        "texts:1",
        "cacheX:texts:1",
        "*",
        "session:{1}",
    ];
    for key in foreign {
        server.command(&["SET", key, "foreign"]).unwrap();
    }
    let monitor = server.monitor().unwrap();
    let larder = larder(&server).await;
    let cache = bare(&larder);
    for key in 0..20 {
        cache
            .set(&key, "x".repeat(key as usize * 10_000))
            .await
            .unwrap();
        cache
            .get_or_load(&(key + 100), always("loaded".to_owned()))
            .await
            .unwrap();
        assert!(cache.exists(&key).await);
        cache
            .entry(&key)
            .tenant("acme")
            .set("acme's".to_owned())
            .await
            .unwrap();
        assert!(cache.remove(&key).await.unwrap());
    }
    larder.health().await;
    larder.close().await;
    drop((cache, larder));
    let keyless = [
        "MULTI", "EXEC", "TIME", "PING", "HELLO", "INFO", "CLIENT", "SELECT",
    ];
    let ours = ["cache:texts:", "cache:tenant:acme:texts:", "cache:stamp:"];
    for command in monitor.commands().unwrap() {
        let keys = match command.name().as_str() {
            "GET" | "GETRANGE" | "SET" | "UNLINK" | "DEL" | "STRLEN" | "PTTL" | "PEXPIRE" => {
                &command.args[1..2]
            }
            "MGET" => &command.args[1..],
            "EVAL" | "EVALSHA" => &command.args[3..5],
            name => {
                assert!(keyless.contains(&name), "{command:?}");
                &[]
            }
        };
        for key in keys {
            let key = String::from_utf8(key.clone()).unwrap();
            let of_value = key.strip_prefix("cache:lease:{").unwrap_or(&key);
            assert!(ours.iter().any(|ours| of_value.starts_with(ours)), "{key}");
        }
    }
    for key in foreign {
        let value = server.command(&["GET", key]).unwrap();
        assert_eq!(value.as_str(), Some("foreign"), "{key}");
    }
}

async fn large_values_are_kept_off_the_common_connection(kind: Kind) {
    let server = start(kind);
    let cache = bare(&larder(&server).await);
    let monitor = server.monitor().unwrap();
    cache.set(&1, "small".to_owned()).await.unwrap();
    cache.set(&2, "x".repeat(1 << 20)).await.unwrap();
    assert_eq!(get(&cache, 1).await.as_deref(), Some("small"));
    assert_eq!(get(&cache, 2).await.map(|value| value.len()), Some(1 << 20));
    let commands = traffic(&monitor);
    let common = &commands[0].client;
    for command in commands.iter().filter(|command| command.args.len() > 1) {
        let large = String::from_utf8_lossy(&command.args[1]).contains("cache:texts:2");
        let whole = ["GET", "SET", "DEL"].contains(&command.name().as_str());
        assert_eq!(command.client != *common, large && whole, "{command:?}");
    }
}

async fn large_values_come_back_whole(kind: Kind) {
    let server = start(kind);
    let (one, other) = (bare(&larder(&server).await), bare(&larder(&server).await));
    // Around the length from which on a value is large, its envelope included.
    for len in (65_350..65_550).step_by(7).chain([1 << 20, 5 << 20]) {
        let value: String = ('a'..='z').cycle().take(len).collect();
        one.set(&1, value.clone()).await.unwrap();
        for cache in [&one, &other] {
            assert!(
                cache.get(&1).await.is_some_and(|found| *found == value),
                "{len}"
            );
        }
    }
    let misses = one.stats().misses() + other.stats().misses();
    assert_eq!(misses, 0);
}

/// The connections of larders that the server knows.
fn connections(server: &Server) -> usize {
    let list = server.command(&["CLIENT", "LIST"]).unwrap();
    let list = list.as_str().unwrap();
    // Redis 7.0 does not tell the library's name; the test's own connection runs this command.
    list.lines()
        .filter(|line| !line.contains("cmd=client|list"))
        .count()
}

async fn several_connections_are_all_used(kind: Kind) {
    let server = start(kind);
    let larder = larder_with(config(&server).connections(3)).await;
    // And one that listens.
    eventually("all are made", async || connections(&server) == 4).await;
    let monitor = server.monitor().unwrap();
    let cache = bare(&larder);
    for key in 0..9 {
        cache.set(&key, "Ann".to_owned()).await.unwrap();
    }
    let mut clients: Vec<_> = traffic(&monitor).into_iter().map(|c| c.client).collect();
    clients.sort();
    clients.dedup();
    assert_eq!(clients.len(), 3);
}

async fn a_connection_that_is_down_is_passed_over(kind: Kind) {
    let server = start(kind);
    let larder = larder_with(config(&server).connections(3)).await;
    eventually("all are made", async || connections(&server) == 4).await;
    let list = server.command(&["CLIENT", "LIST"]).unwrap();
    // The one that listens was made last.
    let first = list.as_str().unwrap().lines().next().unwrap();
    let id = first.split_whitespace().next().unwrap().replace("id=", "");
    // No room for a fourth: it cannot come back.
    server
        .command(&["CONFIG", "SET", "maxclients", "3"])
        .unwrap();
    let mut client = larder.remote_client().unwrap();
    // The connection that is killed may be the one that asks, and then it gets no answer.
    let _ = redis::cmd("CLIENT")
        .arg(&["KILL", "ID", &id, "SKIPME", "no"])
        .exec_async(&mut client)
        .await;
    let cache = bare(&larder);
    eventually("the loss is noticed", async || {
        let mut all = true;
        for key in 0..30 {
            all &= cache.set(&key, "Ann".to_owned()).await.is_ok();
        }
        all
    })
    .await;
    for key in 0..30 {
        assert!(cache.get(&key).await.is_some());
    }
}

async fn dropping_or_closing_the_larder_ends_its_connections(kind: Kind) {
    let server = start(kind);
    for close in [true, false] {
        let larder = larder(&server).await;
        let cache = bare(&larder);
        cache.set(&1, "x".repeat(1 << 20)).await.unwrap();
        // The common one, the one for large values, and the one that listens.
        eventually("they are made", async || connections(&server) == 3).await;
        if close {
            larder.close().await;
            eventually("they end", async || connections(&server) == 0).await;
        }
        drop(larder);
        if !close {
            assert!(
                cache.get(&1).await.is_some(),
                "a cache keeps its larder going"
            );
        }
        drop(cache);
        eventually("they end", async || connections(&server) == 0).await;
    }
}

async fn raw_commands_go_over_the_larders_connection(kind: Kind) {
    let server = start(kind);
    let larder = larder(&server).await;
    let mut client = larder.remote_client().unwrap();
    redis::cmd("SET")
        .arg("mine")
        .arg("1")
        .exec_async(&mut client)
        .await
        .unwrap();
    let value: i64 = redis::cmd("INCR")
        .arg("mine")
        .query_async(&mut client)
        .await
        .unwrap();
    assert_eq!(value, 2);
    let refused = redis::cmd("LPUSH")
        .arg("mine")
        .arg("x")
        .exec_async(&mut client)
        .await;
    assert!(refused.unwrap_err().to_string().contains("WRONGTYPE"));
    let (a, b): (i64, i64) = redis::pipe()
        .incr("mine", 1)
        .incr("mine", 1)
        .query_async(&mut client)
        .await
        .unwrap();
    assert_eq!((a, b), (3, 4));
    assert_eq!(connections(&server), 2, "and the one that listens");
    server.restart().unwrap();
    eventually("it follows the reconnection", async || {
        let mut client = client.clone();
        redis::cmd("PING").exec_async(&mut client).await.is_ok()
    })
    .await;
    larder.close().await;
    let error = redis::cmd("PING")
        .exec_async(&mut client)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
}

async fn a_unix_socket_is_a_server_too(kind: Kind) {
    // Relative to the server's own folder.
    let server = Server::builder(kind).args(["--unixsocket", "larder.sock"]);
    let server = server.start().unwrap();
    let socket = server.folder().join("larder.sock");
    let url = format!("unix://{}", socket.display());
    let larder = larder_with(larder::Config::builder().url(url)).await;
    let cache = bare(&larder);
    cache.set(&1, "Ann".to_owned()).await.unwrap();
    assert_eq!(get(&cache, 1).await.as_deref(), Some("Ann"));
    let health = larder.health().await;
    assert_eq!(health.remote.address, socket.display().to_string());
    assert!(health.is_usable());
}

async fn health_tells_what_answers(kind: Kind) {
    let server = start(kind);
    let larder = larder(&server).await;
    let cache = bare(&larder);
    let near: Texts = larder
        .cache("near")
        .near(NearCapacity::Entries(7))
        .build()
        .unwrap();
    near.set(&1, "Ann".to_owned()).await.unwrap();
    eventually("it is in memory", async || {
        near.get(&1).await.is_some() && near.near_usage().entries == 1
    })
    .await;
    assert!(cache.get(&1).await.is_none());
    let health = larder.health().await;
    assert!(health.enabled && !health.closed && health.is_usable() && !health.is_degraded());
    assert_eq!(
        (&health.near, health.pending_writes),
        (&NearTrust::Trusted, 0)
    );
    assert_eq!(health.remote.state, RemoteState::Up);
    assert_eq!(
        health.remote.address,
        format!("127.0.0.1:{}", server.port())
    );
    assert!(health.remote.round_trip.is_some());
    let info = health.remote.server.unwrap();
    assert_eq!(
        (info.kind.as_str(), info.version.as_str()),
        (kind.scheme(), server.version())
    );
    assert_eq!(health.remote.last_error, None);
    let [near, texts] = &health.caches[..] else {
        panic!("{:?}", health.caches);
    };
    assert_eq!(
        (near.name.as_str(), near.near.entries, near.near.capacity),
        ("near", 1, 7)
    );
    assert_eq!(
        (texts.name.as_str(), texts.stats.misses_absent),
        ("texts", 1)
    );
}

async fn many_callers_at_once_all_get_their_own_value(kind: Kind) {
    let server = start(kind);
    // What is stored is looked at too, so the time has to do for all of it on a busy machine.
    let larder: Larder = larder_with(config(&server).timeout(secs(20))).await;
    let cache = bare(&larder);
    let runs = Runs::default();
    let mut callers = JoinSet::new();
    for key in 0..1_000_u32 {
        let (cache, load) = (cache.clone(), runs.load(format!("value {key}")));
        callers.spawn(async move {
            let loaded = cache.get_or_load(&key, load).await.unwrap();
            tokio::time::sleep(millis(u64::from(key % 5))).await;
            (
                *loaded == format!("value {key}"),
                get(&cache, key).await == Some(loaded.to_string()),
            )
        });
    }
    for fine in callers.join_all().await {
        assert_eq!(fine, (true, true));
    }
    assert_eq!(runs.get(), 1_000);
    assert_eq!(keys(&server), 1_000);
}
