//! Lookups: near tier, then server.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use futures_util::future::join;
use tokio::time::timeout;

use super::{Asker, Kept, Look, Read, Seen, Space, found};
use crate::key::{CacheKey, StoredKey};
use crate::load::Proof;
use crate::near::{NearRef, Stored};
use crate::options::Call;
use crate::outcome::{Found, Freshness, Source, StaleReason};
use crate::remote::{Deadline, RemoteError};
use crate::scope::Scopes;
use crate::telemetry::Miss;
use crate::value::CacheValue;

/// What a lookup without a loader returns, and so counts as a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Fresh,
    AlsoStale,
}

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// A whole lookup, counted: what a call without a loader gets.
    pub(crate) async fn look_up<Q>(
        self: &Arc<Self>,
        at: NearRef<'_, Q>,
        wanted: Wanted,
        call: Call,
    ) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        if call.near
            && let Some((found, stored)) = self.near_entry(&at)
        {
            self.slide(&at, &call, stored);
            return Some(found);
        }
        self.sampling.saw(at.hash64());
        let _pass = self.shared.enter()?;
        let look = self.look_beyond(&at, &call).await;
        self.answer(&at, look, wanted, &call)
    }

    /// The same, also stale, for who judges by itself what it is worth: nothing is counted.
    #[cfg(feature = "http")]
    pub(crate) async fn peek<Q>(
        self: &Arc<Self>,
        at: NearRef<'_, Q>,
        call: Call,
    ) -> Result<Found<V>, Miss>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(stored) = self.near_again(&at) {
            return Ok(found(&stored, Source::Near, Freshness::Fresh, self.now()));
        }
        let Some(_pass) = self.shared.enter() else {
            return Err(Miss::Absent);
        };
        let look = self.look_beyond(&at, &call).await;
        self.taken(look, Wanted::AlsoStale, &call)
    }

    /// What is there beyond a near hit.
    async fn look_beyond<Q>(&self, at: &NearRef<'_, Q>, call: &Call) -> Look<V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        match self.stored_key(at) {
            Ok(key) => {
                let proof = self.proof(&key);
                let deadline = self.shared.deadline();
                self.look(at, &key, proof, call, deadline).await
            }
            Err(_) => Look::missed(Miss::InvalidKey, false),
        }
    }

    /// What a call without a loader gets, counted.
    pub(super) fn answer<Q>(
        self: &Arc<Self>,
        at: &NearRef<'_, Q>,
        look: Look<V>,
        wanted: Wanted,
        call: &Call,
    ) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        if let Look::Fresh { found, stored, .. } = look {
            self.count(at.tenant, |counters| counters.remote_hits.up());
            self.slide(at, call, stored);
            return Some(found);
        }
        match self.taken(look, wanted, call) {
            Ok(found) => {
                let outcome = found.outcome;
                self.count(at.tenant, |counters| counters.answered(&outcome));
                Some(found)
            }
            Err(why) => {
                self.count(at.tenant, |counters| counters.missed(why));
                None
            }
        }
    }

    /// What a call takes of what was found, or why it misses.
    fn taken(&self, look: Look<V>, wanted: Wanted, call: &Call) -> Result<Found<V>, Miss> {
        let (stale, why) = match look {
            Look::Fresh { found, .. } => return Ok(found),
            Look::Stale { kept, .. } => {
                let why = kept.missed();
                (kept.at(self.now()), why)
            }
            Look::Suspect(found) => (Some(found), Miss::RemoteUnavailable),
            Look::Unreached(kept) => {
                let found = kept.and_then(|kept| kept.at(self.now()));
                (found, Miss::RemoteUnavailable)
            }
            Look::Missed { why, .. } => (None, why),
        };
        let takes = |found: &Found<V>| wanted == Wanted::AlsoStale && call.takes(&found.outcome);
        stale.filter(takes).ok_or(why)
    }

    /// What the near tier still holds past a hit, and what the server holds. Counts nothing.
    /// `proof` was taken before.
    pub(crate) async fn look<Q>(
        &self,
        at: &NearRef<'_, Q>,
        key: &StoredKey,
        proof: Proof,
        call: &Call,
        deadline: Deadline,
    ) -> Look<V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let kept = self.near_kept(at);
        let Some(server) = self.server.as_ref().filter(|_| call.remote) else {
            return Self::without_server(kept);
        };
        if server.recovery.is_pending(key) {
            // It may hold what was removed here.
            return Look::missed(Miss::RemoteUnavailable, false);
        }
        let base = self.base(at.tenant);
        let mut has_base = false;
        let reading = async {
            if self.scopes.knows(&base) {
                return server.remote.get(key, deadline).await;
            }
            // So that a change from now on is a change of who asks: what is read here is from before
            // it (G2).
            let _since = Scopes::record(&base, proof);
            // Where they are not known they are read beside the value. If that fails, it is tried
            // again once there is a value to judge.
            // Boxed, as seldom as it is: the future of a hit is moved several times.
            let known = Box::pin(self.know(server, &base, None, deadline));
            let (value, known) = join(server.remote.get(key, deadline), known).await;
            has_base = known.is_ok();
            value
        };
        match self.patiently(kept.is_some(), reading).await {
            Ok(Some(bytes)) => {
                let read = Read { bytes, proof };
                let asker = Asker {
                    call,
                    base: &base,
                    has_base,
                };
                self.judge(server, at, key, &read, asker, deadline).await
            }
            Ok(None) => self.absent(at, proof),
            Err(error) => self.unanswered(kept, key, &error),
        }
    }

    /// Waits for the server, where there is something to serve instead no longer than for the soft
    /// timeout.
    pub(super) async fn patiently<T>(
        &self,
        has_else: bool,
        asked: impl Future<Output = Result<T, RemoteError>>,
    ) -> Result<T, RemoteError> {
        match self.options.remote_soft_timeout {
            Some(patience) if has_else => timeout(patience, asked).await.unwrap_or_else(|_| {
                Err(RemoteError::Timeout {
                    address: "the server".to_owned(),
                    after: patience,
                })
            }),
            _ => asked.await,
        }
    }

    /// What a key is worth where no server is asked.
    pub(super) fn without_server(kept: Option<Stored<V>>) -> Look<V> {
        match kept {
            Some(stored) => Look::Stale {
                kept: Kept::of(stored, Source::Near, StaleReason::Expired),
                seen: Seen::new(),
            },
            None => Look::missed(Miss::Absent, true),
        }
    }

    /// What a key is worth under which the server holds nothing.
    pub(super) fn absent<Q>(&self, at: &NearRef<'_, Q>, proof: Proof) -> Look<V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ?Sized,
    {
        // The near tier's entry was removed elsewhere, or never reached the server.
        if self.holds(proof) {
            self.near_remove(at);
        }
        Look::missed(Miss::Absent, true)
    }

    /// What a key is worth of which the server did not say what it holds.
    pub(super) fn unanswered(
        &self,
        kept: Option<Stored<V>>,
        key: &StoredKey,
        error: &RemoteError,
    ) -> Look<V> {
        // The server answers; what it holds is not ours, as bytes without our magic are not.
        if let RemoteError::WrongType { .. } = error {
            tracing::debug!(target: "larder::remote", %key, %error, "unreadable value");
            return Look::missed(Miss::Unreadable, false);
        }
        tracing::debug!(target: "larder::remote", %key, %error, "read failed");
        let Some(stored) = kept else {
            return Look::Unreached(None);
        };
        let (now, reason) = (self.now(), StaleReason::RemoteUnavailable);
        if now < stored.life().fresh_until {
            let unavailable = Freshness::Stale(reason);
            Look::Suspect(found(&stored, Source::Near, unavailable, now))
        } else {
            Look::Unreached(Some(Kept::of(stored, Source::Near, reason)))
        }
    }

    /// A near entry that has not expired and is not known to have changed, whether or not it is
    /// fresh and trusted.
    pub(super) fn near_kept<Q>(&self, at: &NearRef<'_, Q>) -> Option<Stored<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let stored = self.near_tier()?.get(at)?;
        let unmarked = self.watch.is_unmarked(stored.proof());
        (unmarked && self.now() < stored.life().expires).then_some(stored)
    }

    /// What the near tier could serve as stale, for this reason.
    pub(crate) fn kept_near<Q>(&self, at: &NearRef<'_, Q>, reason: StaleReason) -> Option<Kept<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let stored = self.near_kept(at)?;
        // Within its TTL it is fresh only where it is known to be current too.
        let suspect = self.now() < stored.life().fresh_until && !self.is_good(&stored);
        let reason = if suspect {
            StaleReason::RemoteUnavailable
        } else {
            reason
        };
        Some(Kept::of(stored, Source::Near, reason))
    }
}
