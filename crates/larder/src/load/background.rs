//! Loads that nobody waits for, before a value expires.

use std::borrow::Borrow;
use std::fmt::Display;
use std::sync::Arc;

use super::lead::{Purpose, Task};
use super::table::Joined;
use super::{Load, Loaded};
use crate::key::CacheKey;
use crate::near::{NearRef, Stored};
use crate::options::Call;
use crate::outcome::{Source, StaleReason};
use crate::space::{Kept, Space};
use crate::value::CacheValue;

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
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
            purpose: Purpose::Refresh,
            born: Some(born),
            rests: false,
        };
        self.shared.runtime.spawn(async move {
            let _stay = stay;
            let _told = space.lead(lead, Some(key), task, loader).await;
        });
    }
}
