//! A remote whose answers are timed.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use metrics::{Histogram, histogram};

use super::names;
use crate::bounded::Bounds;
use crate::key::{Prefix, StoredKey};
use crate::remote::{
    Acquired, Claim, Cursor, Deadline, Lease, Observer, Page, Pushes, Remote, RemoteError,
    RemoteFuture, RemoteHealth, ServerTime, Sighting,
};

/// The same remote, timed; one that stores nothing is not.
pub(crate) fn timed(remote: Arc<dyn Remote>) -> Arc<dyn Remote> {
    if remote.stores() {
        Arc::new(Timed::new(remote))
    } else {
        remote
    }
}

/// One operation.
#[derive(Debug)]
struct Operation {
    name: &'static str,
    times: Histogram,
}

impl Operation {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            times: histogram!(names::REMOTE_DURATION, names::OPERATION => name),
        }
    }

    /// Counts from the first poll. What is dropped before its end counts as nothing.
    fn time<'a, T: Send + 'a>(
        &'a self,
        asked: RemoteFuture<'a, Result<T, RemoteError>>,
    ) -> RemoteFuture<'a, Result<T, RemoteError>> {
        Box::pin(async {
            let began = Instant::now();
            let answer = asked.await;
            self.times.record(began.elapsed());
            if let Err(error) = &answer {
                let labels = [(names::OPERATION, self.name), (names::CAUSE, error.cause())];
                metrics::counter!(names::REMOTE_ERRORS, &labels).increment(1);
            }
            answer
        })
    }
}

/// Declares the operations, each with a histogram of its own.
macro_rules! operations {
    ($($name:ident),+) => {
        #[derive(Debug)]
        struct Timed {
            remote: Arc<dyn Remote>,
            $($name: Operation,)+
        }

        impl Timed {
            fn new(remote: Arc<dyn Remote>) -> Self {
                Self {
                    remote,
                    $($name: Operation::new(stringify!($name)),)+
                }
            }
        }
    };
}

operations!(
    get,
    set,
    remove,
    get_many,
    keep,
    splice,
    acquire,
    renew,
    fill,
    release,
    scan,
    heads,
    discard,
    open_bounded
);

impl Remote for Timed {
    fn get<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Option<Bytes>, RemoteError>> {
        self.get.time(self.remote.get(key, deadline))
    }

    fn set<'a>(
        &'a self,
        key: &'a StoredKey,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<(), RemoteError>> {
        self.set.time(self.remote.set(key, value, ttl, deadline))
    }

    fn remove<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        self.remove.time(self.remote.remove(key, deadline))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a StoredKey],
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        self.get_many.time(self.remote.get_many(keys, deadline))
    }

    fn keep<'a>(
        &'a self,
        key: &'a StoredKey,
        value: Bytes,
        ttl: Option<Duration>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>> {
        self.keep.time(self.remote.keep(key, value, ttl, deadline))
    }

    fn splice<'a>(
        &'a self,
        key: &'a StoredKey,
        kept: usize,
        value: Bytes,
        ttl: Option<Duration>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>> {
        self.splice
            .time(self.remote.splice(key, kept, value, ttl, deadline))
    }

    fn acquire<'a>(
        &'a self,
        key: &'a StoredKey,
        claim: Claim<'a>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Acquired, RemoteError>> {
        self.acquire.time(self.remote.acquire(key, claim, deadline))
    }

    fn renew<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        self.renew
            .time(self.remote.renew(key, lease, ttl, deadline))
    }

    fn fill<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        self.fill
            .time(self.remote.fill(key, lease, value, ttl, deadline))
    }

    fn release<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        note: Option<(Lease, Duration)>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        self.release
            .time(self.remote.release(key, lease, note, deadline))
    }

    fn scan<'a>(
        &'a self,
        under: &'a str,
        cursor: Option<&'a Cursor>,
        count: usize,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Page, RemoteError>> {
        self.scan
            .time(self.remote.scan(under, cursor, count, deadline))
    }

    fn heads<'a>(
        &'a self,
        keys: &'a [&'a str],
        len: usize,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        self.heads.time(self.remote.heads(keys, len, deadline))
    }

    fn discard<'a>(
        &'a self,
        sightings: &'a [Sighting],
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<bool>, RemoteError>> {
        self.discard.time(self.remote.discard(sightings, deadline))
    }

    fn open_bounded<'a>(
        &'a self,
        bounds: &'a Arc<Bounds>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<(), RemoteError>> {
        self.open_bounded
            .time(self.remote.open_bounded(bounds, deadline))
    }

    fn watch(&self, prefix: &Prefix, observer: Weak<dyn Observer>) -> Pushes {
        self.remote.watch(prefix, observer)
    }

    fn server_time(&self) -> Option<ServerTime> {
        self.remote.server_time()
    }

    fn health(&self, deadline: Deadline) -> RemoteFuture<'_, RemoteHealth> {
        self.remote.health(deadline)
    }

    fn close(&self) -> RemoteFuture<'_, ()> {
        self.remote.close()
    }

    fn stores(&self) -> bool {
        self.remote.stores()
    }
}
