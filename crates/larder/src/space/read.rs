//! Lookups: near tier, then server.

use std::borrow::Borrow;
use std::future::poll_fn;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::{Server, Space, found};
use crate::key::{CacheKey, StoredKey, Tag};
use crate::load::Proof;
use crate::near::{Engine, Life, NearRef, Stored};
use crate::options::Call;
use crate::outcome::{Found, Freshness, Source, StaleReason};
use crate::remote::{Deadline, RemoteError, ServerTime};
use crate::scope::{Scopes, Standing};
use crate::telemetry::Miss;
use crate::time::Tick;
use crate::value::CacheValue;
use crate::wire::{Envelope, Header, Reject};

/// What the tiers say about a key.
pub(crate) enum Look<V> {
    /// Within its TTL.
    Fresh {
        found: Found<V>,
        stored: Stored<V>,
        /// What the server holds.
        seen: Seen,
    },
    /// To be served only where nothing better can be had.
    Stale {
        kept: Kept<V>,
        /// What the server holds.
        seen: Seen,
    },
    /// The server was not reached, and the near tier holds a value within its TTL that nobody
    /// vouches for now.
    Suspect(Found<V>),
    /// The server was not reached. Beside it, what the near tier holds past its TTL.
    Unreached(Option<Kept<V>>),
    /// Nothing to serve.
    Missed {
        why: Miss,
        /// Whether a load may write to the server: not over what a newer program stored (G9).
        may_fill: bool,
        /// What the server holds and cannot be used.
        seen: Seen,
    },
}

/// What the server holds; empty where it holds nothing.
pub(crate) type Seen = Bytes;

/// A value past its TTL, kept in case nothing better can be had.
pub(crate) struct Kept<V> {
    stored: Stored<V>,
    source: Source,
    reason: StaleReason,
}

// Derived, this would ask for `V: Clone`.
impl<V> Clone for Kept<V> {
    fn clone(&self) -> Self {
        Self {
            stored: self.stored.clone(),
            ..*self
        }
    }
}

impl<V> Kept<V> {
    /// What was known when it was read.
    pub(crate) fn proof(&self) -> Proof {
        self.stored.proof()
    }

    /// Whether the server held it when it was read.
    pub(crate) fn is_remote(&self) -> bool {
        self.source == Source::Remote
    }

    /// The value as it may be served at `now`: a loader or a server may have taken longer than the
    /// stale window (G4).
    pub(crate) fn at(self, now: Tick) -> Option<Found<V>> {
        let life = self.stored.life();
        // A refresh that failed leaves a value that is still fresh.
        let freshness = match self.reason {
            StaleReason::LoaderFailed if now < life.fresh_until => Freshness::Fresh,
            reason => Freshness::Stale(reason),
        };
        (now < life.expires).then(|| found(&self.stored, self.source, freshness, now))
    }

    pub(crate) fn of(stored: Stored<V>, source: Source, reason: StaleReason) -> Self {
        Self {
            stored,
            source,
            reason,
        }
    }

    /// The same, where a loader was asked for something newer and failed.
    pub(crate) fn after_failed_load(self, now: Tick) -> Option<Found<V>> {
        self.because(StaleReason::LoaderFailed).at(now)
    }

    /// The same value, served for another reason. That the server is away remains the first.
    pub(crate) fn because(mut self, reason: StaleReason) -> Self {
        if self.reason != StaleReason::RemoteUnavailable {
            self.reason = reason;
        }
        self
    }
}

/// What was read from the server.
pub(crate) struct Read {
    pub(crate) bytes: Bytes,
    /// Taken before.
    pub(crate) proof: Proof,
    /// Whether the stamps that every value of the key bears were read in the same call.
    pub(crate) has_base: bool,
}

