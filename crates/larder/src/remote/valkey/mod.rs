//! Valkey and Redis, on multiplexed connections that this library supervises.
//!
//! - A link is one connection and the task that makes it, watches it and makes it
//!   again, with jittered backoff. All callers share it: requests are pipelined.
//! - Large values travel on a link of their own, since an answer delays all that stand behind it.
//!   A write knows its size. A read does not, so for a while after large values were seen, reads
//!   first ask for the beginning of the value only, and fetch the rest of a large one elsewhere.
//! - What changes a key goes over one connection, in order.
//! - A listener has a connection of its own, on which the server tells of all changes.
//! - A breaker stops asking a server that takes requests and does not answer. One heartbeat a
//!   second probes it, and tells the server's time.

mod adopt;
mod backoff;
mod bounded;
mod breaker;
mod client;
mod connect;
mod leases;
mod link;
mod listener;
mod scan;
mod script;
mod server_clock;

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use redis::{Cmd, FromRedisValue, Value};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use self::connect::Target;
use self::link::{Link, Transaction};
use self::listener::Listener;
use self::script::{KEEP, REMOVE, SPLICE};
use super::{
    Acquired, Claim, Cursor, Deadline, Lease, Observer, Page, Pushes, Remote, RemoteError,
    RemoteFuture, RemoteHealth, RemoteState, ServerTime, Sighting,
};
use crate::bounded::Bounds;
use crate::config::ServerConfig;
use crate::key::{Prefix, StoredKey};
use crate::time::{Clock, Tick};

pub use self::client::Client;
pub use self::connect::ConnectError;

/// From this length on a value is large, in bytes.
const LARGE: usize = 64 << 10;
/// Up to so many values are read together over a common connection.
const FEW: usize = 64;
/// Room for a key in a command.
const KEY_GUESS: usize = 48;
/// The longest value that is sent, in bytes: the servers' own default limit (`proto-max-bulk-len`).
const MAX_VALUE: usize = 512 << 20;
/// How long reads stay careful after a large value was seen.
const CAREFUL_FOR: Duration = Duration::from_mins(1);

/// A Valkey or Redis server as the remote tier.
pub struct Valkey {
    target: Arc<Target>,
    links: Box<[Link]>,
    /// Made when the first large value comes by.
    bulk: OnceLock<Link>,
    listeners: Mutex<Vec<AbortHandle>>,
    /// Where the listeners run.
    runtime: Handle,
    next: AtomicUsize,
    careful_until: AtomicU64,
    clock: Clock,
}

