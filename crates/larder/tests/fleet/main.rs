//! Several processes on one server, with what happens to processes, connections and servers.

#![cfg(all(feature = "valkey", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

mod coherence;
mod invalidations;
mod leases;
mod member;
mod recovery;

use std::time::{Duration, Instant};

use larder_servers::{Fleet, Kind, Member, Orders, Proxy, Reply, Server};

use common::{BOUND, secs};

/// The processes of the fleets below enter here. As a test it passes at once.
#[test]
fn process() {
    if let Some(orders) = Orders::of_this_process() {
        member::serve(orders);
    }
}

/// `count` processes with a cache each, on the server at `url`.
fn fleet_at(url: &str, count: usize) -> Fleet {
    let fleet = Fleet::builder("cache").entry("process").env("URL", url);
    let fleet = fleet.spawn(count).unwrap();
    for member in fleet.members() {
        trusted(member);
    }
    fleet
}

/// One process behind a proxy of its own.
fn proxied(server: &Server) -> (Proxy, Fleet) {
    let proxy = Proxy::before(server).unwrap();
    let fleet = fleet_at(&proxy.url(), 1);
    (proxy, fleet)
}

/// Waits until a process trusts what it keeps in memory.
fn trusted(member: &Member) {
    until("it trusts its memory", || {
        member.ask("trust").unwrap() == "Trusted"
    });
}

fn until(what: &str, mut check: impl FnMut() -> bool) {
    let began = Instant::now();
    while !check() {
        assert!(began.elapsed() < BOUND, "not within {BOUND:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The lease of a key of the fleet's cache.
fn lease_of(key: &str) -> String {
    format!("cache:lease:{{cache:fleet:{key}}}")
}

/// Waits until some process holds the lease of `key`.
fn leased(server: &Server, key: &str) {
    let lease = lease_of(key);
    until("the lease is taken", || {
        server.command(&["EXISTS", &lease]).unwrap() == Reply::Int(1)
    });
}

/// How many loaders a process has run.
fn loads(member: &Member) -> usize {
    member.ask("loads").unwrap().parse().unwrap()
}

/// Makes a test for each kind of server.
macro_rules! on_each_server {
    ($($test:ident),+ $(,)?) => {
        mod on_valkey {
            $(#[test]
            fn $test() { super::$test(larder_servers::Kind::Valkey); })+
        }
        mod on_redis {
            $(#[test]
            fn $test() { super::$test(larder_servers::Kind::Redis); })+
        }
    };
}
pub(crate) use on_each_server;

fn start(kind: Kind) -> Server {
    common::start(kind)
}

/// How long what is known of changes counts at most, with room for a busy machine.
const TRUST: Duration = secs(3);