/// Both at once, on the caller's task: the first is polled first.
async fn join<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    poll_fn(|cx| {
        if first.is_none()
            && let Poll::Ready(answer) = a.as_mut().poll(cx)
        {
            first = Some(answer);
        }
        if second.is_none()
            && let Poll::Ready(answer) = b.as_mut().poll(cx)
        {
            second = Some(answer);
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (first, second) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

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
        let _pass = self.shared.enter()?;
        let look = match self.stored_key(&at) {
            Ok(key) => {
                let proof = self.proof(&key);
                let deadline = self.shared.deadline();
                self.look(&at, &key, proof, &call, deadline).await
            }
            Err(_) => Look::Missed {
                why: Miss::InvalidKey,
                may_fill: false,
                seen: Seen::new(),
            },
        };
        let (stale, why) = match look {
            Look::Fresh { found, stored, .. } => {
                self.counters.remote_hits.up();
                self.slide(&at, &call, stored);
                return Some(found);
            }
            Look::Stale { kept, .. } => (kept.at(self.now()), Miss::Absent),
            Look::Suspect(found) => (Some(found), Miss::RemoteUnavailable),
            Look::Unreached(kept) => {
                let found = kept.and_then(|kept| kept.at(self.now()));
                (found, Miss::RemoteUnavailable)
            }
            Look::Missed { why, .. } => (None, why),
        };
        let takes = |found: &Found<V>| wanted == Wanted::AlsoStale && call.takes(&found.outcome);
        let stale = stale.filter(takes);
        match &stale {
            Some(_) => self.counters.stale_hits.up(),
            None => self.counters.missed(why),
        }
        stale
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
            return match kept {
                Some(stored) => Look::Stale {
                    kept: Kept {
                        stored,
                        source: Source::Near,
                        reason: StaleReason::Expired,
                    },
                    seen: Seen::new(),
                },
                None => Look::Missed {
                    why: Miss::Absent,
                    may_fill: true,
                    seen: Seen::new(),
                },
            };
        };
        if server.recovery.is_pending(key) {
            // It may hold what was removed here.
            return Look::Missed {
                why: Miss::RemoteUnavailable,
                may_fill: false,
                seen: Seen::new(),
            };
        }
        let base = self.base(at.tenant);
        let mut has_base = false;
        let asked = async {
            if self.scopes.stamps(&base).is_some() {
                return server.remote.get(key, deadline).await;
            }
            // So that a change from now on is a change of who asks: what is read here is from before
            // it (G2).
            let _since = Scopes::record(&base, proof);
            // Where they are not known they are read beside the value. If that fails, it is tried
            // again once there is a value to judge.
            let known = self.know(server, &base, None, deadline);
            let (value, known) = join(server.remote.get(key, deadline), known).await;
            has_base = known.is_ok();
            value
        };
        let answer = match (&kept, self.options.remote_soft_timeout) {
            (Some(_), Some(patience)) => timeout(patience, asked).await.unwrap_or_else(|_| {
                Err(RemoteError::Timeout {
                    address: "the server".to_owned(),
                    after: patience,
                })
            }),
            _ => asked.await,
        };
        match answer {
            Ok(Some(bytes)) => {
                let read = Read {
                    bytes,
                    proof,
                    has_base,
                };
                self.judge(server, at, key, &read, call, deadline).await
            }
            Ok(None) => {
                // The near tier's entry was removed elsewhere, or never reached the server.
                if self.holds(proof) {
                    self.near_remove(at);
                }
                Look::Missed {
                    why: Miss::Absent,
                    may_fill: true,
                    seen: Seen::new(),
                }
            }
            // The server answers; what it holds is not ours, as bytes without our magic are not.
            Err(error @ RemoteError::WrongType { .. }) => {
                tracing::debug!(target: "larder::remote", %key, %error, "unreadable value");
                Look::Missed {
                    why: Miss::Unreadable,
                    may_fill: false,
                    seen: Seen::new(),
                }
            }
            Err(error) => {
                tracing::debug!(target: "larder::remote", %key, %error, "read failed");
                let Some(stored) = kept else {
                    return Look::Unreached(None);
                };
                let (now, reason) = (self.now(), StaleReason::RemoteUnavailable);
                if now < stored.life().fresh_until {
                    let unavailable = Freshness::Stale(reason);
                    Look::Suspect(found(&stored, Source::Near, unavailable, now))
                } else {
                    Look::Unreached(Some(Kept {
                        stored,
                        source: Source::Near,
                        reason,
                    }))
                }
            }
        }
    }

    /// A near entry that has not expired and is not known to have changed, whether or not it is
    /// fresh and trusted.
    fn near_kept<Q>(&self, at: &NearRef<'_, Q>) -> Option<Stored<V>>
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

    /// What the server's bytes are worth. What is fresh is offered to the near tier.
    pub(crate) async fn judge<Q>(
        &self,
        server: &Server,
        at: &NearRef<'_, Q>,
        key: &StoredKey,
        read: &Read,
        call: &Call,
        deadline: Deadline,
    ) -> Look<V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let (bytes, proof) = (&read.bytes, read.proof);
        let (codec, schema) = (server.codec, server.schema);
        let unreadable = |reject: Reject| {
            tracing::debug!(
                target: "larder::remote",
                %key, reason = reject.reason.as_str(), "unreadable value"
            );
            Look::Missed {
                why: Miss::Unreadable,
                may_fill: reject.replaceable,
                seen: bytes.clone(),
            }
        };
        let envelope = match Envelope::parse(bytes) {
            Ok(envelope) => envelope,
            Err(error) => return unreadable(error.into()),
        };
        let (header, stamps) = (envelope.header, envelope.stamps);
        let value = match envelope.decode::<V>(key.original(), codec, schema) {
            Ok(value) => value,
            Err(reject) => return unreadable(reject),
        };
        let tags: Option<Vec<Tag>> = envelope
            .tags
            .iter()
            .map(|tag| Tag::new(tag?).ok())
            .collect();
        let Some(tags) = tags else {
            return unreadable(Reject::corrupt());
        };
        let scopes = &self.scopes;
        let base = self.base(at.tenant);
        let borne = scopes.with_tags(&base, at.tenant, &tags);
        // Before its stamps are compared: a change from now on is a change of who asks, and of those
        // who wait for the same (G2).
        let _since = Scopes::record(&borne, proof);
        let mut standing = scopes.standing(&borne, stamps);
        if standing == Standing::Unknown {
            let unknown = borne.get(if read.has_base { base.len() } else { 0 }..);
            let unknown = unknown.unwrap_or_default();
            if let Err(error) = self.know(server, unknown, None, deadline).await {
                tracing::debug!(target: "larder::remote", %key, %error, "stamps are not known");
                return Look::Missed {
                    why: Miss::RemoteUnavailable,
                    may_fill: false,
                    seen: bytes.clone(),
                };
            }
            standing = Scopes::standing_as_read(&borne, stamps);
        }
        if standing == Standing::Removed {
            return Look::Missed {
                why: Miss::Invalidated,
                may_fill: true,
                seen: bytes.clone(),
            };
        }
        let now = self.now();
        let Some((life, freshness)) = judge_age(&header, server.remote.server_time(), now) else {
            return Look::Missed {
                why: Miss::Absent,
                may_fill: true,
                seen: bytes.clone(),
            };
        };
        let (life, freshness) = judge_standing(life, freshness, standing, now);
        let value = Arc::new(value);
        let weight = self.weigh(at.key, &value, Some(bytes.len())).ok();
        let cost = Duration::from_micros(header.cost_us.into());
        let stored = self.stored(value, life, weight.unwrap_or(0), true, proof, cost);
        if let Freshness::Stale(reason) = freshness {
            let kept = Kept {
                stored,
                source: Source::Remote,
                reason,
            };
            return Look::Stale {
                kept,
                seen: bytes.clone(),
            };
        }
        let found = found(&stored, Source::Remote, freshness, now);
        // One that is outdated already would have no effect, except to push out a newer one.
        if weight.is_some()
            && call.store
            && self.near_tier().is_some()
            && Scopes::record(&borne, proof)
            && self.holds(proof)
        {
            let _counted = self.near_insert(at.to_key(), stored.clone());
        }
        Look::Fresh {
            found,
            stored,
            seen: bytes.clone(),
        }
    }
}

