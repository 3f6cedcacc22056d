//! Loads that nobody waits for: before a value expires, and so that it lives longer.

use std::borrow::Borrow;
use std::fmt::Display;
use std::future::ready;
use std::sync::Arc;

use super::lead::{Purpose, Task};
use super::table::Joined;
use super::{Load, Loaded};
use crate::key::CacheKey;
use crate::near::{NearRef, Stored};
use crate::options::{Call, Lifetime};
use crate::outcome::{Source, StaleReason};
use crate::space::{Kept, Space};
use crate::value::CacheValue;

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// Prolongs the life of a value that was hit, where the cache does that: a load of what is there
    /// already. Past half of its TTL only, so that a hot key is not written at each hit.
    pub(crate) fn slide<Q>(self: &Arc<Self>, at: &NearRef<'_, Q>, call: &Call, stored: Stored<V>)
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        if !self.options.sliding || !call.store {
            return;
        }
        let life = stored.life();
        if self.now().since(life.born) * 2 < life.fresh_until.since(life.born) {
            return;
        }
        // For its own times, which may be others than the cache's.
        let lifetime = Lifetime {
            ttl: life.fresh_until.since(life.born),
            stale: life.expires.since(life.fresh_until),
        };
        let call = Call {
            lifetime,
            ..call.clone()
        };
        let again = |load: Load<V>| ready(load.unchanged().ok_or("it is gone"));
        self.in_background(at, &call, stored, Purpose::Slide, again);
    }

    /// Loads a value anew in the background, unless that is being done, or failed a moment ago.
    pub(crate) fn refresh<Q, L, F, E>(
        self: &Arc<Self>,
        at: &NearRef<'_, Q>,
        call: &Call,
        stored: Stored<V>,
        loader: L,
    ) where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce(Load<V>) -> F + Send + 'static,
        F: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        self.in_background(at, call, stored, Purpose::Refresh, loader);
    }

    fn in_background<Q, L, F, E>(
        self: &Arc<Self>,
        at: &NearRef<'_, Q>,
        call: &Call,
        stored: Stored<V>,
        purpose: Purpose,
        loader: L,
    ) where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce(Load<V>) -> F + Send + 'static,
        F: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        let (Some(_pass), Ok(key)) = (self.shared.enter(), self.stored_key(at)) else {
            return;
        };
        let now = self.now();
        if self.refreshes.of(at, now).is_some() || self.failures.of(at, now).is_some() {
            return;
        }
        let shares = |proof, looked| self.shares(proof, looked);
        let began = (self.proof(&key), now);
        let joined = self.table.join(at, began, shares, None, || None);
        let Joined::Lead(lead) = joined else { return };
        let born = stored.life().born;
        lead.keep(Kept::of(stored, Source::Near, StaleReason::LoaderFailed));
        let (space, stay) = (Arc::clone(self), self.shared.gate.stay());
        let task = Task {
            call: call.clone(),
            purpose,
            born: Some(born),
            rests: false,
        };
        self.shared.runtime.spawn(async move {
            let _stay = stay;
            let _told = space.lead(lead, Some(key), task, loader).await;
        });
    }
}
