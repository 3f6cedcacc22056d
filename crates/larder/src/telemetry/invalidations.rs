//! How often groups were invalidated.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was invalidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalidated {
    Everything,
    Untenanted,
    Tenant,
    Cache,
    Tag,
}

impl Invalidated {
    #[cfg(feature = "metrics")]
    pub(crate) const ALL: [(Self, &str); 5] = [
        (Self::Everything, "everything"),
        (Self::Untenanted, "no_tenant"),
        (Self::Tenant, "tenant"),
        (Self::Cache, "cache"),
        (Self::Tag, "tag"),
    ];
}

#[derive(Debug, Default)]
pub(crate) struct Invalidations([AtomicU64; 5]);

impl Invalidations {
    pub(crate) fn count(&self, what: Invalidated, times: usize) {
        self.0[what as usize].fetch_add(times as u64, Ordering::Relaxed);
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn of(&self, what: Invalidated) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }
}
