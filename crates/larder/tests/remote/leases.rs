//! Leases on real servers: scripts that the server forgets, bytes that others put there, and a
//! server without room. What every remote promises about leases is in the conformance kit.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use larder::Clock;
use larder::key::{CacheName, Prefix, StoredKey};
use larder::remote::valkey::Valkey;
use larder::remote::{Acquired, Claim, Deadline, Lease, Remote, RemoteError};
use larder_servers::{Kind, Reply, Server};

use super::common::{config, eventually, millis, on_each_server, secs, start, traffic};

on_each_server!(
    a_server_that_forgot_the_scripts_is_sent_them_again,
    a_lease_shares_its_values_slot,
    foreign_bytes_in_a_lease_are_nobodys,
    a_foreign_type_under_the_value_is_refused_and_kept,
    a_full_server_removes_and_releases,
    large_values_are_filled_and_found_on_their_own_connection,
    what_changes_a_key_goes_over_one_connection,
    a_large_fill_that_is_overtaken_by_its_release_is_refused,
);

const LIFE: Duration = secs(60);

fn key(label: &str) -> StoredKey {
    let name = CacheName::new("leases").unwrap();
    StoredKey::new(&Prefix::default(), None, &name, label).unwrap()
}

fn lease(number: u8) -> Lease {
    Lease::read(&[number; 16])
}

fn claim(lease: &Lease) -> Claim<'_> {
    Claim {
        lease,
        ttl: LIFE,
        seen: &[],
    }
}

fn soon() -> Deadline {
    Deadline::after(secs(10))
}

async fn connect(server: &Server, connections: usize) -> Valkey {
    let config = config(server).connections(connections).build().unwrap();
    Valkey::connect(&config.server.unwrap(), Clock::system())
        .await
        .unwrap()
}

async fn acquire(remote: &Valkey, key: &StoredKey, lease: &Lease) -> Acquired {
    remote.acquire(key, claim(lease), soon()).await.unwrap()
}

async fn fill(remote: &Valkey, key: &StoredKey, lease: &Lease, value: &Bytes) -> bool {
    let filled = remote.fill(key, lease, value.clone(), LIFE, soon());
    filled.await.unwrap()
}

/// One of each script.
async fn whole_round(remote: &Valkey, label: &str) {
    let (key, one, value) = (key(label), lease(1), Bytes::from_static(b"value"));
    assert_eq!(acquire(remote, &key, &one).await, Acquired::Granted);
    assert!(remote.renew(&key, &one, LIFE, soon()).await.unwrap());
    assert!(fill(remote, &key, &one, &value).await);
    assert_eq!(acquire(remote, &key, &one).await, Acquired::Value(value));
    assert!(!remote.release(&key, &one, None, soon()).await.unwrap());
    assert!(remote.remove(&key, soon()).await.unwrap());
}

async fn a_server_that_forgot_the_scripts_is_sent_them_again(kind: Kind) {
    let server = start(kind);
    let remote = connect(&server, 1).await;
    whole_round(&remote, "first").await;
    let monitor = server.monitor().unwrap();
    whole_round(&remote, "known").await;
    let sources = |name: &str| {
        let commands = traffic(&monitor);
        commands.iter().filter(|c| c.name() == name).count()
    };
    assert_eq!((sources("EVALSHA"), sources("EVAL")), (6, 0));
    server.command(&["SCRIPT", "FLUSH"]).unwrap();
    whole_round(&remote, "flushed").await;
    assert_eq!(sources("EVAL"), 5, "each script once");
    drop(monitor);
    server.restart().unwrap();
    eventually("it is connected again", async || {
        remote.get(&key("any"), soon()).await.is_ok()
    })
    .await;
    whole_round(&remote, "restarted").await;
}

async fn a_lease_shares_its_values_slot(kind: Kind) {
    let server = Server::builder(kind).args(["--cluster-enabled", "yes"]);
    let server = server.start().unwrap();
    for label in ["a", "", "a}{b", "42", "ö", &"long".repeat(100)] {
        let key = key(label);
        let slot = |key: &str| server.command(&["CLUSTER", "KEYSLOT", key]).unwrap();
        assert!(matches!(slot(key.as_str()), Reply::Int(_)));
        assert_eq!(slot(key.as_str()), slot(&key.lease_key()), "{key}");
    }
}

