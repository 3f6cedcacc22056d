//! The remote tier: a server shared by processes, seen as bytes under keys.
//!
//! [`Remote`] is the seam. Nothing above it knows which server answers, and nothing below it
//! knows what a value means. Implementations: [`MemoryRemote`], [`NoRemote`] and, with the
//! feature `valkey`, [`valkey::Valkey`] for Valkey and Redis. Another one can prove itself with
//! the conformance kit in `larder::testing` (feature `testing`).

mod error;
mod health;
mod lease;
mod memory;
mod none;
mod observer;
#[cfg(any(feature = "metrics", feature = "testing"))]
pub(crate) mod operations;
mod scan;
#[cfg(feature = "valkey")]
pub mod valkey;

use std::fmt::Debug;
use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

pub use self::error::RemoteError;
pub use self::health::{RemoteHealth, RemoteState, ServerInfo};
pub use self::lease::{Acquired, Claim, LEASE_LEN, Lease};
pub use self::memory::MemoryRemote;
pub use self::none::NoRemote;
pub use self::observer::{Asked, Observer, Pushes};
pub use self::scan::{Cursor, Page, Sighting};
use crate::bounded::Bounds;
use crate::key::{Prefix, StoredKey};

/// What the methods of [`Remote`] return.
pub type RemoteFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A store of bytes under keys, shared by processes.
///
/// # What an implementation promises
///
/// - After `set` or `remove` returned `Ok`, each `get` that begins later, in any process,
///   reflects it.
/// - A value is gone once its time to live has passed by the server's own clock, and is kept
///   until then unless the server is short of memory or loses data.
/// - No method waits past its deadline, and none panics.
/// - Dropping a returned future is safe at any point; a write may then still take effect.
/// - Bytes come back as they were given.
/// - Each method takes effect at one moment, as a whole.
/// - `acquire`, `renew` and `release` of one key take effect in the order in which they were first
///   polled, also where the returned futures are dropped. A `fill` may be overtaken by them: it is
///   fenced by its lease.
///
/// # Leases
///
/// Beside each value lies its *lease*: the right to load it, held by one flight in all processes.
/// It is gone once its time has passed, and `set` and `remove` end it, so the fill of a load that
/// began before is refused.
pub trait Remote: Debug + Send + Sync + 'static {
    /// The value under `key`, or `None`.
    ///
    /// # Errors
    /// Where the server could not be asked, or refused. The caller counts a miss (G3);
    /// [`RemoteError::WrongType`] as one that is unreadable.
    fn get<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Option<Bytes>, RemoteError>>;

    /// Puts `value` under `key` for `ttl`, which is at least a millisecond, and ends the key's
    /// lease, whoever holds it.
    ///
    /// # Errors
    /// Where the server did not confirm the write. It may have taken effect all the same.
    fn set<'a>(
        &'a self,
        key: &'a StoredKey,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<(), RemoteError>>;

    /// Removes what is under `key`, and ends the key's lease, whoever holds it; whether there was a
    /// value. Observers hear of it in any case.
    ///
    /// # Errors
    /// Where the server did not confirm the removal. It may have taken effect all the same.
    fn remove<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>>;

    /// The values under several keys, in their order.
    ///
    /// # Errors
    /// As [`get`](Self::get); the keys are answered together or not at all.
    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a StoredKey],
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>>;

    /// What is under `key`, or `value`, which is put there where there is nothing. It lives for `ttl`
    /// from now at least; without one, for ever.
    ///
    /// # Errors
    /// Where the server did not confirm it.
    fn keep<'a>(
        &'a self,
        key: &'a StoredKey,
        value: Bytes,
        ttl: Option<Duration>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>>;

    /// Puts `value` under `key` for `ttl`, or for ever, except for its first `kept` bytes, which
    /// stay where there is a value of the same length. Returns what is there now.
    ///
    /// # Errors
    /// Where the server did not confirm the write. It may have taken effect all the same.
    fn splice<'a>(
        &'a self,
        key: &'a StoredKey,
        kept: usize,
        value: Bytes,
        ttl: Option<Duration>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>>;

    /// Asks for the right to load `key`.
    ///
    /// - Where there is a value that does not begin with [`Claim::seen`]: that value.
    /// - Else, where another lease than [`Claim::lease`] stands: that lease, with the time left to it.
    /// - Else the lease is `claim.lease` for `claim.ttl`, from now on.
    ///
    /// # Errors
    /// Where the server could not be asked, or refused. The lease may have been taken all the same.
    fn acquire<'a>(
        &'a self,
        key: &'a StoredKey,
        claim: Claim<'a>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Acquired, RemoteError>>;

    /// Lets the lease end `ttl` from now, if it is `lease`; whether it was.
    ///
    /// # Errors
    /// Where the server did not confirm it.
    fn renew<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>>;

    /// Puts `value` under `key` for `ttl` and ends the lease, if it is `lease`; whether it was.
    /// Done a second time, with the same value still there, it succeeds.
    ///
    /// # Errors
    /// Where the server did not confirm the write. It may have taken effect all the same.
    fn fill<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>>;

    /// Ends the lease, if it is `lease`; whether it was. `note` takes its place for a time.
    ///
    /// # Errors
    /// Where the server did not confirm it.
    fn release<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        note: Option<(Lease, Duration)>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>>;

    /// A part of the keys that begin with `under`, from `cursor` on, or from the beginning; about
    /// `count` of them are looked at, so that the server is held for a short time only.
    ///
    /// - Who goes on until there is no next place is given every key that was there all the while;
    ///   of those that came or went meanwhile some, and any of them more than once.
    /// - Leases are given too, as the keys that they lie under:
    ///   [`StoredKey::lease_key`](crate::key::StoredKey::lease_key).
    /// - No character in `under` means anything but itself.
    ///
    /// # Errors
    /// Where the server could not be asked, or refused. [`RemoteError::CursorLost`] where it does not
    /// know the place any more: then the scan has to begin anew.
    fn scan<'a>(
        &'a self,
        under: &'a str,
        cursor: Option<&'a Cursor>,
        count: usize,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Page, RemoteError>>;

    /// How what lies under these keys begins, `len` bytes of each at most, in their order. `None` for
    /// a key under which there is nothing, or no value but something that others put there. The keys
    /// are as [`scan`](Self::scan) gives them.
    ///
    /// # Errors
    /// Where the server could not be asked, or refused; all are answered together or not at all.
    fn heads<'a>(
        &'a self,
        keys: &'a [&'a str],
        len: usize,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>>;

    /// Removes what lies under each of these keys if it still begins with what was seen there;
    /// whether it did, in their order. Each is one step of its own. Observers hear of those that went;
    /// the lease of a value stays as it is.
    ///
    /// # Errors
    /// Where the server did not confirm it. Any of them may be gone all the same.
    fn discard<'a>(
        &'a self,
        sightings: &'a [Sighting],
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<bool>, RemoteError>>;

    /// Makes ready for the keys of a bounded cache, and looks whether others have opened it with other
    /// bounds; those that are to be [resized](crate::bounded::Bounded::resizing) take their place.
    ///
    /// What a remote promises of a key that has [bounds](StoredKey::bounds), beside all else:
    ///
    /// - In each of its partitions there are never more values than its
    ///   [share](Bounds::share_of), or more bytes of keys and values, except after it was resized. What has
    ///   expired does not count.
    /// - Before a value comes in that is not there, as many go as need to, in the order of
    ///   [`ServerEviction`](crate::bounded::ServerEviction). A `get` or `get_many` that finds a value is a read, an
    ///   `acquire` that gives one is, and a `set` or `fill` is an insertion or an overwrite.
    /// - A value that is larger than the share is refused ([`RemoteError::BeyondCapacity`]). A `set`
    ///   of it removes what was there.
    /// - Those that go are told to observers.
    ///
    /// The default keeps no bounded caches.
    ///
    /// # Errors
    /// [`RemoteError::BoundedOtherwise`], [`RemoteError::Unbounded`], or where the server could not be asked.
    /// In this case it is looked at again before the first value is read or written.
    fn open_bounded<'a>(
        &'a self,
        bounds: &'a Arc<Bounds>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<(), RemoteError>> {
        let _ = (bounds, deadline);
        Box::pin(ready(Err(RemoteError::Unbounded)))
    }

    /// Lets `observer` hear of all changes under `prefix`, until it is dropped or the remote is
    /// closed. Without this, near tiers of several processes are not kept in step by pushes.
    fn watch(&self, prefix: &Prefix, observer: Weak<dyn Observer>) -> Pushes {
        let _ = (prefix, observer);
        Pushes::None
    }

    /// The server's time as this process knows it now, without asking; `None` before the first
    /// contact.
    fn server_time(&self) -> Option<ServerTime>;

    /// Asks the server how it is.
    fn health(&self, deadline: Deadline) -> RemoteFuture<'_, RemoteHealth>;

    /// Ends all connections, after which calls return [`RemoteError::Closed`]; where there are
    /// none to end, it does nothing. Idempotent.
    fn close(&self) -> RemoteFuture<'_, ()>;

    /// Whether it keeps anything at all. Where it does not, nothing is encoded for it.
    fn stores(&self) -> bool {
        true
    }
}

/// The end of the time that a call grants to all its remote work (G3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// `budget` from now.
    pub fn after(budget: Duration) -> Self {
        Self(Instant::now() + budget)
    }

    /// The point in time, for `tokio::time::timeout_at`.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// The same, `by` sooner.
    #[cfg(feature = "valkey")]
    pub(crate) fn earlier(self, by: Duration) -> Self {
        Self(self.0.checked_sub(by).unwrap_or(self.0))
    }

    /// What is left of it.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// A server's clock, as this process estimates it.
///
/// Times are compared only with times of the same lineage, so no two machines' clocks need to
/// agree (G7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerTime {
    /// Milliseconds since the server's epoch.
    pub now_ms: u64,
    /// How far the estimate may be off, either way, in milliseconds.
    pub error_ms: u64,
    /// Which history of the server this time belongs to: it changes with a restart.
    pub lineage: u64,
}
