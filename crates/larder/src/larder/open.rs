//! The caches that are open.

#[cfg(feature = "macros")]
use std::any::TypeId;
use std::any::{Any, type_name};
use std::sync::Arc;

use super::Larder;
#[cfg(feature = "macros")]
use super::Remembered;
use crate::bounded::{Bounded, Bounds};
use crate::cache::{Cache, NearUsage};
use crate::error::{BoundedError, Error};
use crate::key::{CacheKey, CacheName, Tenant};
use crate::load::Lessor;
use crate::near::NearCapacity;
use crate::options::{Callbacks, Options};
use crate::remote::RemoteError;
use crate::space::{Server, Space};
use crate::telemetry::CacheStats;
use crate::value::CacheValue;
use crate::wire::Schema;

pub(super) struct Open {
    /// An `Arc<Space<K, V>>`.
    space: Box<dyn Any + Send + Sync>,
    /// Its types and options, for the error that says what is open.
    description: String,
    options: Options,
    pub(super) view: Arc<dyn View>,
}

/// What a larder does with a cache without knowing its types.
pub(super) trait View: Send + Sync {
    fn usage(&self) -> NearUsage;
    /// Whether its weights are bytes.
    #[cfg(feature = "metrics")]
    fn weighs_bytes(&self) -> bool;
    fn stats(&self) -> CacheStats;
    fn forget(&self);
    fn forget_tenant(&self, tenant: &Tenant);
    fn configured(&self, tenant: &Tenant);
    /// What a tenant has of the near tier, where it has a share of its own.
    fn usage_of(&self, tenant: &Tenant) -> Option<NearUsage>;
}

impl<K, V> View for Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    fn usage(&self) -> NearUsage {
        self.near_usage()
    }

    #[cfg(feature = "metrics")]
    fn weighs_bytes(&self) -> bool {
        matches!(self.options.near, NearCapacity::Bytes(_))
    }

    fn stats(&self) -> CacheStats {
        self.counters.snapshot()
    }

    fn forget(&self) {
        self.near_clear();
    }

    fn forget_tenant(&self, tenant: &Tenant) {
        self.forget_where(|key| key.tenant.as_ref() == Some(tenant));
    }

    fn configured(&self, tenant: &Tenant) {
        if let Some(near) = self.near_tier() {
            near.configured(tenant);
        }
    }

    fn usage_of(&self, tenant: &Tenant) -> Option<NearUsage> {
        self.near_tier()?.engines().usage_of(tenant)
    }
}

impl Larder {
    /// The cache that a function keeps here, opened at its first call.
    #[cfg(feature = "macros")]
    pub(crate) fn remembered<K, V>(
        &self,
        by: Remembered,
        open: impl FnOnce(&Self) -> Result<Cache<K, V>, Error>,
    ) -> Result<Cache<K, V>, Error>
    where
        K: CacheKey + Clone + 'static,
        V: CacheValue,
    {
        let by = (by, TypeId::of::<Cache<K, V>>());
        let kept = self.inner.remembered.read();
        if let Some(cache) = kept
            .get(&by)
            .and_then(|kept| kept.downcast_ref::<Cache<K, V>>())
        {
            return Ok(cache.viewed(self.tenant.clone()));
        }
        drop(kept);
        let cache = open(self)?;
        let kept = Box::new(cache.viewed(Ok(None)));
        self.inner.remembered.write().insert(by, kept);
        Ok(cache)
    }

    /// Whether a cache with these options has more than this process's memory.
    pub(crate) fn has_remote(&self, options: &Options) -> bool {
        let shared = &self.inner.shared;
        shared.enabled && shared.remote.stores() && !options.memory_only
    }

