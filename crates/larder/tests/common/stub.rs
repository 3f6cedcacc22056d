//! A remote in memory whose operations a test holds, fails and counts.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use larder::Clock;
use larder::key::{Prefix, StoredKey};
use larder::remote::{
    Acquired, Claim, Cursor, Deadline, Lease, MemoryRemote, Observer, Page, Pushes, Remote,
    RemoteError, RemoteFuture, RemoteHealth, ServerTime, Sighting,
};
use tokio::sync::Notify;

/// An operation of a [`Stub`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    Get,
    Set,
    Remove,
    Acquire,
    Renew,
    Fill,
    Release,
    GetMany,
    Keep,
    Splice,
    Scan,
    Heads,
    Discard,
}

/// Where an operation is held: before it took effect, or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    Before,
    After,
}

/// An in-memory remote. Clones share everything.
#[derive(Clone, Default)]
pub struct Stub(Arc<Inner>);

#[derive(Default)]
struct Inner {
    store: MemoryRemote,
    holds: Mutex<HashMap<(Op, When), Vec<Held>>>,
    failing: Mutex<HashSet<Op>>,
    calls: Mutex<HashMap<Op, usize>>,
    blind: bool,
}

/// One operation that waits for the test.
#[derive(Clone, Default)]
pub struct Held(Arc<(Notify, Notify)>);

impl Held {
    /// Waits until the operation has come here.
    pub async fn reached(&self) {
        super::soon("the held operation comes", self.0.0.notified()).await;
    }

    /// Lets it go on.
    pub fn release(&self) {
        self.0.1.notify_one();
    }
}

impl Stub {
    /// One that goes by this clock.
    pub fn by(clock: &Clock) -> Self {
        Self(Arc::new(Inner {
            store: MemoryRemote::with(64 << 20, clock.clone()),
            ..Inner::default()
        }))
    }

    /// One that goes by this clock, and tells nobody of changes.
    pub fn blind(clock: &Clock) -> Self {
        Self(Arc::new(Inner {
            store: MemoryRemote::with(64 << 20, clock.clone()),
            blind: true,
            ..Inner::default()
        }))
    }

    /// Holds the next operation of this kind that is not held yet.
    pub fn hold(&self, op: Op, when: When) -> Held {
        let held = Held::default();
        let mut holds = self.0.holds.lock().unwrap();
        holds.entry((op, when)).or_default().push(held.clone());
        held
    }

    /// Lets every operation of this kind fail from now on, or no longer.
    pub fn fail(&self, op: Op, failing: bool) {
        let mut all = self.0.failing.lock().unwrap();
        if failing {
            all.insert(op);
        } else {
            all.remove(&op);
        }
    }

    /// How many operations of this kind have begun.
    pub fn calls(&self, op: Op) -> usize {
        self.0.calls.lock().unwrap().get(&op).copied().unwrap_or(0)
    }

    async fn pause(&self, op: Op, when: When) {
        let held = {
            let mut holds = self.0.holds.lock().unwrap();
            let waiting = holds.entry((op, when)).or_default();
            if waiting.is_empty() {
                return;
            }
            waiting.remove(0)
        };
        held.0.0.notify_one();
        held.0.1.notified().await;
    }

    async fn through<T>(
        &self,
        op: Op,
        run: impl Future<Output = Result<T, RemoteError>>,
    ) -> Result<T, RemoteError> {
        *self.0.calls.lock().unwrap().entry(op).or_default() += 1;
        self.pause(op, When::Before).await;
        if self.0.failing.lock().unwrap().contains(&op) {
            return Err(RemoteError::Disconnected {
                address: "stub".to_owned(),
                reason: "the test says so".to_owned(),
            });
        }
        let answer = run.await;
        self.pause(op, When::After).await;
        answer
    }
}

impl fmt::Debug for Stub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stub")
    }
}

impl Remote for Stub {
    fn get<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Option<Bytes>, RemoteError>> {
        Box::pin(self.through(
            Op::Get,
            async move { self.0.store.get(key, deadline).await },
        ))
    }

    fn set<'a>(
        &'a self,
        key: &'a StoredKey,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<(), RemoteError>> {
        let set = async move { self.0.store.set(key, value, ttl, deadline).await };
        Box::pin(self.through(Op::Set, set))
    }

    fn remove<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        let remove = async move { self.0.store.remove(key, deadline).await };
        Box::pin(self.through(Op::Remove, remove))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a StoredKey],
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        let get = async move { self.0.store.get_many(keys, deadline).await };
        Box::pin(self.through(Op::GetMany, get))
    }

    fn keep<'a>(
        &'a self,
        key: &'a StoredKey,
        value: Bytes,
        ttl: Option<Duration>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>> {
        let keep = async move { self.0.store.keep(key, value, ttl, deadline).await };
        Box::pin(self.through(Op::Keep, keep))
    }

    fn splice<'a>(
        &'a self,
        key: &'a StoredKey,
        kept: usize,
        value: Bytes,
        ttl: Option<Duration>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>> {
        let splice = async move {
            let store = &self.0.store;
            store.splice(key, kept, value, ttl, deadline).await
        };
        Box::pin(self.through(Op::Splice, splice))
    }

    fn acquire<'a>(
        &'a self,
        key: &'a StoredKey,
        claim: Claim<'a>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Acquired, RemoteError>> {
        let acquire = async move { self.0.store.acquire(key, claim, deadline).await };
        Box::pin(self.through(Op::Acquire, acquire))
    }

    fn renew<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        let renew = async move { self.0.store.renew(key, lease, ttl, deadline).await };
        Box::pin(self.through(Op::Renew, renew))
    }

    fn fill<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        let fill = async move { self.0.store.fill(key, lease, value, ttl, deadline).await };
        Box::pin(self.through(Op::Fill, fill))
    }

    fn release<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        note: Option<(Lease, Duration)>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        let release = async move { self.0.store.release(key, lease, note, deadline).await };
        Box::pin(self.through(Op::Release, release))
    }

    fn scan<'a>(
        &'a self,
        under: &'a str,
        cursor: Option<&'a Cursor>,
        count: usize,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Page, RemoteError>> {
        let scan = async move { self.0.store.scan(under, cursor, count, deadline).await };
        Box::pin(self.through(Op::Scan, scan))
    }

    fn heads<'a>(
        &'a self,
        keys: &'a [&'a str],
        len: usize,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        let heads = async move { self.0.store.heads(keys, len, deadline).await };
        Box::pin(self.through(Op::Heads, heads))
    }

    fn discard<'a>(
        &'a self,
        sightings: &'a [Sighting],
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<bool>, RemoteError>> {
        let discard = async move { self.0.store.discard(sightings, deadline).await };
        Box::pin(self.through(Op::Discard, discard))
    }

    fn watch(&self, prefix: &Prefix, observer: Weak<dyn Observer>) -> Pushes {
        if self.0.blind {
            return Pushes::None;
        }
        self.0.store.watch(prefix, observer)
    }

    fn server_time(&self) -> Option<ServerTime> {
        self.0.store.server_time()
    }

    fn health(&self, deadline: Deadline) -> RemoteFuture<'_, RemoteHealth> {
        self.0.store.health(deadline)
    }

    fn close(&self) -> RemoteFuture<'_, ()> {
        self.0.store.close()
    }
}
