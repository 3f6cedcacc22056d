//! What a larder says of its state.

use std::fmt;

use crate::cache::NearUsage;
use crate::remote::{RemoteHealth, RemoteState};
use crate::telemetry::CacheStats;

/// How a larder is. From [`Larder::health`](crate::Larder::health).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Health {
    /// Whether the cache is switched on.
    pub enabled: bool,
    /// Whether the larder was closed.
    pub closed: bool,
    /// How the server is, asked just now.
    pub remote: RemoteHealth,
    /// Whether near tiers hear of what other processes write.
    pub near: NearTrust,
    /// Writes of this process that could not reach the server yet.
    pub pending_writes: usize,
    /// The open caches, by name.
    pub caches: Vec<CacheHealth>,
}

impl Health {
    /// Whether everything that is configured works: the cache is on, and its server answers where
    /// there is one.
    pub fn is_usable(&self) -> bool {
        self.enabled
            && !self.closed
            && matches!(self.remote.state, RemoteState::Up | RemoteState::Absent)
    }

    /// Whether it works without its server for now: from memory and loaders alone.
    pub fn is_degraded(&self) -> bool {
        self.enabled && !self.closed && self.remote.state == RemoteState::Down
    }
}

/// One line: what the larder runs on, and what is wrong with it.
impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.enabled {
            return f.write_str("switched off");
        }
        if self.closed {
            return f.write_str("closed");
        }
        let remote = &self.remote;
        match (remote.state, &remote.last_error) {
            (RemoteState::Absent, _) => f.write_str("memory"),
            (RemoteState::Up, _) => {
                f.write_str("memory, and ")?;
                if let Some(server) = &remote.server {
                    write!(f, "{} {} at ", server.kind, server.version)?;
                }
                f.write_str(&remote.address)
            }
            (_, Some(error)) => write!(f, "memory alone, degraded: {error}"),
            (_, None) => write!(f, "memory alone, degraded: {} is away", remote.address),
        }
    }
}

/// Whether what near tiers hold is known to be current, in caches whose
/// [`Coherence`](crate::Coherence) is `Pushed`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NearTrust {
    /// There is no server, so nobody else writes.
    Alone,
    /// The server tells of changes, and answered within the last second.
    Trusted,
    /// The server does not tell of changes for now: near entries are asked for again, each time.
    Untrusted {
        /// Why.
        reason: String,
    },
    /// The remote never tells of changes: near entries are believed for a second.
    Untold,
}

/// How one cache is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CacheHealth {
    /// The cache's name.
    pub name: String,
    /// What its near tier holds.
    pub near: NearUsage,
    /// What it has counted.
    pub stats: CacheStats,
}