impl Valkey {
    /// Connects to the server that `config` names, and waits for the first attempt's end.
    ///
    /// A server that cannot be reached is no error here: the connection is made in the
    /// background as soon as the server comes, and [`health`](Remote::health) says so.
    ///
    /// # Errors
    /// Where waiting cannot help: the password, the database or the kind of server is wrong.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn connect(config: &ServerConfig, clock: Clock) -> Result<Self, ConnectError> {
        let target = Arc::new(Target::new(config)?);
        let links: Box<[Link]> = (0..config.connections.max(1))
            .map(|_| Link::start(Arc::clone(&target), clock.clone()))
            .collect();
        // Whole before the wait: dropped meanwhile, or refused, it closes its links.
        let valkey = Self {
            target,
            links,
            bulk: OnceLock::new(),
            listeners: Mutex::default(),
            runtime: Handle::current(),
            next: AtomicUsize::new(0),
            careful_until: AtomicU64::new(0),
            clock,
        };
        // All of them, since operations take them in turn; they connect at the same time.
        for link in &valkey.links {
            if let Err(error) = link.first_attempt().await
                && error.is_permanent()
            {
                return Err(error);
            }
        }
        Ok(valkey)
    }

    /// A connection-like handle for raw commands, which follows reconnections.
    pub fn client(&self) -> Client {
        Client::new(self.common().clone())
    }

    /// The links in turn, for what changes nothing.
    fn common(&self) -> &Link {
        self.link(|| self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The same link for the same key, so that what changes it happens in the order in which it
    /// was sent.
    fn link_of(&self, key: &StoredKey) -> &Link {
        self.link(|| {
            let mut hasher = DefaultHasher::new();
            key.hash(&mut hasher);
            usize::try_from(hasher.finish() & u64::from(u32::MAX)).unwrap_or(0)
        })
    }

    fn link(&self, turn: impl FnOnce() -> usize) -> &Link {
        // With one, which measured best, there is no choice.
        let [first, _, ..] = &*self.links else {
            return &self.links[0];
        };
        // The next one that is up. Where none is, any says why.
        let (before, after) = self.links.split_at(turn() % self.links.len());
        let up = after.iter().chain(before).find(|link| link.is_up());
        up.unwrap_or(first)
    }

    /// The link that a write of `value` takes.
    async fn link_for(&self, key: &StoredKey, value: &Bytes, deadline: Deadline) -> &Link {
        if value.len() < LARGE {
            return self.link_of(key);
        }
        self.saw_large();
        let bulk = self.bulk();
        bulk.ready(deadline).await;
        bulk
    }

    fn bulk(&self) -> &Link {
        let bulk = self
            .bulk
            .get_or_init(|| Link::start(Arc::clone(&self.target), self.clock.clone()));
        // Made during or after a close, it was not there to be closed.
        if self.is_closed() {
            bulk.close();
        }
        bulk
    }

    fn is_closed(&self) -> bool {
        self.links.iter().all(Link::is_closed)
    }

    fn end_connections(&self) {
        for link in self.links.iter().chain(self.bulk.get()) {
            link.close();
        }
        for listener in self.listeners.lock().drain(..) {
            listener.abort();
        }
    }

    fn saw_large(&self) {
        let until = self.clock.now().plus(CAREFUL_FOR);
        self.careful_until.store(until.0, Ordering::Relaxed);
    }

    fn is_careful(&self) -> bool {
        let until = self.careful_until.load(Ordering::Relaxed);
        until > 0 && self.clock.is_before(Tick(until))
    }

    async fn read(
        &self,
        key: &StoredKey,
        deadline: Deadline,
    ) -> Result<Option<Bytes>, RemoteError> {
        if !self.is_careful() {
            let value = self.common().run(&get(key), deadline).await?;
            let bytes = self.target.decode::<Option<Bytes>>(value)?;
            if bytes.as_ref().is_some_and(|bytes| bytes.len() >= LARGE) {
                self.saw_large();
            }
            return Ok(bytes);
        }
        let mut range = redis::cmd("GETRANGE");
        range.arg(key.as_bytes()).arg(0).arg(LARGE - 1);
        let value = self.common().run(&range, deadline).await?;
        let bytes = self.target.decode::<Bytes>(value)?;
        if bytes.len() < LARGE {
            // No envelope is empty, so nothing means that there is none.
            return Ok((!bytes.is_empty()).then_some(bytes));
        }
        self.read_large(key, deadline).await
    }

    async fn read_many(
        &self,
        keys: &[&StoredKey],
        deadline: Deadline,
    ) -> Result<Vec<Option<Bytes>>, RemoteError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = Cmd::with_capacity(keys.len() + 1, keys.len() * KEY_GUESS);
        get.arg("MGET");
        for key in keys {
            get.arg(key.as_bytes());
        }
        // Many small values delay those who share the connection as one large value does.
        let link = if keys.len() > FEW || self.is_careful() {
            let bulk = self.bulk();
            bulk.ready(deadline).await;
            bulk
        } else {
            self.common()
        };
        let values = match link.run(&get, deadline).await? {
            Value::Array(values) => values.into_iter().map(|value| match value {
                Value::BulkString(bytes) => Ok(Some(Bytes::from(bytes))),
                other => self.target.decode(other),
            }),
            other => return self.target.decode(other),
        };
        let values = values.collect::<Result<Vec<Option<Bytes>>, RemoteError>>()?;
        let is_large = |value: &Option<Bytes>| value.as_ref().is_some_and(|v| v.len() >= LARGE);
        if values.iter().any(is_large) {
            self.saw_large();
        }
        Ok(values)
    }

    async fn write(
        &self,
        key: &StoredKey,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> Result<(), RemoteError> {
        within_limit(&value)?;
        let mut set = redis::cmd("SET");
        set.arg(key.as_bytes())
            .arg(&*value)
            .arg("PX")
            .arg(millis(ttl));
        let mut end_lease = redis::cmd("DEL");
        end_lease.arg(key.lease_key());
        // In one step: between the two, a fill under the old lease would replace the new value.
        let both = Transaction::of([set, end_lease]);
        let link = self.link_for(key, &value, deadline).await;
        link.run(&both, deadline).await.map(drop)
    }

    async fn delete(&self, key: &StoredKey, deadline: Deadline) -> Result<bool, RemoteError> {
        let link = self.link_of(key);
        let removed = self.script(link, &REMOVE, key, &[], deadline).await?;
        self.target.decode(removed)
    }
}

/// In whole milliseconds, at least one. Rounded up, as the envelope's times are: nothing is gone
/// before its time.
fn millis(ttl: Duration) -> String {
    ttl.as_nanos().div_ceil(1_000_000).max(1).to_string()
}

fn within_limit(value: &Bytes) -> Result<(), RemoteError> {
    let (len, max) = (value.len(), MAX_VALUE);
    if len > max {
        return Err(RemoteError::TooLarge { len, max });
    }
    Ok(())
}

fn get(key: &StoredKey) -> Cmd {
    let mut get = Cmd::with_capacity(2, key.as_bytes().len() + 3);
    get.arg("GET").arg(key.as_bytes());
    get
}

impl Target {
    /// The answer as `T`. No server answers our commands with anything else.
    fn decode<T: FromRedisValue>(&self, value: Value) -> Result<T, RemoteError> {
        T::from_redis_value(value).map_err(|error| RemoteError::Refused {
            address: self.address.clone(),
            code: "TYPE".to_owned(),
            message: error.to_string(),
        })
    }
}

impl fmt::Debug for Valkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Valkey")
            .field("address", &self.target.address)
            .finish_non_exhaustive()
    }
}

