//! No remote tier: the near tier works alone.

use std::future::ready;
use std::time::Duration;

use bytes::Bytes;

use super::{
    Acquired, Claim, Cursor, Deadline, Lease, Page, Remote, RemoteError, RemoteFuture,
    RemoteHealth, RemoteState, ServerTime, Sighting,
};
use crate::key::StoredKey;

/// Holds nothing, and takes no time about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRemote;

impl Remote for NoRemote {
    fn get<'a>(
        &'a self,
        _: &'a StoredKey,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Option<Bytes>, RemoteError>> {
        Box::pin(ready(Ok(None)))
    }

    fn set<'a>(
        &'a self,
        _: &'a StoredKey,
        _: Bytes,
        _: Duration,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<(), RemoteError>> {
        Box::pin(ready(Ok(())))
    }

    fn remove<'a>(
        &'a self,
        _: &'a StoredKey,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(ready(Ok(false)))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a StoredKey],
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        Box::pin(ready(Ok(vec![None; keys.len()])))
    }

    fn keep<'a>(
        &'a self,
        _: &'a StoredKey,
        value: Bytes,
        _: Option<Duration>,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>> {
        Box::pin(ready(Ok(value)))
    }

    fn splice<'a>(
        &'a self,
        _: &'a StoredKey,
        _: usize,
        value: Bytes,
        _: Option<Duration>,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Bytes, RemoteError>> {
        Box::pin(ready(Ok(value)))
    }

    fn acquire<'a>(
        &'a self,
        _: &'a StoredKey,
        _: Claim<'a>,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Acquired, RemoteError>> {
        Box::pin(ready(Ok(Acquired::Granted)))
    }

    fn renew<'a>(
        &'a self,
        _: &'a StoredKey,
        _: &'a Lease,
        _: Duration,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(ready(Ok(true)))
    }

    fn fill<'a>(
        &'a self,
        _: &'a StoredKey,
        _: &'a Lease,
        _: Bytes,
        _: Duration,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(ready(Ok(true)))
    }

    fn release<'a>(
        &'a self,
        _: &'a StoredKey,
        _: &'a Lease,
        _: Option<(Lease, Duration)>,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<bool, RemoteError>> {
        Box::pin(ready(Ok(true)))
    }

    fn scan<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a Cursor>,
        _: usize,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Page, RemoteError>> {
        Box::pin(ready(Ok(Page::default())))
    }

    fn heads<'a>(
        &'a self,
        keys: &'a [&'a str],
        _: usize,
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        Box::pin(ready(Ok(vec![None; keys.len()])))
    }

    fn discard<'a>(
        &'a self,
        sightings: &'a [Sighting],
        _: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<bool>, RemoteError>> {
        Box::pin(ready(Ok(vec![false; sightings.len()])))
    }

    fn server_time(&self) -> Option<ServerTime> {
        None
    }

    fn health(&self, _: Deadline) -> RemoteFuture<'_, RemoteHealth> {
        Box::pin(ready(RemoteHealth::new(RemoteState::Absent, "none")))
    }

    fn close(&self) -> RemoteFuture<'_, ()> {
        Box::pin(ready(()))
    }

    fn stores(&self) -> bool {
        false
    }
}
