//! The conformance kit, on larder's own remotes and on broken ones.

#![cfg(all(feature = "testing", feature = "valkey"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

mod faults;

use std::sync::Arc;
use std::time::Duration;

use larder::Clock;
use larder::remote::valkey::Valkey;
use larder::remote::{Claim, Deadline, Lease, MemoryRemote, NoRemote, Remote, RemoteError};
use larder::testing::{conformance, stored_key};
use larder_servers::Kind;

use common::{on_each_server, secs, start};

on_each_server!(
    a_server_keeps_the_promises,
    a_server_keeps_them_over_several_connections,
    a_closed_handle_says_so,
);

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_promises() {
    let store = MemoryRemote::new();
    conformance(async || store.clone()).await.unwrap();
}

#[tokio::test]
async fn no_remote_keeps_nothing() {
    conformance(async || NoRemote).await.unwrap();
}

async fn a_server_keeps_the_promises(kind: Kind) {
    let server = start(kind);
    conformance(async || connect(&server, 1).await)
        .await
        .unwrap();
}

async fn a_server_keeps_them_over_several_connections(kind: Kind) {
    let server = start(kind);
    conformance(async || connect(&server, 3).await)
        .await
        .unwrap();
}

async fn a_closed_handle_says_so(kind: Kind) {
    let server = start(kind);
    let remote = connect(&server, 2).await;
    let key = stored_key("closed", "key").unwrap();
    remote.close().await;
    let soon = || Deadline::after(secs(5));
    let got = remote.get(&key, soon()).await;
    assert_eq!(got, Err(RemoteError::Closed));
    let set = remote.set(&key, "value".into(), secs(5), soon()).await;
    assert_eq!(set, Err(RemoteError::Closed));
    let set = remote.set(&key, vec![0; 100_000].into(), secs(5), soon());
    assert_eq!(set.await, Err(RemoteError::Closed));
    let removed = remote.remove(&key, soon()).await;
    assert_eq!(removed, Err(RemoteError::Closed));
    let lease = Lease::read(&[1; 16]);
    let claim = Claim {
        lease: &lease,
        ttl: secs(5),
        seen: &[],
    };
    let acquired = remote.acquire(&key, claim, soon()).await;
    assert_eq!(acquired, Err(RemoteError::Closed));
    for value in ["value".into(), vec![0; 100_000].into()] {
        let filled = remote.fill(&key, &lease, value, secs(5), soon());
        assert_eq!(filled.await, Err(RemoteError::Closed));
    }
    let renewed = remote.renew(&key, &lease, secs(5), soon()).await;
    let released = remote.release(&key, &lease, None, soon()).await;
    let closed = Err(RemoteError::Closed);
    assert_eq!((renewed, released), (closed.clone(), closed));
}

async fn connect(server: &larder_servers::Server, connections: usize) -> Valkey {
    let config = common::config(server).connections(connections);
    let server = config.build().unwrap().server.unwrap();
    Valkey::connect(&server, Clock::system()).await.unwrap()
}
