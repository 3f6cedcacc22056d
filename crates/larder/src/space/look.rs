//! What a lookup finds.

use bytes::Bytes;

use super::found;
use crate::key::StoredKey;
use crate::load::Proof;
use crate::near::Stored;
use crate::outcome::{Found, Freshness, Source, StaleReason};
use crate::telemetry::Miss;
use crate::time::Tick;
use crate::wire::Reject;

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

impl<V> Look<V> {
    /// That there is nothing, and nothing was seen on the server.
    pub(super) fn missed(why: Miss, may_fill: bool) -> Self {
        Self::Missed {
            why,
            may_fill,
            seen: Seen::new(),
        }
    }
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

    /// One that is within its TTL.
    pub(crate) fn fresh(stored: Stored<V>) -> Self {
        Self::of(stored, Source::Near, StaleReason::LoaderFailed)
    }

    pub(crate) fn of(stored: Stored<V>, source: Source, reason: StaleReason) -> Self {
        Self {
            stored,
            source,
            reason,
        }
    }

    /// Why a lookup misses that does not take it.
    pub(crate) fn missed(&self) -> Miss {
        match self.reason {
            StaleReason::Invalidated => Miss::Invalidated,
            StaleReason::RemoteUnavailable => Miss::RemoteUnavailable,
            _ => Miss::Expired,
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

/// What was read from the server under a key.
pub(crate) struct Read {
    pub(crate) bytes: Bytes,
    /// Taken before.
    pub(crate) proof: Proof,
}

impl Read {
    /// That it is not a value of ours.
    pub(super) fn unreadable<V>(&self, key: &StoredKey, reject: Reject) -> Look<V> {
        let reason = reject.reason.as_str();
        tracing::debug!(target: "larder::remote", %key, reason, "unreadable value");
        self.missed(Miss::Unreadable, reject.replaceable)
    }

    /// That it cannot be served.
    pub(super) fn missed<V>(&self, why: Miss, may_fill: bool) -> Look<V> {
        Look::Missed {
            why,
            may_fill,
            seen: self.bytes.clone(),
        }
    }
}
