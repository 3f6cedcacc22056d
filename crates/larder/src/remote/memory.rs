//! A remote in the memory of this process, shared by all larders that hold a clone of it.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::{
    Deadline, Remote, RemoteError, RemoteFuture, RemoteHealth, RemoteState, ServerInfo, ServerTime,
};
use crate::key::StoredKey;
use crate::time::{Clock, Tick};

/// A bounded store in memory that several larders of one process share: for tests, and for
/// programs that are to run without a server.
///
/// It keeps encoded bytes, like a server, so what is stored must survive encoding.
#[derive(Clone)]
pub struct MemoryRemote(Arc<Inner>);

struct Inner {
    entries: Cache<String, Entry, ByLength>,
    clock: Clock,
}

#[derive(Clone)]
struct Entry {
    value: Bytes,
    expires: Tick,
}

#[derive(Clone)]
struct ByLength;

impl Weighter<String, Entry> for ByLength {
    fn weight(&self, key: &String, entry: &Entry) -> u64 {
        (key.len() + entry.value.len()) as u64
    }
}

/// What a store holds unless told otherwise, in bytes.
const DEFAULT_CAPACITY: u64 = 256 << 20;
const ASSUMED_LENGTH: u64 = 512;
/// All clones are one store with one clock and one history.
const LINEAGE: u64 = 1;

impl MemoryRemote {
    /// An empty store of at most 256 MiB, by the system's clock.
    pub fn new() -> Self {
        Self::with(DEFAULT_CAPACITY, Clock::system())
    }

    /// An empty store of at most `capacity` bytes, by `clock`.
    pub fn with(capacity: u64, clock: Clock) -> Self {
        let items = usize::try_from(capacity / ASSUMED_LENGTH).unwrap_or(usize::MAX);
        Self(Arc::new(Inner {
            entries: Cache::with_weighter(items.max(32), capacity, ByLength),
            clock,
        }))
    }

    fn get_now(&self, key: &StoredKey) -> Option<Bytes> {
        let now = self.0.clock.now();
        let entry = self.0.entries.get(key.as_str())?;
        (now < entry.expires).then_some(entry.value)
    }

    fn set_now(&self, key: &StoredKey, value: Bytes, ttl: Duration) -> Result<(), RemoteError> {
        // Half a shard: what the engine takes without a doubt.
        let max = usize::try_from(self.0.entries.shard_capacity() / 2).unwrap_or(usize::MAX);
        let len = key.as_str().len() + value.len();
        if len > max {
            return Err(RemoteError::TooLarge { len, max });
        }
        let expires = self.0.clock.now().plus(ttl);
        self.0
            .entries
            .insert(key.as_str().to_owned(), Entry { value, expires });
        Ok(())
    }

    fn remove_now(&self, key: &StoredKey) -> bool {
        let now = self.0.clock.now();
        let removed = self.0.entries.remove(key.as_str());
        removed.is_some_and(|(_, entry)| now < entry.expires)
    }
}

impl Default for MemoryRemote {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRemote")
            .field("entries", &self.0.entries.len())
            .finish_non_exhaustive()
    }
}

impl Remote for MemoryRemote {
    fn get<'a>(
        &'a self,
        key: &'a StoredKey,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Option<Bytes>, RemoteError>> {
        Box::pin(ready(Ok(self.get_now(key))))
    }

    fn set<'a>(
        &'a self,
        key: &'a StoredKey,
        value: Bytes,
        ttl: Duration,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<(), RemoteError>> {
        Box::pin(ready(self.set_now(key, value, ttl)))
    }

    fn remove<'a>(
        &'a self,
        key: &'a StoredKey,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(ready(Ok(self.remove_now(key))))
    }

    fn server_time(&self) -> Option<ServerTime> {
        Some(ServerTime {
            now_ms: self.0.clock.now().0 / 1_000,
            error_ms: 0,
            lineage: LINEAGE,
        })
    }

    fn health(&self, _: Deadline) -> RemoteFuture<'_, RemoteHealth> {
        let mut health = RemoteHealth::new(RemoteState::Up, "memory");
        health.round_trip = Some(Duration::ZERO);
        health.server = Some(ServerInfo::new("memory", env!("CARGO_PKG_VERSION")));
        Box::pin(ready(health))
    }

    /// Leaves the store to the other larders that share it.
    fn close(&self) -> RemoteFuture<'_, ()> {
        Box::pin(ready(()))
    }
}