async fn foreign_bytes_in_a_lease_are_nobodys(kind: Kind) {
    let server = start(kind);
    let remote = connect(&server, 1).await;
    let (key, one) = (key("foreign"), lease(1));
    let at = key.lease_key();
    let nobody = Lease::read(b"");
    let types: [&[&str]; 5] = [
        &["SET", &at, "short"],
        &["SET", &at, ""],
        &["SET", &at, "longer than any lease is"],
        &["HSET", &at, "field", "value"],
        &["RPUSH", &at, "a", "b"],
    ];
    for command in types {
        server.command(command).unwrap();
        let Acquired::Held { by, left } = acquire(&remote, &key, &one).await else {
            panic!("{command:?}");
        };
        assert_eq!(by, nobody);
        assert!(left > secs(3600), "it never ends by itself: {left:?}");
        server.command(&["PEXPIRE", &at, "5000"]).unwrap();
        let Acquired::Held { by, left } = acquire(&remote, &key, &one).await else {
            panic!("{command:?}");
        };
        assert!(by == nobody && left <= secs(5) && left > secs(1));
        // Nobody's, so nobody renews, fills or releases under it.
        for lease in [&one, &nobody] {
            assert!(!remote.renew(&key, lease, LIFE, soon()).await.unwrap());
            assert!(!fill(&remote, &key, lease, &Bytes::from_static(b"value")).await);
            assert!(!remote.release(&key, lease, None, soon()).await.unwrap());
        }
        assert!(!remote.remove(&key, soon()).await.unwrap());
        assert_eq!(acquire(&remote, &key, &one).await, Acquired::Granted);
        assert!(remote.release(&key, &one, None, soon()).await.unwrap());
        server.command(command).unwrap();
        let set = remote.set(&key, "value".into(), LIFE, soon());
        set.await.unwrap();
        assert_eq!(server.command(&["EXISTS", &at]).unwrap(), Reply::Int(0));
        assert!(remote.remove(&key, soon()).await.unwrap());
    }
}

async fn a_foreign_type_under_the_value_is_refused_and_kept(kind: Kind) {
    let server = start(kind);
    let remote = connect(&server, 1).await;
    let (key, one) = (key("foreign"), lease(1));
    let foreign = ["HSET", key.as_str(), "field", "value"];
    server.command(&foreign).unwrap();
    let refused = |error: RemoteError| {
        assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    };
    refused(remote.acquire(&key, claim(&one), soon()).await.unwrap_err());
    let at = key.lease_key();
    assert_eq!(server.command(&["EXISTS", &at]).unwrap(), Reply::Int(0));
    // Put there while the load ran.
    server.command(&["DEL", key.as_str()]).unwrap();
    assert_eq!(acquire(&remote, &key, &one).await, Acquired::Granted);
    server.command(&foreign).unwrap();
    let filled = remote.fill(&key, &one, "value".into(), LIFE, soon());
    refused(filled.await.unwrap_err());
    let kept = server.command(&["TYPE", key.as_str()]).unwrap();
    assert_eq!(kept.as_str(), Some("hash"));
    assert!(remote.release(&key, &one, None, soon()).await.unwrap());
    // Who removes it means it.
    assert!(remote.remove(&key, soon()).await.unwrap());
}

async fn a_full_server_removes_and_releases(kind: Kind) {
    let server = start(kind);
    let remote = connect(&server, 1).await;
    let [held, noted, there, absent] = ["held", "noted", "there", "absent"].map(key);
    let (one, other) = (lease(1), lease(2));
    for key in [&held, &noted] {
        assert_eq!(acquire(&remote, key, &one).await, Acquired::Granted);
    }
    let set = remote.set(&there, "value".into(), LIFE, soon());
    set.await.unwrap();
    server
        .command(&["CONFIG", "SET", "maxmemory", "1"])
        .unwrap();
    let full = |error: RemoteError| match error {
        RemoteError::Refused { code, .. } => assert_eq!(code, "OOM"),
        error => panic!("{error}"),
    };
    full(
        remote
            .acquire(&absent, claim(&one), soon())
            .await
            .unwrap_err(),
    );
    let set = remote.set(&there, "other".into(), LIFE, soon());
    full(set.await.unwrap_err());
    let filled = remote.fill(&held, &one, "value".into(), LIFE, soon());
    full(filled.await.unwrap_err());
    assert!(remote.renew(&held, &one, LIFE, soon()).await.unwrap());
    let note = Some((other, LIFE));
    assert!(remote.release(&noted, &one, note, soon()).await.unwrap());
    let Acquired::Held { by, .. } = acquire(&remote, &noted, &one).await else {
        panic!("no note");
    };
    assert_eq!(by, other);
    for (key, was_there) in [(&there, true), (&absent, false), (&held, false)] {
        assert_eq!(remote.remove(key, soon()).await, Ok(was_there), "{key}");
    }
    assert!(!remote.release(&held, &one, None, soon()).await.unwrap());
}

