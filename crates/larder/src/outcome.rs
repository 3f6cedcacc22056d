//! What a lookup reports beside the value.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// A value and how it was come by. Dereferences to the value.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found<V> {
    /// The value.
    pub value: Arc<V>,
    /// Where it came from, and how old it is.
    pub outcome: Outcome,
}

impl<V> Found<V> {
    pub(crate) fn new(value: Arc<V>, outcome: Outcome) -> Self {
        Self { value, outcome }
    }

    /// The same, as it is some time later; `None` where it is no longer fresh.
    pub(crate) fn later(&self, by: Duration) -> Option<Self> {
        let mut later = self.clone();
        if !by.is_zero() {
            later.outcome.age += by;
            later.outcome.ttl_left = self.outcome.ttl_left.saturating_sub(by);
            if later.outcome.ttl_left.is_zero() {
                return None;
            }
        }
        Some(later)
    }
}

// Derived, this would ask for `V: Clone`.
impl<V> Clone for Found<V> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.value), self.outcome)
    }
}

impl<V> Deref for Found<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.value
    }
}

/// Source, freshness and age of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Which tier answered, or that the loader ran.
    pub source: Source,
    /// Fresh, or stale and why (G4).
    pub freshness: Freshness,
    /// How long ago the value was loaded or set, never understated.
    pub age: Duration,
    /// How much longer it is fresh; zero where it is stale.
    pub ttl_left: Duration,
    /// How long ago its TTL ended; zero where it has not.
    pub past_ttl: Duration,
    /// Whether this caller waited for a load that another caller began.
    pub joined: bool,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The memory of this process.
    Near,
    /// The shared server.
    Remote,
    /// The loader, run just now.
    Loader,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Near => "near",
            Self::Remote => "remote",
            Self::Loader => "loader",
        })
    }
}

/// Whether an answer is within its TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Freshness {
    /// Within its TTL.
    Fresh,
    /// Not known to be current, within the stale window that the cache allows (G4).
    Stale(StaleReason),
}

impl Freshness {
    /// Whether the answer is within its TTL and known to be current.
    pub fn is_fresh(self) -> bool {
        self == Self::Fresh
    }
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh => f.write_str("fresh"),
            Self::Stale(reason) => write!(f, "stale ({reason})"),
        }
    }
}

/// Why an answer is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StaleReason {
    /// Its TTL has passed, and nothing newer was asked for.
    Expired,
    /// Its TTL has passed, and the loader failed.
    LoaderFailed,
    /// A newer one is being loaded, and that takes longer than the caller is to wait.
    SlowLoad,
    /// A group that it belongs to was expired: [`Strength::Expire`](crate::Strength::Expire).
    Invalidated,
    /// The server could not be asked whether it still stands.
    RemoteUnavailable,
    /// It was written before the server's history changed (a restart, a failover), so its age
    /// is not known exactly.
    UnknownLineage,
}

impl fmt::Display for StaleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "expired",
            Self::LoaderFailed => "the loader failed",
            Self::SlowLoad => "the load takes long",
            Self::Invalidated => "a group of it was expired",
            Self::RemoteUnavailable => "the remote is unavailable",
            Self::UnknownLineage => "written before the server's history changed",
        })
    }
}
