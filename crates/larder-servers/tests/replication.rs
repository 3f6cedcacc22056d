//! Replicas, promotions and servers that come back with old data.
#![allow(clippy::unwrap_used)] // The helpers of tests may panic as tests do.

use larder_servers::{Kind, Reply, Role, Server, ServerError};

fn set(server: &Server, key: &str, value: &str) {
    let reply = server.command(&["SET", key, value]).unwrap();
    assert_eq!(reply.as_str(), Some("OK"), "{reply:?}");
}

fn get(server: &Server, key: &str) -> Option<String> {
    let reply = server.command(&["GET", key]).unwrap();
    assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
    reply.as_str().map(str::to_owned)
}

#[test]
fn a_replica_has_its_primarys_data_and_follows() {
    for kind in Kind::ALL {
        let primary = Server::start(kind).unwrap();
        set(&primary, "a", "1");
        let replica = Server::start_replica_of(&primary).unwrap();
        assert_eq!(replica.kind(), kind);
        assert_eq!(get(&replica, "a").as_deref(), Some("1"));
        for number in 0..100 {
            set(&primary, "a", &number.to_string());
            replica.wait_until_caught_up(&primary).unwrap();
            assert_eq!(get(&replica, "a"), Some(number.to_string()));
        }
        let (one, other) = (
            primary.replication().unwrap(),
            replica.replication().unwrap(),
        );
        assert_eq!((one.role, one.replicas), (Role::Primary, 1));
        assert_eq!((other.role, other.replicas), (Role::Replica, 0));
        assert!(other.link_is_up && !one.link_is_up);
        assert_eq!(one.id, other.id);
        assert_ne!(primary.run_id().unwrap(), replica.run_id().unwrap());
        let refused = replica.command(&["SET", "a", "2"]).unwrap();
        assert!(matches!(refused, Reply::Error(message) if message.starts_with("READONLY")));
    }
}

#[test]
fn a_promoted_replica_takes_over_and_the_old_primary_follows_it() {
    for kind in Kind::ALL {
        let old = Server::start(kind).unwrap();
        let new = Server::start_replica_of(&old).unwrap();
        set(&old, "a", "1");
        new.wait_until_caught_up(&old).unwrap();
        let history = old.replication().unwrap().id;
        old.pause().unwrap();
        new.promote().unwrap();
        set(&new, "a", "2");
        let promoted = new.replication().unwrap();
        assert_eq!(promoted.role, Role::Primary);
        assert_ne!(promoted.id, history);
        assert_eq!(promoted.previous_id, history);

        // Both take writes now, until the old one follows and loses its own.
        old.resume().unwrap();
        set(&old, "a", "3");
        assert_eq!(get(&old, "a").as_deref(), Some("3"));
        old.follow(&new).unwrap();
        assert_eq!(get(&old, "a").as_deref(), Some("2"));

        // Roles outlive restarts.
        new.restart().unwrap();
        assert_eq!(new.replication().unwrap().role, Role::Primary);
        old.restart().unwrap();
        old.wait_until_linked().unwrap();
        set(&new, "a", "4");
        old.wait_until_caught_up(&new).unwrap();
        assert_eq!(get(&old, "a").as_deref(), Some("4"));
    }
}

#[test]
fn a_paused_replica_keeps_what_it_has() {
    let primary = Server::start(Kind::Valkey).unwrap();
    let replica = Server::start_replica_of(&primary).unwrap();
    set(&primary, "a", "1");
    replica.wait_until_caught_up(&primary).unwrap();
    replica.pause().unwrap();
    set(&primary, "a", "2");
    primary.kill();
    replica.resume().unwrap();
    replica.promote().unwrap();
    // The write was on its way or lost: both happen to asynchronous replicas.
    assert!(matches!(get(&replica, "a").as_deref(), Some("1" | "2")));
}

#[test]
fn a_replica_without_a_primary_comes_back_empty() {
    for kind in Kind::ALL {
        let primary = Server::start(kind).unwrap();
        set(&primary, "a", "1");
        let replica = Server::start_replica_of(&primary).unwrap();
        assert_eq!(get(&replica, "a").as_deref(), Some("1"));
        drop(primary);
        replica.kill();
        replica.restart().unwrap();
        assert!(!replica.replication().unwrap().link_is_up);
        replica.promote().unwrap();
        assert_eq!(get(&replica, "a"), None);
    }
}

