//! What one tenant may have.

use std::time::Duration;

use crate::error::Error;
use crate::time::MAX_TTL;

/// What is particular about a tenant: [`Larder::configure_tenant`](crate::Larder::configure_tenant). All of
/// it is for this process.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), larder::Error> {
/// use std::time::Duration;
/// use larder::{Larder, TenantOptions};
///
/// // What each tenant has, unless it is said otherwise.
/// let each = TenantOptions::new().max_loads(32).near_ceiling(16 << 20);
/// let larder = Larder::builder().tenants(each).build().await?;
///
/// let large = each.near_floor(8 << 20).near_ceiling(48 << 20).max_loads(256);
/// larder.configure_tenant("acme", large.ttl(Duration::from_secs(600)))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct TenantOptions {
    pub(crate) ttl: Option<Duration>,
    pub(crate) stale: Option<Duration>,
    pub(crate) near_floor: u64,
    pub(crate) near_ceiling: Option<u64>,
    pub(crate) max_loads: Option<usize>,
}

impl TenantOptions {
    /// Nothing particular: as for what has no tenant.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the tenant's values are fresh in caches that were first opened without a
    /// [`ttl`](crate::CacheBuilder::ttl) of their own.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long past their TTL the tenant's values may be served as stale in caches that were first
    /// opened without a [`stale`](crate::CacheBuilder::stale) of their own.
    pub fn stale(mut self, stale: Duration) -> Self {
        self.stale = Some(stale);
        self
    }

    /// How many bytes of the near tier are the tenant's in each cache, whatever others do: what it
    /// does not use others may have, until it does.
    ///
    /// It counts in caches whose [`NearCapacity`](crate::NearCapacity) is in bytes. Floors take at most three
    /// quarters of a cache's capacity; who comes later than those that fill it has less.
    pub fn near_floor(mut self, bytes: u64) -> Self {
        self.near_floor = bytes;
        self
    }

    /// How many bytes of the near tier the tenant may have at most in each cache. The default is the
    /// cache's capacity.
    ///
    /// It counts in caches whose [`NearCapacity`](crate::NearCapacity) is in bytes. What is left beyond the
    /// floors goes in equal parts to all tenants who want more and have a floor or a ceiling; all others,
    /// and what has no tenant, count as one of them.
    pub fn near_ceiling(mut self, bytes: u64) -> Self {
        self.near_ceiling = Some(bytes);
        self
    }

    /// How many loaders may run for the tenant at once, in all caches; a batch's counts as one. A caller
    /// over it gets a stale value where there is one, else
    /// [`LoadError::Overloaded`](crate::LoadError::Overloaded). The default is no limit of its own.
    pub fn max_loads(mut self, max: usize) -> Self {
        self.max_loads = Some(max);
        self
    }

    /// Whether the tenant's near entries are kept apart from those of others.
    pub(crate) fn has_share(&self) -> bool {
        self.near_floor > 0 || self.near_ceiling.is_some()
    }

    pub(crate) fn check(&self, tenant: Option<&str>) -> Result<(), Error> {
        let out_of_range = |what, value: String, allowed| {
            let tenant = tenant.map(str::to_owned);
            Err(Error::TenantOption {
                tenant,
                what,
                value,
                allowed,
            })
        };
        for (what, time) in [("ttl", self.ttl), ("stale", self.stale)] {
            if let Some(time) = time
                && time > MAX_TTL
            {
                return out_of_range(what, format!("{time:?}"), "at most ten years".to_owned());
            }
        }
        match self.near_ceiling {
            Some(ceiling) if ceiling == 0 || ceiling < self.near_floor => {
                let allowed = format!("above 0, and at least the floor of {}", self.near_floor);
                return out_of_range("near_ceiling", ceiling.to_string(), allowed);
            }
            _ => {}
        }
        if self.max_loads == Some(0) {
            return out_of_range("max_loads", "0".to_owned(), "at least 1".to_owned());
        }
        Ok(())
    }
}