impl Remote for Valkey {
    fn get<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Option<Bytes>, RemoteError>> {
        match key.bounds() {
            None => Box::pin(self.read(key, deadline)),
            Some(bounds) => Box::pin(self.read_bounded(key, bounds, deadline)),
        }
    }

    fn set<'a>(
        &'a self,
        key: &'a StoredKey,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<(), RemoteError>> {
        match key.bounds() {
            None => Box::pin(self.write(key, value, ttl, deadline)),
            Some(bounds) => Box::pin(self.write_bounded(key, bounds, value, ttl, deadline)),
        }
    }

    fn remove<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        match key.index_key() {
            None => Box::pin(self.delete(key, deadline)),
            Some(index) => Box::pin(self.delete_bounded(key, index, deadline)),
        }
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a StoredKey],
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        if keys.iter().all(|key| key.bounds().is_none()) {
            return Box::pin(self.read_many(keys, deadline));
        }
        Box::pin(self.read_many_bounded(keys, deadline))
    }

    fn keep<'a>(
        &'a self,
        key: &'a StoredKey,
        value: Bytes,
        ttl: Option<Duration>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>> {
        Box::pin(async move {
            let ttl = ttl.map_or_else(String::new, millis);
            let args = [&*value, ttl.as_bytes()];
            let link = self.link_of(key);
            let there = self.script(link, &KEEP, key, &args, deadline).await?;
            self.target.decode(there)
        })
    }

    fn splice<'a>(
        &'a self,
        key: &'a StoredKey,
        kept: usize,
        value: Bytes,
        ttl: Option<Duration>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>> {
        Box::pin(async move {
            let ttl = ttl.map_or_else(String::new, millis);
            let kept = kept.to_string();
            let args = [&*value, kept.as_bytes(), ttl.as_bytes()];
            let link = self.link_of(key);
            let there = self.script(link, &SPLICE, key, &args, deadline).await?;
            self.target.decode(there)
        })
    }

    fn acquire<'a>(
        &'a self,
        key: &'a StoredKey,
        claim: Claim<'a>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Acquired, RemoteError>> {
        match key.bounds() {
            None => Box::pin(self.take_lease(key, claim, deadline)),
            Some(bounds) => Box::pin(self.take_bounded_lease(key, bounds, claim, deadline)),
        }
    }

    fn renew<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(self.renew_lease(key, lease, ttl, deadline))
    }

    fn fill<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        match key.bounds() {
            None => Box::pin(self.write_under_lease(key, lease, value, ttl, deadline)),
            Some(bounds) => Box::pin(self.fill_bounded(key, bounds, lease, value, ttl, deadline)),
        }
    }

    fn release<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        note: Option<(Lease, Duration)>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(self.end_lease(key, lease, note, deadline))
    }

    fn scan<'a>(
        &'a self,
        under: &'a str,
        cursor: Option<&'a Cursor>,
        count: usize,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Page, RemoteError>> {
        Box::pin(self.scan_page(under, cursor, count, deadline))
    }

    fn heads<'a>(
        &'a self,
        keys: &'a [&'a str],
        len: usize,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        Box::pin(self.read_heads(keys, len, deadline))
    }

    fn discard<'a>(
        &'a self,
        sightings: &'a [Sighting],
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<bool>, RemoteError>> {
        Box::pin(self.discard_seen(sightings, deadline))
    }

    fn open_bounded<'a>(
        &'a self,
        bounds: &'a Arc<Bounds>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<(), RemoteError>> {
        Box::pin(self.agree(bounds, deadline))
    }

    /// Each call takes a connection of its own.
    fn watch(&self, prefix: &Prefix, observer: Weak<dyn Observer>) -> Pushes {
        let listener = Listener {
            target: Arc::clone(&self.target),
            prefix: prefix.clone(),
            observer,
        };
        let mut listeners = self.listeners.lock();
        // A close that comes now waits for the lock, and finds it there.
        if !self.is_closed() {
            listeners.retain(|listener| !listener.is_finished());
            listeners.push(self.runtime.spawn(listener.run()).abort_handle());
        }
        Pushes::Later
    }

    fn server_time(&self) -> Option<ServerTime> {
        if let ([only], None) = (&*self.links, self.bulk.get()) {
            return only.server_time();
        }
        let links = || self.links.iter().chain(self.bulk.get());
        let mut up = links().filter(|link| link.is_up());
        let Some(first) = up.next() else {
            return links().find_map(Link::server_time);
        };
        let time = first.server_time()?;
        // After a restart some links know of it before others do. What was read over one of them
        // must not be judged by the time of another.
        up.all(|link| {
            link.server_time()
                .is_some_and(|other| other.lineage == time.lineage)
        })
        .then_some(time)
    }

    fn health(&self, deadline: Deadline) -> RemoteFuture<'_, RemoteHealth> {
        Box::pin(async move {
            let link = self.common();
            let asked = self.clock.now();
            // Past the breaker: what is asked here is whether the server answers at all.
            let answer = link.ping(deadline).await;
            let (state, last_error) = match answer {
                Ok(()) => (RemoteState::Up, None),
                Err(RemoteError::Closed) => (RemoteState::Closed, None),
                Err(error) => (RemoteState::Down, Some(error.to_string())),
            };
            let mut health = RemoteHealth::new(state, &*self.target.address);
            health.round_trip = (state == RemoteState::Up).then(|| self.clock.now().since(asked));
            health.server = link.server_info();
            health.last_error = last_error;
            health.notes = link.notes();
            health
        })
    }

    fn close(&self) -> RemoteFuture<'_, ()> {
        Box::pin(async move { self.end_connections() })
    }
}

impl Drop for Valkey {
    fn drop(&mut self) {
        self.end_connections();
    }
}
