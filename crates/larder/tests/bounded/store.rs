//! A bounded cache at the seam: stored keys and bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use larder::Clock;
use larder::bounded::{Bounded, Bounds};
use larder::key::{CacheName, Prefix, StoredKey};
use larder::remote::valkey::Valkey;
use larder::remote::{Acquired, Claim, Deadline, Lease, Remote, RemoteError};
use larder_servers::{Reply, Server};

use super::common::{config, secs};

pub(crate) const LONG: Duration = Duration::from_hours(1);

pub(crate) async fn connect(server: &Server) -> Valkey {
    let server = config(server).build().unwrap().server.unwrap();
    Valkey::connect(&server, Clock::system()).await.unwrap()
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(secs(20))
}

/// A bounded cache of a remote.
pub(crate) struct Store<R> {
    pub(crate) remote: Arc<R>,
    pub(crate) bounds: Arc<Bounds>,
}

pub(crate) fn bounds(name: &str, bounded: Bounded) -> Arc<Bounds> {
    let name = CacheName::new(name).unwrap();
    Arc::new(Bounds::new(&Prefix::default(), &name, bounded).unwrap())
}

pub(crate) fn fresh_name() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("cache{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl<R: Remote> Store<R> {
    pub(crate) fn new(remote: Arc<R>, bounded: Bounded) -> Self {
        Self {
            remote,
            bounds: bounds(&fresh_name(), bounded),
        }
    }

    pub(crate) async fn open(&self) {
        self.remote
            .open_bounded(&self.bounds, soon())
            .await
            .unwrap();
    }

    pub(crate) fn key(&self, key: u32) -> StoredKey {
        StoredKey::bounded(&self.bounds, None, &key).unwrap()
    }

    pub(crate) async fn get(&self, key: u32) -> Option<Bytes> {
        self.remote.get(&self.key(key), soon()).await.unwrap()
    }

    pub(crate) async fn set(
        &self,
        key: u32,
        value: &[u8],
        ttl: Duration,
    ) -> Result<(), RemoteError> {
        let value = Bytes::copy_from_slice(value);
        self.remote.set(&self.key(key), value, ttl, soon()).await
    }

    pub(crate) async fn put(&self, key: u32) {
        self.set(key, b"value", LONG).await.unwrap();
    }

    pub(crate) async fn remove(&self, key: u32) -> bool {
        self.remote.remove(&self.key(key), soon()).await.unwrap()
    }

    /// A load: its value comes in under a lease.
    pub(crate) async fn fill(
        &self,
        key: u32,
        value: &[u8],
        ttl: Duration,
    ) -> Result<bool, RemoteError> {
        let stored = self.key(key);
        let lease = Lease::read(&[b'L'; 16]);
        // As if it had read what is there.
        let heads = self
            .remote
            .heads(&[stored.as_str()], 1_000, soon())
            .await
            .unwrap();
        let seen = heads[0].clone().unwrap_or_default();
        let claim = Claim {
            lease: &lease,
            ttl: LONG,
            seen: &seen,
        };
        let acquired = self.remote.acquire(&stored, claim, soon()).await.unwrap();
        assert_eq!(acquired, Acquired::Granted);
        let value = Bytes::copy_from_slice(value);
        let filled = self.remote.fill(&stored, &lease, value, ttl, soon()).await;
        if filled.is_err() {
            self.remote
                .release(&stored, &lease, None, soon())
                .await
                .unwrap();
        }
        filled
    }

    /// Which of the keys below `below` have a value: no read of it.
    pub(crate) async fn there(&self, below: u32) -> Vec<u32> {
        let keys: Vec<StoredKey> = (0..below).map(|key| self.key(key)).collect();
        let names: Vec<&str> = keys.iter().map(StoredKey::as_str).collect();
        let heads = self.remote.heads(&names, 1, soon()).await.unwrap();
        let there = (0..below).zip(heads).filter(|(_, head)| head.is_some());
        there.map(|(key, _)| key).collect()
    }

    /// Where the index of its only partition begins.
    pub(crate) fn index(&self) -> String {
        self.key(0).index_key().unwrap()
    }
}

/// What a raw command answers that returns a number.
pub(crate) fn number(server: &Server, command: &[&str]) -> i64 {
    match server.command(command).unwrap() {
        Reply::Int(number) => number,
        other => panic!("{command:?}: {other:?}"),
    }
}
