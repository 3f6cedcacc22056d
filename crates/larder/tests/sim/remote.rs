//! The remote of one process in the simulated world.

use std::fmt;
use std::sync::Weak;
use std::time::Duration;

use bytes::Bytes;
use larder::key::{Prefix, StoredKey};
use larder::remote::{
    Acquired, Claim, Cursor, Deadline, Lease, Observer, Page, Pushes, Remote, RemoteError,
    RemoteFuture, RemoteHealth, RemoteState, ServerTime, Sighting,
};
use tokio::time::timeout_at;

use crate::groups::Slot;
use crate::server::{Reply, Request};
use crate::world::{World, disconnected};

pub(crate) struct SimRemote {
    pub(crate) world: World,
    pub(crate) process: usize,
}

/// A request whose caller waits.
struct Flying<'a>(&'a SimRemote, Slot);

impl Drop for Flying<'_> {
    fn drop(&mut self) {
        let Self(remote, slot) = *self;
        remote.world.state().check.landed(remote.process, slot);
    }
}

impl SimRemote {
    async fn ask(
        &self,
        key: &StoredKey,
        request: Request,
        deadline: Deadline,
    ) -> Result<Reply, RemoteError> {
        self.ask_of(Slot::of(key), request, deadline).await
    }

    async fn ask_of(
        &self,
        slot: Slot,
        request: Request,
        deadline: Deadline,
    ) -> Result<Reply, RemoteError> {
        let (world, process) = (&self.world, self.process);
        world.state().check.flies(process, slot);
        let _flying = Flying(self, slot);
        let answer = match world.send(process, slot, request.clone()) {
            Ok(answer) => match timeout_at(deadline.instant(), answer).await {
                Ok(Ok(reply)) => Ok(reply),
                Ok(Err(_lost)) => Err(disconnected()),
                Err(_) => Err(RemoteError::Timeout {
                    address: "simulated".to_owned(),
                    after: Duration::ZERO,
                }),
            },
            Err(error) => Err(error),
        };
        world.awake(process).await;
        let mut state = world.state();
        state.hears(process, slot, &request, answer.as_ref());
        drop(state);
        answer
    }

    async fn ask_for_stamp(
        &self,
        key: &StoredKey,
        request: Request,
        deadline: Deadline,
    ) -> Result<Bytes, RemoteError> {
        match self.ask(key, request, deadline).await? {
            Reply::Stamp(stamp) => Ok(stamp),
            other => unreachable!("{other:?}"),
        }
    }

    async fn ask_whether(
        &self,
        key: &StoredKey,
        request: Request,
        deadline: Deadline,
    ) -> Result<bool, RemoteError> {
        match self.ask(key, request, deadline).await? {
            Reply::Was(was) => Ok(was),
            other => unreachable!("{other:?}"),
        }
    }
}

impl Remote for SimRemote {
    fn get<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Option<Bytes>, RemoteError>> {
        Box::pin(async move {
            match self.ask(key, Request::Get, deadline).await? {
                Reply::Value(value) => Ok(value),
                other => unreachable!("{other:?}"),
            }
        })
    }

    fn set<'a>(
        &'a self,
        key: &'a StoredKey,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<(), RemoteError>> {
        let set = Request::Set { value, ttl };
        Box::pin(async move { self.ask(key, set, deadline).await.map(drop) })
    }

    fn remove<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(self.ask_whether(key, Request::Remove, deadline))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a StoredKey],
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        let groups = keys.iter().map(|key| match Slot::of(key) {
            Slot::Stamp(group) => group,
            slot => unreachable!("{slot:?} is read alone"),
        });
        let get = Request::GetMany(groups.collect());
        Box::pin(async move {
            match self.ask(keys[0], get, deadline).await? {
                Reply::Stamps(stamps) => Ok(stamps),
                other => unreachable!("{other:?}"),
            }
        })
    }

    fn keep<'a>(
        &'a self,
        key: &'a StoredKey,
        stamp: Bytes,
        ttl: Option<Duration>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>> {
        let keep = Request::Keep { stamp, ttl };
        Box::pin(self.ask_for_stamp(key, keep, deadline))
    }

    fn splice<'a>(
        &'a self,
        key: &'a StoredKey,
        kept: usize,
        stamp: Bytes,
        ttl: Option<Duration>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>> {
        let splice = Request::Splice { kept, stamp, ttl };
        Box::pin(self.ask_for_stamp(key, splice, deadline))
    }

    fn acquire<'a>(
        &'a self,
        key: &'a StoredKey,
        claim: Claim<'a>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Acquired, RemoteError>> {
        let acquire = Request::Acquire {
            lease: *claim.lease,
            ttl: claim.ttl,
            seen: claim.seen.to_vec(),
        };
        Box::pin(async move {
            match self.ask(key, acquire, deadline).await? {
                Reply::Acquired(acquired) => Ok(acquired),
                other => unreachable!("{other:?}"),
            }
        })
    }

    fn renew<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        let renew = Request::Renew { lease: *lease, ttl };
        Box::pin(self.ask_whether(key, renew, deadline))
    }

    fn fill<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        value: Bytes,
        ttl: Duration,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        let fill = Request::Fill {
            lease: *lease,
            value,
            ttl,
        };
        Box::pin(self.ask_whether(key, fill, deadline))
    }

    fn release<'a>(
        &'a self,
        key: &'a StoredKey,
        lease: &'a Lease,
        note: Option<(Lease, Duration)>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        let release = Request::Release {
            lease: *lease,
            note,
        };
        Box::pin(self.ask_whether(key, release, deadline))
    }

    fn scan<'a>(
        &'a self,
        under: &'a str,
        cursor: Option<&'a Cursor>,
        _: usize,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Page, RemoteError>> {
        let behind = cursor.map(|at| String::from_utf8_lossy(at.as_bytes()).into_owned());
        let under = under.to_owned();
        let scan = Request::Scan { under, behind };
        Box::pin(async move {
            match self.ask_of(Slot::Keys, scan, deadline).await? {
                Reply::Page(page) => Ok(page),
                other => unreachable!("{other:?}"),
            }
        })
    }

    fn heads<'a>(
        &'a self,
        keys: &'a [&'a str],
        len: usize,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Box::pin(async move {
            match self
                .ask_of(Slot::Keys, Request::Heads(keys, len), deadline)
                .await?
            {
                Reply::Heads(heads) => Ok(heads),
                other => unreachable!("{other:?}"),
            }
        })
    }

    fn discard<'a>(
        &'a self,
        sightings: &'a [Sighting],
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<bool>, RemoteError>> {
        let discard = Request::Discard(sightings.to_vec());
        Box::pin(async move {
            match self.ask_of(Slot::Keys, discard, deadline).await? {
                Reply::Gone(gone) => Ok(gone),
                other => unreachable!("{other:?}"),
            }
        })
    }

    fn watch(&self, _: &Prefix, observer: Weak<dyn Observer>) -> Pushes {
        self.world.watch(self.process, observer)
    }

    fn server_time(&self) -> Option<ServerTime> {
        self.world.server_time(self.process)
    }

    fn health(&self, _: Deadline) -> RemoteFuture<'_, RemoteHealth> {
        Box::pin(async { RemoteHealth::new(RemoteState::Up, "simulated") })
    }

    fn close(&self) -> RemoteFuture<'_, ()> {
        Box::pin(async { self.world.close(self.process) })
    }
}

impl Drop for SimRemote {
    fn drop(&mut self) {
        self.world.gone(self.process);
    }
}

impl fmt::Debug for SimRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimRemote({})", self.process)
    }
}
