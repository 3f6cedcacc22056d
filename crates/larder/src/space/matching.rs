//! Removals by pattern: what matches goes here and on the server.

use std::sync::Arc;

use super::Space;
use crate::error::Error;
use crate::key::{CacheKey, StoredKey, Tenant, readable};
use crate::near::NearKey;
use crate::remote::RemoteError;
use crate::scope::{Scopes, Strength, names};
use crate::sweep::{Matching, Pattern, Removed};
use crate::telemetry::Invalidated;
use crate::value::CacheValue;

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// Removes every value whose key looks like `pattern`, of one tenant, or of all and of none. Loads of
    /// such keys that are under way are not stored after it (G2).
    ///
    /// Once begun it runs to its end, as a removal of one key does.
    pub(crate) async fn remove_matching(
        self: &Arc<Self>,
        tenant: Option<&Tenant>,
        pattern: Pattern,
    ) -> Result<Removed, Error> {
        let Some(_pass) = self.shared.enter() else {
            return self.off(Removed::default());
        };
        self.count(tenant, |counters| counters.removes.up());
        let removed = self.forget_matching(tenant, &pattern);
        if self.server.is_none() {
            return Ok(removed);
        }
        let (space, tenant) = (Arc::clone(self), tenant.cloned());
        self.complete(async move {
            let tenant = tenant.as_ref();
            let answer = space.remove_on_server(tenant, &pattern).await;
            // Again: what was read meanwhile may be what was there before.
            space
                .scopes
                .change(&space.scopes.cache(tenant, &space.name));
            space.forget_matching(tenant, &pattern);
            match answer {
                Ok(removed) => Ok(removed),
                Err(RemoteError::Closed) => Err(Error::Closed),
                Err(error) => {
                    tracing::warn!(
                        target: "larder::sweep",
                        cache = %space.name, pattern = pattern.as_str(), %error,
                        "cannot remove by a pattern; the whole cache is cleared instead"
                    );
                    space.clear_instead(tenant).await
                }
            }
        })
        .await
    }

    async fn remove_on_server(
        &self,
        tenant: Option<&Tenant>,
        pattern: &Pattern,
    ) -> Result<Removed, RemoteError> {
        let shared = &self.shared;
        self.scopes.change(&self.scopes.cache(tenant, &self.name));
        // Other processes may hold what the server does not any more, so all of them are told of the
        // cache as a whole. Nothing lies under this key: its removal is the message.
        let of = names::patterns(&names::cache(
            tenant.map(Tenant::escaped),
            self.name.escaped(),
        ));
        let told = StoredKey::stamp(&shared.prefix, &of);
        shared.remote.remove(&told, shared.deadline()).await?;
        let matching = Matching {
            range: &self.range(tenant),
            pattern,
            watch: &self.watch,
        };
        matching.remove(shared).await
    }

    /// Coarser, and never lost (G6): where the server cannot be reached, it waits.
    async fn clear_instead(&self, tenant: Option<&Tenant>) -> Result<Removed, Error> {
        let of = |scopes: &Scopes| vec![scopes.cache(tenant, &self.name)];
        self.shared
            .invalidate(Invalidated::Cache, of, Strength::Remove)
            .await?;
        Ok(Removed {
            is_whole: true,
            ..Removed::default()
        })
    }

    /// Voids the flights of matching keys, and removes their near entries; what it removed.
    fn forget_matching(&self, tenant: Option<&Tenant>, pattern: &Pattern) -> Removed {
        self.forget_where(|key| {
            let is_covered = tenant.is_none() || key.tenant.as_ref() == tenant;
            // A key that cannot be written is stored nowhere.
            is_covered && readable(&key.key).is_ok_and(|text| pattern.matches(&text))
        })
    }

    /// Voids the flights of these keys, and removes their near entries; what it removed.
    pub(crate) fn forget_where(&self, is_meant: impl Fn(&NearKey<K>) -> bool) -> Removed {
        let mut removed = Removed::default();
        for key in self.table.keys().iter().filter(|key| is_meant(key)) {
            removed.loads += 1;
            self.failures.forget(&key.as_ref());
            self.table.void(&key.as_ref(), || {
                self.near_remove(&key.as_ref());
            });
        }
        let Some(near) = self.near_tier() else {
            return removed;
        };
        for (key, expires) in near.engines().walk() {
            if is_meant(&key) && near.remove(&key.as_ref()) && self.now() < expires {
                removed.values += 1;
            }
        }
        removed
    }
}