/// How old a value is and what that makes of it; `None` past its stale window (G4).
///
/// Its age is a difference of two times of one server's clock, the later one estimated and taken
/// at its highest (G7). Where the clock is not the one that the value was stamped by, its age is
/// unknown: it is stale at best.
fn judge_age(header: &Header, server: Option<ServerTime>, now: Tick) -> Option<(Life, Freshness)> {
    let ttl = Duration::from_millis(header.ttl_ms);
    let stale = Duration::from_millis(header.stale_ms);
    let server = server.filter(|server| server.lineage == header.lineage);
    let (age, past_ttl) = match server {
        Some(server) => {
            let latest = server.now_ms.saturating_add(server.error_ms);
            let age = Duration::from_millis(latest.saturating_sub(header.written_ms));
            (age, StaleReason::Expired)
        }
        None => (ttl, StaleReason::UnknownLineage),
    };
    if age >= ttl + stale {
        return None;
    }
    let freshness = if age < ttl {
        Freshness::Fresh
    } else {
        Freshness::Stale(past_ttl)
    };
    Some((Life::new(now.minus(age), ttl, stale), freshness))
}

/// What the groups of a value make of its freshness: one that is expired is past its TTL from now on,
/// also where a load that is to replace it fails.
fn judge_standing(
    life: Life,
    freshness: Freshness,
    standing: Standing,
    now: Tick,
) -> (Life, Freshness) {
    if freshness != Freshness::Fresh || standing != Standing::Expired {
        return (life, freshness);
    }
    let life = Life {
        fresh_until: now,
        ..life
    };
    (life, Freshness::Stale(StaleReason::Invalidated))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Tick = Tick(1_000_000_000_000);

    fn header(written_ms: u64) -> Header {
        Header {
            written_ms,
            lineage: 7,
            ttl_ms: 1_000,
            stale_ms: 500,
            ..Header::default()
        }
    }

    fn judge_at(now_ms: u64, error_ms: u64, lineage: u64) -> Option<(Duration, Freshness)> {
        let server = ServerTime {
            now_ms,
            error_ms,
            lineage,
        };
        judge_age(&header(50_000), Some(server), NOW)
            .map(|(life, freshness)| (NOW.since(life.born), freshness))
    }

    #[test]
    fn freshness_follows_the_servers_clock_at_its_latest() {
        let ms = Duration::from_millis;
        assert_eq!(judge_at(50_100, 5, 7), Some((ms(105), Freshness::Fresh)));
        assert_eq!(judge_at(50_994, 5, 7), Some((ms(999), Freshness::Fresh)));
        let expired = Freshness::Stale(StaleReason::Expired);
        assert_eq!(judge_at(50_995, 5, 7), Some((ms(1_000), expired)));
        assert_eq!(judge_at(51_494, 5, 7), Some((ms(1_499), expired)));
        assert_eq!(judge_at(51_495, 5, 7), None);
    }

    #[test]
    fn a_value_from_before_a_restart_is_stale_at_best() {
        let unknown = Freshness::Stale(StaleReason::UnknownLineage);
        assert_eq!(judge_at(50_000, 0, 8).map(|(_, f)| f), Some(unknown));
        assert!(judge_age(&header(0), None, NOW).is_some());
        let strict = Header {
            stale_ms: 0,
            ..header(50_000)
        };
        assert!(judge_age(&strict, None, NOW).is_none());
    }

    #[test]
    fn a_clock_that_ran_backwards_makes_nothing_older_than_it_is() {
        assert_eq!(judge_at(1, 1, 7), Some((Duration::ZERO, Freshness::Fresh)));
    }
}
