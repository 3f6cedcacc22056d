//! The stamps of a value's scopes: what is read from the server, and when.

use std::borrow::Cow;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use super::{Server, Space};
use crate::key::{StoredKey, Tag, Tenant};
use crate::load::Proof;
use crate::remote::{Deadline, RemoteError};
use crate::scope::{Borne, Scope};
use crate::wire::Stamp;

/// How long it takes at most until the listener has told of what changed before a late tag was read.
const CATCH_UP: Duration = Duration::from_secs(2);

/// The tags of a value and the stamps of all that it bears, from before its load.
#[derive(Clone)]
pub(crate) struct Marked {
    pub(crate) tags: Arc<[Tag]>,
    /// None without a server.
    pub(crate) stamps: Vec<Stamp>,
}

/// What an envelope says of its scopes.
#[derive(Clone, Copy)]
pub(crate) struct Scoped<'a> {
    pub(crate) stamps: &'a [Stamp],
    pub(crate) tags: &'a [Tag],
}

impl<K: Hash + Eq, V> Space<K, V> {
    /// What every value of this cache bears that has no tags.
    pub(crate) fn base(&self, tenant: Option<&Tenant>) -> Cow<'_, Borne> {
        match tenant {
            // Borrowed: a count that all threads raise is passed to and fro between their cores.
            None => Cow::Borrowed(&self.base),
            Some(tenant) => Cow::Owned(self.scopes.base(Some(tenant), &self.name)),
        }
    }

    pub(crate) fn borne(&self, tenant: Option<&Tenant>, tags: &[Tag]) -> Borne {
        let base = self.base(tenant);
        self.scopes.with_tags(&base, tenant, tags)
    }

    /// Reads those stamps of `borne` that are not known now, and makes those that are not there.
    /// `life` is the longest that a value may live which is to bear them, if one is to be stored.
    pub(super) async fn know(
        &self,
        server: &Server,
        borne: &[Arc<Scope>],
        life: Option<Duration>,
        deadline: Deadline,
    ) -> Result<(), RemoteError> {
        let watch = &self.watch;
        let unknown = borne.iter().filter(|scope| scope.stamp(watch).is_none());
        let unknown: Vec<&Arc<Scope>> = unknown.collect();
        let pending = |scope: &&Arc<Scope>| server.recovery.is_pending(&scope.key);
        if unknown.iter().any(pending) {
            // It is to be replaced, and what is read now may be what it was, also where it is answered
            // once that is done.
            return Err(RemoteError::Pending);
        }
        let mut absent: Vec<&Arc<Scope>> = Vec::new();
        if !unknown.is_empty() {
            let proofs: Vec<Proof> = unknown
                .iter()
                .map(|scope| watch.next_proof(&scope.key))
                .collect();
            let keys: Vec<&StoredKey> = unknown.iter().map(|scope| &scope.key).collect();
            let found = server.remote.get_many(&keys, deadline).await?;
            for ((scope, proof), bytes) in unknown.iter().zip(proofs).zip(found) {
                if server.recovery.is_pending(&scope.key) {
                    // It is to be replaced, and is not what it says.
                    return Err(RemoteError::Pending);
                }
                match bytes.as_deref().and_then(Stamp::from_bytes) {
                    Some(stamp) => scope.learn(stamp, proof),
                    None => absent.push(scope),
                }
            }
        }
        let now = self.shared.clock.now();
        let to_make = borne.iter().filter(|scope| {
            absent.iter().any(|absent| Arc::ptr_eq(absent, scope))
                || life.is_some_and(|life| scope.needs_prolonging(now, life))
        });
        // At the same time, however many they are.
        let made = join_all(to_make.map(|scope| self.make(server, scope, life, deadline)));
        made.await.into_iter().collect()
    }

    /// Reads a stamp, makes it where it is not there, and lets it live long enough.
    async fn make(
        &self,
        server: &Server,
        scope: &Scope,
        life: Option<Duration>,
        deadline: Deadline,
    ) -> Result<(), RemoteError> {
        let (now, proof) = (self.shared.clock.now(), self.watch.next_proof(&scope.key));
        let fresh = Bytes::copy_from_slice(&Stamp::draw().to_bytes());
        let ttl = scope.life_for(life.unwrap_or_default());
        let there = server
            .remote
            .keep(&scope.key, fresh.clone(), ttl, deadline)
            .await?;
        let Some(stamp) = Stamp::from_bytes(&there) else {
            // A stranger's. No value bears it.
            let made = server
                .remote
                .splice(&scope.key, 0, fresh, ttl, deadline)
                .await?;
            scope.learn(Stamp::from_bytes(&made).unwrap_or_else(Stamp::draw), proof);
            return Ok(());
        };
        scope.learn(stamp, proof);
        if let Some(life) = life {
            scope.prolonged(now, life);
        }
        Ok(())
    }

    /// The stamps that a value is to bear whose load begins now.
    pub(crate) async fn capture(
        &self,
        borne: &Borne,
        life: Duration,
        deadline: Deadline,
    ) -> Result<Vec<Stamp>, RemoteError> {
        let Some(server) = &self.server else {
            return Ok(Vec::new());
        };
        self.know(server, borne, Some(life), deadline).await?;
        // As they were read in this call, which will do: the load has not begun. One that has changed
        // since makes a value that nobody will serve.
        borne
            .iter()
            .map(|scope| scope.last().ok_or(RemoteError::Pending))
            .collect()
    }

    /// Reads and makes the stamps that all values of a tenant bear, ahead of many writes. What cannot be
    /// read now each of them tries for itself.
    pub(crate) async fn ready_to_write(&self, tenant: Option<&Tenant>) {
        if let Some(_pass) = self.shared.enter() {
            let life = self.lifetime_of(tenant).total();
            let base = self.base(tenant);
            let _tried = self.capture(&base, life, self.shared.deadline()).await;
        }
    }

    /// The stamps of tags that the loaded value revealed; `None` where one of them may have been
    /// invalidated since the load began, when `began` was taken.
    pub(crate) async fn late_stamps(
        &self,
        late: &Borne,
        began: Proof,
        life: Duration,
        deadline: Deadline,
    ) -> Option<Vec<Stamp>> {
        let watch = &self.watch;
        let unchanged = || {
            late.iter().all(|scope| {
                let since = watch.proof(&scope.key).as_of(began);
                watch.is_unmarked(since) && watch.is_gapless(since)
            })
        };
        let Some(server) = &self.server else {
            return unchanged().then(Vec::new);
        };
        let keys: Vec<&StoredKey> = late.iter().map(|scope| &scope.key).collect();
        let found = server.remote.get_many(&keys, deadline).await.ok()?;
        // Whatever changed before they were read has been told by then.
        if !watch.caught_up(CATCH_UP).await || !unchanged() {
            return None;
        }
        let stamps = late.iter().zip(found).map(async |(scope, before)| {
            let now = self.shared.clock.now();
            let bytes = match before {
                Some(bytes) if !scope.needs_prolonging(now, life) => bytes,
                before => {
                    // Where there was none, whoever invalidates makes one: if this one is taken,
                    // nobody did.
                    let fresh = Bytes::copy_from_slice(&Stamp::draw().to_bytes());
                    let wanted = before.unwrap_or_else(|| fresh.clone());
                    let ttl = scope.life_for(life);
                    let keep = server.remote.keep(&scope.key, fresh, ttl, deadline).await;
                    let there = keep.ok().filter(|there| *there == wanted)?;
                    scope.prolonged(now, life);
                    there
                }
            };
            Stamp::from_bytes(&bytes)
        });
        join_all(stamps).await.into_iter().collect()
    }
}
