//! What a larder says of its state.

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
