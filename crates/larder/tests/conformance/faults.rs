//! The kit notices what is broken: each remote here has one fault.

use super::*;

use bytes::Bytes;
use larder::key::StoredKey;
use larder::remote::{Acquired, Claim, Lease, RemoteFuture, RemoteHealth, ServerTime};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    TextOnly,
    CutsLarge,
    WholeSeconds,
    KeepsTtl,
    SecondRemoveTrue,
    FoldsCase,
    HandlesApart,
    Panics,
    IgnoresDeadline,
    ClockStands,
}

const FAULTS: [(Fault, &str); 10] = [
    (Fault::TextOnly, "bytes come back"),
    (Fault::CutsLarge, "bytes come back"),
    (Fault::WholeSeconds, "a value is gone"),
    (Fault::KeepsTtl, "a new write"),
    (Fault::SecondRemoveTrue, "`remove` removes"),
    (Fault::FoldsCase, "every key"),
    (Fault::HandlesApart, "every handle"),
    (Fault::Panics, "it panicked"),
    (Fault::IgnoresDeadline, "deadline"),
    (Fault::ClockStands, "time runs"),
];

#[derive(Debug)]
struct Broken(MemoryRemote, Fault);

impl Broken {
    fn key(&self, key: &StoredKey) -> StoredKey {
        match self.1 {
            Fault::FoldsCase => stored_key("folded", &key.as_str().to_lowercase()).unwrap(),
            _ => key.clone(),
        }
    }
}

impl Remote for Broken {
    fn get<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Option<Bytes>, RemoteError>> {
        assert!(self.1 != Fault::Panics, "at the get");
        Box::pin(async move {
            if self.1 == Fault::IgnoresDeadline && deadline.left().is_zero() {
                tokio::time::sleep(secs(5)).await;
            }
            let found = self.0.get(&self.key(key), deadline).await?;
            Ok(found.map(|bytes| match self.1 {
                Fault::TextOnly => String::from_utf8_lossy(&bytes).into_owned().into(),
                Fault::CutsLarge => bytes.slice(..bytes.len().min(65_535)),
                _ => bytes,
            }))
        })
    }

    fn set<'a>(
        &'a self,
        key: &'a StoredKey,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<(), RemoteError>> {
        Box::pin(async move {
            let key = self.key(key);
            let ttl = match self.1 {
                Fault::WholeSeconds => {
                    Duration::from_secs(ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0))
                }
                Fault::KeepsTtl if self.0.get(&key, deadline).await?.is_some() => {
                    Duration::from_millis(100).min(ttl)
                }
                _ => ttl,
            };
            self.0.set(&key, value, ttl, deadline).await
        })
    }

    fn remove<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(async move {
            let was_there = self.0.remove(&self.key(key), deadline).await?;
            Ok(was_there || self.1 == Fault::SecondRemoveTrue)
        })
    }

    fn acquire<'a>(
        &'a self,
        key: &'a StoredKey,
        claim: Claim<'a>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Acquired, RemoteError>> {
        self.0.acquire(key, claim, deadline)
    }

    fn renew<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        self.0.renew(key, lease, ttl, deadline)
    }

    fn fill<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        self.0.fill(key, lease, value, ttl, deadline)
    }

    fn release<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        note: Option<(Lease, Duration)>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        self.0.release(key, lease, note, deadline)
    }

    fn server_time(&self) -> Option<ServerTime> {
        let mut time = self.0.server_time()?;
        if self.1 == Fault::ClockStands {
            time.now_ms = 1_000_000;
        }
        Some(time)
    }

    fn health(&self, deadline: Deadline) -> RemoteFuture<'_, RemoteHealth> {
        self.0.health(deadline)
    }

    fn close(&self) -> RemoteFuture<'_, ()> {
        self.0.close()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kit_names_what_a_broken_remote_breaks() {
    let mut runs = tokio::task::JoinSet::new();
    for (fault, named) in FAULTS {
        runs.spawn(async move {
            let store = Arc::new(MemoryRemote::new());
            let broken = conformance(async || {
                let apart = fault == Fault::HandlesApart;
                let own = || MemoryRemote::new();
                Broken(if apart { own() } else { (*store).clone() }, fault)
            });
            let broken = broken.await.expect_err("the fault shows");
            assert!(broken.to_string().contains(named), "{fault:?}: {broken}");
            assert!(!broken.as_slice().is_empty());
        });
    }
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
}