    /// The bounds of a cache, once the server has agreed on them or cannot be reached; `None` where there is no
    /// server.
    pub(crate) async fn bounds(
        &self,
        name: &CacheName,
        options: &Options,
        bounded: Bounded,
    ) -> Result<Option<Arc<Bounds>>, Error> {
        let shared = &self.inner.shared;
        let refused = |source: BoundedError| Error::Bounded {
            name: name.as_str().to_owned(),
            source: Box::new(source),
        };
        let bounds = Bounds::new(&shared.prefix, name, bounded);
        let bounds = Arc::new(bounds.map_err(|error| refused(error.into()))?);
        if !self.has_remote(options) {
            return Ok(None);
        }
        let opened = shared.remote.open_bounded(&bounds, shared.deadline()).await;
        match opened {
            Err(error @ (RemoteError::BoundedOtherwise { .. } | RemoteError::Unbounded)) => {
                Err(refused(error.into()))
            }
            Err(error) => {
                tracing::warn!(
                    target: "larder",
                    cache = name.as_str(), %error,
                    "it is not known yet whether a bounded cache is open with other bounds"
                );
                Ok(Some(bounds))
            }
            Ok(()) => Ok(Some(bounds)),
        }
    }

    /// The cache of this name, if it is open.
    pub(crate) fn opened<K, V>(
        &self,
        name: &CacheName,
        options: &Options,
    ) -> Option<Result<Cache<K, V>, Error>>
    where
        K: CacheKey + Clone + 'static,
        V: CacheValue,
    {
        let open = self.inner.open.lock();
        Some(self.take_up(name, open.get(name.as_str())?, options))
    }

    fn take_up<K, V>(
        &self,
        name: &CacheName,
        open: &Open,
        options: &Options,
    ) -> Result<Cache<K, V>, Error>
    where
        K: CacheKey + Clone + 'static,
        V: CacheValue,
    {
        match open.space.downcast_ref::<Arc<Space<K, V>>>() {
            Some(space) if open.options.suit(options) => {
                Ok(Cache::new(Arc::clone(space), self.tenant.clone()))
            }
            _ => Err(Error::OpenedOtherwise {
                name: name.as_str().to_owned(),
                open: open.description.clone(),
                asked: describe::<K, V>(options),
            }),
        }
    }

    pub(crate) fn open<K, V>(
        &self,
        name: &CacheName,
        options: Options,
        bounds: Option<Arc<Bounds>>,
        callbacks: Callbacks<K, V>,
    ) -> Result<Cache<K, V>, Error>
    where
        K: CacheKey + Clone + 'static,
        V: CacheValue,
    {
        let mut open = self.inner.open.lock();
        if let Some(open) = open.get(name.as_str()) {
            return self.take_up(name, open, &options);
        }
        let description = describe::<K, V>(&options);
        let shared = &self.inner.shared;
        let server = if self.has_remote(&options) {
            let codec = options.codec.ok_or_else(|| Error::FeatureMissing {
                feature: "json",
                what: format!("a codec for cache {:?}", name.as_str()),
            })?;
            let recovery = Arc::clone(shared.recovery.as_ref().ok_or(Error::Closed)?);
            let lessor = Lessor {
                remote: Arc::clone(&shared.remote),
                runtime: shared.runtime.clone(),
                gate: Arc::clone(&shared.gate),
                timeout: shared.timeout,
                cap: options.load_timeout,
            };
            Some(Server {
                remote: Arc::clone(&shared.remote),
                recovery,
                lessor,
                codec,
                schema: Schema::for_cache::<V>(codec, options.schema)?,
                bounds,
            })
        } else {
            None
        };
        let mut in_force = options.clone();
        if server.is_none() && shared.enabled && options.near == NearCapacity::Off {
            // The same code runs with a server and without. Here memory is the only tier, and
            // never behind another.
            in_force.near = NearCapacity::default();
        }
        let space = Space::open(
            Arc::clone(shared),
            name.clone(),
            in_force,
            server,
            callbacks,
        );
        open.insert(
            name.as_str().to_owned(),
            Open {
                space: Box::new(Arc::clone(&space)),
                description,
                options,
                view: Arc::clone(&space) as Arc<dyn View>,
            },
        );
        Ok(Cache::new(space, self.tenant.clone()))
    }
}

fn describe<K, V>(options: &Options) -> String {
    format!(
        "Cache<{}, {}> ({options})",
        type_name::<K>(),
        type_name::<V>()
    )
}