#[test]
fn a_primary_may_ask_for_a_password() {
    for kind in Kind::ALL {
        let primary = Server::builder(kind)
            .args(["--requirepass", "s3cret"])
            .start()
            .unwrap();
        set(&primary, "a", "1");
        let replica = Server::start_replica_of(&primary).unwrap();
        assert_eq!(get(&replica, "a").as_deref(), Some("1"));
        replica.restart().unwrap();
        replica.wait_until_linked().unwrap();
        assert_eq!(get(&replica, "a").as_deref(), Some("1"));
    }
}

#[test]
fn a_server_goes_back_to_an_old_snapshot_on_the_same_port() {
    for kind in Kind::ALL {
        let server = Server::start(kind).unwrap();
        let port = server.port();
        set(&server, "a", "old");
        let expiring = ["SET", "b", "1", "EX", "1000"];
        server.command(&expiring).unwrap();
        let snapshot = server.save_snapshot().unwrap();
        set(&server, "a", "new");
        set(&server, "c", "1");
        let (run, history) = (server.run_id().unwrap(), server.replication().unwrap().id);

        server.restart_from(&snapshot).unwrap();
        assert_eq!(server.port(), port);
        assert_eq!(get(&server, "a").as_deref(), Some("old"));
        assert_eq!(get(&server, "c"), None);
        let ttl = server.command(&["TTL", "b"]).unwrap().as_int().unwrap();
        assert!((900..=1000).contains(&ttl), "{ttl}");
        assert_ne!(server.run_id().unwrap(), run);
        assert_ne!(server.replication().unwrap().id, history);

        // Neither the copy nor the return to it changes what a restart does.
        server.restart().unwrap();
        assert_eq!(get(&server, "a"), None);
        // As often as one likes, also on another server and after a crash.
        let other = Server::start(kind).unwrap();
        other.kill();
        for server in [&server, &other] {
            server.restart_from(&snapshot).unwrap();
            assert_eq!(get(server, "a").as_deref(), Some("old"));
        }
    }
}

#[test]
fn with_snapshots_the_one_that_was_gone_back_to_stays() {
    let server = Server::builder(Kind::Valkey)
        .snapshots(true)
        .start()
        .unwrap();
    set(&server, "a", "old");
    let snapshot = server.save_snapshot().unwrap();
    set(&server, "a", "new");
    server.restart_from(&snapshot).unwrap();
    assert_eq!(get(&server, "a").as_deref(), Some("old"));
    server.kill();
    server.restart().unwrap();
    assert_eq!(get(&server, "a").as_deref(), Some("old"));
}

#[test]
fn a_primary_back_from_a_snapshot_feeds_its_replica_the_old_data() {
    for kind in Kind::ALL {
        let primary = Server::start(kind).unwrap();
        set(&primary, "a", "old");
        let snapshot = primary.save_snapshot().unwrap();
        let replica = Server::start_replica_of(&primary).unwrap();
        set(&primary, "a", "new");
        replica.wait_until_caught_up(&primary).unwrap();
        assert_eq!(get(&replica, "a").as_deref(), Some("new"));
        primary.restart_from(&snapshot).unwrap();
        replica.wait_until_caught_up(&primary).unwrap();
        assert_eq!(get(&replica, "a").as_deref(), Some("old"));
    }
}

#[test]
fn what_a_server_refuses_or_cannot_do_is_an_error() {
    let server = Server::start(Kind::Valkey).unwrap();
    let refusing = Server::builder(Kind::Valkey)
        .args(["--rename-command", "SAVE", ""])
        .start()
        .unwrap();
    let error = refusing.save_snapshot().unwrap_err();
    assert!(matches!(error, ServerError::Refused { .. }));
    assert!(error.to_string().contains("`SAVE`"), "{error}");
    server.kill();
    assert!(server.promote().is_err());
    assert!(server.replication().is_err());
    assert!(Server::start_replica_of(&server).is_err());
}
