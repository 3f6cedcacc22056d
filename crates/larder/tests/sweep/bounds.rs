//! What a sweep sends, and what it never touches (G10).

use larder::Larder;
use larder::config::Config;
use larder_servers::{Kind, Recorded, Reply, Server};

use crate::common::{larder, larder_with, on_each_server, secs, start};
use crate::{cache, fill, keys_of};

on_each_server!(
    what_is_not_larders_survives,
    another_prefix_is_not_reached,
    every_command_is_small,
    a_user_without_the_right_to_scan_is_told,
);

/// Puts something of each kind where a sweep comes by; what was put where.
fn strangers(server: &Server, prefix: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut put = |command: &[&str]| {
        let answer = server.command(command).unwrap();
        assert!(
            !matches!(answer, Reply::Error(_)),
            "{command:?}: {answer:?}"
        );
        all.push(command[1].to_owned());
    };
    let of = |key: &str| format!("{prefix}{key}");
    put(&["SET", &of("users:text"), "somebody's"]);
    put(&["SET", &of("users:short"), "LRD"]);
    put(&["SET", &of("users:newer"), "LRD\u{7f}and something"]);
    put(&["HSET", &of("users:hash"), "a", "b"]);
    put(&["RPUSH", &of("users:list"), "a"]);
    put(&["SADD", &of("tenant:acme:users:set"), "a"]);
    put(&["SET", &of("tenant:acme:"), "a"]);
    put(&["SET", prefix, "the prefix itself"]);
    put(&["SET", prefix.trim_end_matches(':'), "without its colon"]);
    put(&["SET", &of("lease:{x}"), "a"]);
    put(&["SET", &of("stamp:"), "a"]);
    put(&["HSET", &of("lease:{cache:users:h}"), "a", "b"]);
    put(&["SET", "elsewhere", "a"]);
    all
}

async fn what_is_not_larders_survives(kind: Kind) {
    let server = start(kind);
    let here = larder(&server).await;
    let users = cache(&here, "users");
    for view in [&users, &users.tenant("acme")] {
        fill(view, 0..50).await;
    }
    let strangers = strangers(&server, "cache:");
    let mut freed = 0;
    for larder in [here.tenant("acme"), here.clone()] {
        freed += larder
            .clear()
            .await
            .unwrap()
            .finished()
            .await
            .unwrap()
            .freed;
    }
    assert_eq!(freed, 100);
    let keys = keys_of(&server);
    for stranger in &strangers {
        assert!(keys.contains(stranger), "{stranger} is gone");
    }
}

async fn on_prefix(server: &Server, prefix: &str) -> Larder {
    let config = Config::builder().url(server.url()).prefix(prefix);
    larder_with(config.timeout(secs(2))).await
}

async fn another_prefix_is_not_reached(kind: Kind) {
    let server = start(kind);
    let (here, beside) = (
        on_prefix(&server, "a.b:").await,
        on_prefix(&server, "aXb:").await,
    );
    for larder in [&here, &beside] {
        fill(&cache(larder, "users"), 0..20).await;
    }
    // Envelopes of larder, where only a glob would look for them.
    let value = server.command(&["GET", "a.b:users:1"]).unwrap();
    let Reply::Text(value) = value else {
        panic!("{value:?}");
    };
    for key in ["a.b", "a.c:users:1", "xa.b:users:1", "A.B:users:1"] {
        server.command(&[b"SET", key.as_bytes(), &value]).unwrap();
    }
    let before = keys_of(&server).len();
    let swept = here.clear().await.unwrap().finished().await.unwrap();
    assert_eq!(swept.freed, 20);
    assert_eq!(keys_of(&server).len(), before - 20);
}

async fn every_command_is_small(kind: Kind) {
    let server = start(kind);
    let here = larder(&server).await;
    let users = cache(&here, "users").tenant("acme");
    fill(&users, 0..1_000).await;
    let monitor = server.monitor().unwrap();
    let swept = users.clear().await.unwrap().finished().await.unwrap();
    assert_eq!(swept.freed, 1_000);
    let commands = monitor.commands().unwrap();
    let named = |name: &'static str| {
        commands
            .iter()
            .filter(move |command| command.name() == name)
    };
    for never in ["KEYS", "FLUSHDB", "FLUSHALL", "SMEMBERS", "DEL"] {
        assert_eq!(named(never).count(), 0, "{never}");
    }
    assert!(named("SCAN").count() >= 4);
    for scan in named("SCAN") {
        let args: Vec<_> = scan
            .args
            .iter()
            .map(|arg| String::from_utf8_lossy(arg))
            .collect();
        assert_eq!(args[2..4], ["MATCH", "cache:tenant:acme:users:*"]);
        assert_eq!((&*args[4], &*args[5]), ("COUNT", "256"));
    }
    for read in named("GETRANGE").filter(|command| !command.from_script()) {
        assert!(read.args[1].starts_with(b"cache:tenant:acme:users:"));
    }
    let scripts = commands
        .iter()
        .filter(|command| command.name().starts_with("EVAL"));
    let keys = |command: &Recorded| {
        let count = String::from_utf8_lossy(&command.args[2]).into_owned();
        count.parse::<usize>().unwrap()
    };
    assert!(scripts.map(keys).all(|keys| keys <= 128));
}

async fn a_user_without_the_right_to_scan_is_told(kind: Kind) {
    let server = start(kind);
    let rights = [
        "ACL", "SETUSER", "app", "on", ">pw", "~cache:*", "+@all", "-scan",
    ];
    server.command(&rights).unwrap();
    let config = Config::builder()
        .url(server.url())
        .username("app")
        .password("pw");
    let here = larder_with(config.timeout(secs(2))).await;
    let users = cache(&here, "users");
    fill(&users, 0..3).await;
    let sweep = here.clear().await.unwrap();
    let error = sweep.finished().await.unwrap_err().to_string();
    assert!(
        error.contains("cannot sweep everything") && error.contains("scan"),
        "{error}"
    );
    assert!(users.get(&1).await.is_none(), "it is cleared all the same");
}
