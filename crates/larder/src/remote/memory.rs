//! A remote in the memory of this process, shared by all larders that hold a clone of it.

mod bounded;
mod scan;

use std::collections::HashMap;
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use self::bounded::Partition;
use super::{
    Acquired, Claim, Cursor, Deadline, Lease, Observer, Page, Pushes, Remote, RemoteError,
    RemoteFuture, RemoteHealth, RemoteState, ServerInfo, ServerTime, Sighting,
};
use crate::bounded::Bounds;
use crate::key::{Prefix, StoredKey};
use crate::time::{Clock, MAX_TTL, Tick};

/// A bounded store in memory that several larders of one process share: for tests, and for
/// programs that are to run without a server.
///
/// It keeps encoded bytes, like a server, so what is stored must survive encoding.
#[derive(Clone)]
pub struct MemoryRemote(Arc<Inner>);

struct Inner {
    entries: Cache<String, Entry, ByLength>,
    /// Its lock makes every operation that looks at a lease one whole.
    leases: Mutex<Leases>,
    /// Of bounded caches, by where their index lies on a server. Locked after the leases.
    partitions: Mutex<HashMap<String, Partition>>,
    watched: RwLock<Vec<Watched>>,
    clock: Clock,
}

struct Watched {
    prefix: Prefix,
    observer: Weak<dyn Observer>,
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
            leases: Mutex::default(),
            partitions: Mutex::default(),
            watched: RwLock::default(),
            clock,
        }))
    }

    fn expires(&self, key: &StoredKey) -> Option<Tick> {
        Some(self.0.entries.get(key.as_str())?.expires)
    }

    fn get_now(&self, key: &StoredKey) -> Option<Bytes> {
        let now = self.0.clock.now();
        let entry = self.0.entries.get(key.as_str())?;
        (now < entry.expires).then_some(entry.value)
    }

    fn read_now(&self, key: &StoredKey) -> Result<Option<Bytes>, RemoteError> {
        self.agreed(key)?;
        let value = self.get_now(key);
        if value.is_some() {
            self.note_read(key);
        }
        Ok(value)
    }

    /// Which others went for it.
    fn put(
        &self,
        key: &StoredKey,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Vec<Arc<str>>, RemoteError> {
        // Half a shard: what the engine takes without a doubt.
        let max = usize::try_from(self.0.entries.shard_capacity() / 2).unwrap_or(usize::MAX);
        let len = key.as_str().len() + value.len();
        if len > max {
            return Err(RemoteError::TooLarge { len, max });
        }
        let expires = self.0.clock.now().plus(ttl);
        let gone = self.make_room(key, &value, expires)?;
        self.0
            .entries
            .insert(key.as_str().to_owned(), Entry { value, expires });
        Ok(gone)
    }

    fn set_now(&self, key: &StoredKey, value: Bytes, ttl: Duration) -> Result<(), RemoteError> {
        self.agreed(key)?;
        let mut leases = self.0.leases.lock();
        let put = self.put(key, value, ttl);
        if let Err(RemoteError::BeyondCapacity { .. }) = put {
            // What was there before would be read as the value that was set.
            self.0.entries.remove(key.as_str());
            self.forget(key.as_str());
        } else if put.is_err() {
            return put.map(drop);
        }
        leases.end(key.as_str());
        drop(leases);
        self.tell_changed(key);
        put.map(|gone| self.tell_gone(&gone))
    }

    fn remove_now(&self, key: &StoredKey) -> bool {
        let now = self.0.clock.now();
        let mut leases = self.0.leases.lock();
        let removed = self.0.entries.remove(key.as_str());
        if key.index_key().is_some() {
            self.forget(key.as_str());
        }
        leases.end(key.as_str());
        drop(leases);
        self.tell_changed(key);
        removed.is_some_and(|(_, entry)| now < entry.expires)
    }

    fn keep_now(
        &self,
        key: &StoredKey,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Bytes, RemoteError> {
        let leases = self.0.leases.lock();
        if let Some(there) = self.get_now(key) {
            let until = self.0.clock.now().plus(ttl.unwrap_or(MAX_TTL));
            if self.expires(key).is_some_and(|expires| expires < until) {
                self.put(key, there.clone(), ttl.unwrap_or(MAX_TTL))?;
            }
            return Ok(there);
        }
        self.put(key, value.clone(), ttl.unwrap_or(MAX_TTL))?;
        drop(leases);
        self.tell_changed(key);
        Ok(value)
    }

    fn splice_now(
        &self,
        key: &StoredKey,
        kept: usize,
        value: &Bytes,
        ttl: Option<Duration>,
    ) -> Result<Bytes, RemoteError> {
        let leases = self.0.leases.lock();
        let mut spliced = value.to_vec();
        if let Some(there) = self.get_now(key).filter(|there| there.len() == value.len()) {
            let kept = kept.min(spliced.len());
            spliced[..kept].copy_from_slice(&there[..kept]);
        }
        let spliced = Bytes::from(spliced);
        self.put(key, spliced.clone(), ttl.unwrap_or(MAX_TTL))?;
        drop(leases);
        self.tell_changed(key);
        Ok(spliced)
    }

    fn acquire_now(&self, key: &StoredKey, claim: Claim<'_>) -> Acquired {
        let now = self.0.clock.now();
        let mut leases = self.0.leases.lock();
        if let Some(value) = self.get_now(key)
            && (claim.seen.is_empty() || !value.starts_with(claim.seen))
        {
            self.note_read(key);
            return Acquired::Value(value);
        }
        if let Some((by, left)) = leases.of(key.as_str(), now)
            && by != *claim.lease
        {
            return Acquired::Held { by, left };
        }
        leases.put(key, *claim.lease, now, claim.ttl);
        drop(leases);
        self.tell(
            |observer| observer.lease_changed(key.as_str()),
            key.as_str(),
        );
        Acquired::Granted
    }

    fn renew_now(&self, key: &StoredKey, lease: &Lease, ttl: Duration) -> bool {
        let now = self.0.clock.now();
        let mut leases = self.0.leases.lock();
        let own = leases.is(key, lease, now);
        if own {
            leases.put(key, *lease, now, ttl);
        }
        own
    }

    fn fill_now(
        &self,
        key: &StoredKey,
        lease: &Lease,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, RemoteError> {
        let now = self.0.clock.now();
        let mut leases = self.0.leases.lock();
        if !leases.is(key, lease, now) {
            return Ok(self.get_now(key) == Some(value));
        }
        let gone = self.put(key, value, ttl)?;
        leases.end(key.as_str());
        drop(leases);
        self.tell_changed(key);
        self.tell_gone(&gone);
        Ok(true)
    }

    fn release_now(&self, key: &StoredKey, lease: &Lease, note: Option<(Lease, Duration)>) -> bool {
        let now = self.0.clock.now();
        let mut leases = self.0.leases.lock();
        if !leases.is(key, lease, now) {
            return false;
        }
        match note {
            Some((note, ttl)) => leases.put(key, note, now, ttl),
            None => leases.end(key.as_str()),
        }
        drop(leases);
        self.tell(
            |observer| observer.lease_changed(key.as_str()),
            key.as_str(),
        );
        true
    }

    fn tell_gone(&self, gone: &[Arc<str>]) {
        for key in gone {
            self.tell(|observer| observer.changed(key), key);
        }
    }

    fn tell_changed(&self, key: &StoredKey) {
        self.tell(|observer| observer.changed(key.as_str()), key.as_str());
    }

    fn tell(&self, what: impl Fn(&dyn Observer), key: &str) {
        for watched in &*self.0.watched.read() {
            if key.starts_with(watched.prefix.as_str())
                && let Some(observer) = watched.observer.upgrade()
            {
                what(&*observer);
            }
        }
    }
}

#[derive(Default)]
struct Leases {
    held: HashMap<Box<str>, Held>,
    /// How many there may be before those are thrown out whose time has passed.
    tidy_at: usize,
}

struct Held {
    lease: Lease,
    ends: Tick,
    /// Where it would lie on a server.
    key: Box<str>,
}

impl Leases {
    fn of(&self, key: &str, now: Tick) -> Option<(Lease, Duration)> {
        let held = self.held.get(key)?;
        (now < held.ends).then(|| (held.lease, held.ends.since(now)))
    }

    fn is(&self, key: &StoredKey, lease: &Lease, now: Tick) -> bool {
        let held = self.of(key.as_str(), now);
        held.is_some_and(|(held, _)| held == *lease)
    }

    fn live(&self, now: Tick) -> impl Iterator<Item = (&str, &Held)> {
        let live = self.held.iter().filter(move |(_, held)| now < held.ends);
        live.map(|(key, held)| (&**key, held))
    }

    fn put(&mut self, key: &StoredKey, lease: Lease, now: Tick, ttl: Duration) {
        if self.held.len() >= self.tidy_at {
            self.held.retain(|_, held| now < held.ends);
            self.tidy_at = 2 * self.held.len() + 64;
        }
        let held = Held {
            lease,
            ends: now.plus(ttl),
            key: key.lease_key().into(),
        };
        self.held.insert(key.as_str().into(), held);
    }

    fn end(&mut self, key: &str) {
        self.held.remove(key);
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
        Box::pin(ready(self.read_now(key)))
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

    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a StoredKey],
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        let values = keys.iter().map(|key| self.read_now(key)).collect();
        Box::pin(ready(values))
    }

    fn keep<'a>(
        &'a self,
        key: &'a StoredKey,
        value: Bytes,
        ttl: Option<Duration>,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>> {
        Box::pin(ready(self.keep_now(key, value, ttl)))
    }

    fn splice<'a>(
        &'a self,
        key: &'a StoredKey,
        kept: usize,
        value: Bytes,
        ttl: Option<Duration>,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>> {
        Box::pin(ready(self.splice_now(key, kept, &value, ttl)))
    }

    fn acquire<'a>(
        &'a self,
        key: &'a StoredKey,
        claim: Claim<'a>,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Acquired, RemoteError>> {
        let agreed = self.agreed(key);
        Box::pin(ready(agreed.map(|()| self.acquire_now(key, claim))))
    }

    fn renew<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        ttl: Duration,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(ready(Ok(self.renew_now(key, lease, ttl))))
    }

    fn fill<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        value: Bytes,
        ttl: Duration,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        let agreed = self.agreed(key);
        Box::pin(ready(
            agreed.and_then(|()| self.fill_now(key, lease, value, ttl)),
        ))
    }

    fn release<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        note: Option<(Lease, Duration)>,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(ready(Ok(self.release_now(key, lease, note))))
    }

    fn scan<'a>(
        &'a self,
        under: &'a str,
        cursor: Option<&'a Cursor>,
        count: usize,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Page, RemoteError>> {
        Box::pin(ready(Ok(self.scan_now(under, cursor, count))))
    }

    fn heads<'a>(
        &'a self,
        keys: &'a [&'a str],
        len: usize,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        let heads = keys.iter().map(|key| self.head_now(key, len));
        Box::pin(ready(Ok(heads.collect())))
    }

    fn discard<'a>(
        &'a self,
        sightings: &'a [Sighting],
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<bool>, RemoteError>> {
        let gone = sightings.iter().map(|sighting| self.discard_now(sighting));
        Box::pin(ready(Ok(gone.collect())))
    }

    fn open_bounded<'a>(
        &'a self,
        bounds: &'a Arc<Bounds>,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<(), RemoteError>> {
        Box::pin(ready(self.open_bounded_now(bounds)))
    }

    fn watch(&self, prefix: &Prefix, observer: Weak<dyn Observer>) -> Pushes {
        let watched = Watched {
            prefix: prefix.clone(),
            observer,
        };
        let mut all = self.0.watched.write();
        all.retain(|watched| watched.observer.strong_count() > 0);
        if let Some(observer) = watched.observer.upgrade() {
            observer.began();
        }
        all.push(watched);
        Pushes::AtOnce
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