async fn large_values_are_filled_and_found_on_their_own_connection(kind: Kind) {
    let server = start(kind);
    let remote = connect(&server, 1).await;
    let (key, one) = (key("large"), lease(1));
    let value: Bytes = (0..=255).cycle().take(1 << 20).collect();
    assert_eq!(acquire(&remote, &key, &one).await, Acquired::Granted);
    let monitor = server.monitor().unwrap();
    for _ in 0..2 {
        assert!(fill(&remote, &key, &one, &value).await, "twice is once");
    }
    let seen = Claim {
        seen: &value[..40],
        ..claim(&one)
    };
    let other = Claim {
        seen: &value[1..41],
        ..claim(&one)
    };
    for claim in [claim(&one), other] {
        let found = remote.acquire(&key, claim, soon()).await.unwrap();
        assert!(found == Acquired::Value(value.clone()));
    }
    let granted = remote.acquire(&key, seen, soon()).await.unwrap();
    assert_eq!(granted, Acquired::Granted);
    let mut commands = traffic(&monitor);
    commands.retain(|command| !command.from_script());
    let common = &commands.last().unwrap().client;
    for command in &commands {
        let moves = command.name() == "GET" || command.args.concat().len() > 1 << 20;
        assert_eq!(command.client != *common, moves, "{}", command.name());
    }
}

async fn what_changes_a_key_goes_over_one_connection(kind: Kind) {
    let server = start(kind);
    let remote = connect(&server, 3).await;
    let monitor = server.monitor().unwrap();
    let keys: Vec<_> = (0..30).map(|at| key(&format!("one {at}"))).collect();
    for round in 0..3 {
        for key in &keys {
            let one = lease(round);
            remote.remove(key, soon()).await.unwrap();
            acquire(&remote, key, &one).await;
            remote.renew(key, &one, LIFE, soon()).await.unwrap();
            let value = Bytes::from_static(b"value");
            fill(&remote, key, &one, &value).await;
            remote.set(key, value, LIFE, soon()).await.unwrap();
            remote.release(key, &one, None, soon()).await.unwrap();
        }
    }
    let commands = traffic(&monitor);
    let mut all = HashSet::new();
    for key in &keys {
        let of_key = commands.iter().filter(|command| {
            let names_it = |arg: &Vec<u8>| arg == key.as_bytes();
            !command.from_script() && command.args.iter().any(names_it)
        });
        let clients: HashSet<_> = of_key.map(|command| &command.client).collect();
        assert_eq!(clients.len(), 1, "{key}");
        all.extend(clients);
    }
    assert_eq!(all.len(), 3, "the keys are spread over all");
}

async fn a_large_fill_that_is_overtaken_by_its_release_is_refused(kind: Kind) {
    let server = start(kind);
    let remote = connect(&server, 1).await;
    let (one, other) = (lease(1), lease(2));
    let value: Bytes = vec![1; 8 << 20].into();
    // The connection for large values is made.
    let (big, small) = (key("big"), Bytes::from_static(b"small"));
    remote.set(&big, value.clone(), LIFE, soon()).await.unwrap();
    for round in 0..10_u64 {
        let key = key(&format!("late {round}"));
        assert_eq!(acquire(&remote, &key, &one).await, Acquired::Granted);
        let filled = remote.fill(&key, &one, value.clone(), LIFE, soon());
        let _ = tokio::time::timeout(millis(round), filled).await;
        // Whichever came first, nothing is left of it once the next flight has filled.
        remote.release(&key, &one, None, soon()).await.unwrap();
        match acquire(&remote, &key, &other).await {
            Acquired::Granted => assert!(fill(&remote, &key, &other, &small).await),
            Acquired::Value(found) => assert!(found == value),
            held @ Acquired::Held { .. } => panic!("{held:?}"),
        }
        // Whatever large was still under way has arrived once another large one is answered.
        remote.set(&big, value.clone(), LIFE, soon()).await.unwrap();
        let found = remote.get(&key, soon()).await.unwrap().unwrap();
        assert!(found == small || found == value);
        let at = key.lease_key();
        assert_eq!(server.command(&["EXISTS", &at]).unwrap(), Reply::Int(0));
    }
}
