//! Caches that two tenants share.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;

use larder::{Cache, NearCapacity, TenantOptions};

use super::CAPACITY;
use crate::Failure;

/// The bytes of a value.
pub(super) const VALUE: usize = 1_000;

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

pub(super) trait Subject {
    fn name(&self) -> &'static str;

    /// Whether it was a hit.
    fn get_or_load<'a>(
        &'a self,
        tenant: &'static str,
        key: u32,
    ) -> Answer<'a, Result<bool, Failure>>;

    fn bytes(&self) -> Answer<'_, u64>;
}

fn value() -> Vec<u8> {
    vec![7; VALUE]
}

pub(super) struct Larder {
    name: &'static str,
    cache: Cache<u32, Vec<u8>>,
}

impl Larder {
    pub(super) async fn open(
        name: &'static str,
        quiet: TenantOptions,
        noisy: TenantOptions,
    ) -> Result<Self, Failure> {
        let larder = larder::Larder::in_memory().await?;
        larder.configure_tenant("quiet", quiet)?;
        larder.configure_tenant("noisy", noisy)?;
        let cache = larder.cache("shared").near(NearCapacity::Bytes(CAPACITY));
        let weigh = |_: &u32, value: &Vec<u8>| value.len() as u64;
        let cache = cache.weigher(weigh).build()?;
        Ok(Self { name, cache })
    }
}

impl Subject for Larder {
    fn name(&self) -> &'static str {
        self.name
    }

    fn get_or_load<'a>(
        &'a self,
        tenant: &'static str,
        key: u32,
    ) -> Answer<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let loaded = Cell::new(false);
            let load = async || {
                loaded.set(true);
                Ok::<_, std::io::Error>(value())
            };
            let view = self.cache.tenant(tenant);
            view.get_or_load(&key, load).await?;
            Ok(!loaded.get())
        })
    }

    fn bytes(&self) -> Answer<'_, u64> {
        Box::pin(async { self.cache.near_usage().weight })
    }
}

/// The tenant is a part of the key, as users of a cache without tenants do it.
pub(super) struct Moka(moka::future::Cache<(&'static str, u32), Arc<Vec<u8>>>);

impl Moka {
    pub(super) fn open() -> Self {
        let overhead = NearCapacity::ENTRY_OVERHEAD as u32;
        let cache = moka::future::Cache::builder()
            .max_capacity(CAPACITY)
            // As much as larder counts.
            .weigher(move |_, value: &Arc<Vec<u8>>| value.len() as u32 + overhead);
        Self(cache.build())
    }
}

impl Subject for Moka {
    fn name(&self) -> &'static str {
        "moka"
    }

    fn get_or_load<'a>(
        &'a self,
        tenant: &'static str,
        key: u32,
    ) -> Answer<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let entry = self.0.entry((tenant, key));
            let entry = entry.or_insert_with(async { Arc::new(value()) }).await;
            Ok(!entry.is_fresh())
        })
    }

    fn bytes(&self) -> Answer<'_, u64> {
        Box::pin(async {
            self.0.run_pending_tasks().await;
            self.0.weighted_size()
        })
    }
}
