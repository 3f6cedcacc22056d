//! What is told of a tenant.

use crate::cache::NearUsage;
use crate::telemetry::CacheStats;

/// How one tenant fares in this process. From [`Larder::tenants`](crate::Larder::tenants).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantHealth {
    /// The tenant, as it was given; `None` for all together that have no account of their own.
    pub name: Option<String>,
    /// What was counted for it, in all caches. What concerns no one call (`near_swept`,
    /// `evictions_untold`), and what never came to the cache, is counted for the cache alone.
    pub stats: CacheStats,
    /// Loaders that run for it now.
    pub loading: usize,
    /// What it has of the near tiers, in bytes and in all caches together, where it has a share of its own
    /// ([`TenantOptions::near_floor`](crate::TenantOptions::near_floor)). Of other tenants that is not
    /// known: their entries lie among each other.
    pub near: Option<NearUsage>,
}
