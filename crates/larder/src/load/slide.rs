//! Prolongs the life of values that are asked for.
//!
//! What is stored again is the envelope that is there, with a new time: its stamps and its tags stay, so
//! whatever would have invalidated it still does. It is stored under a lease, after a look that it is
//! still there: who removes it from then on ends the lease, and the server refuses (G2).

use std::borrow::Borrow;
use std::sync::Arc;

use super::lead::{REFRESH_PAUSE, SAME_AGE};
use super::lease::{Asked, Held};
use super::table::{Joined, Lead};
use crate::key::{CacheKey, StoredKey, Tenant};
use crate::near::{Life, NearRef, Stored};
use crate::options::Call;
use crate::remote::RemoteError;
use crate::space::{Asker, Kept, Look, Read, Space};
use crate::value::CacheValue;
use crate::wire::HEADER_LEN;

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// Prolongs the life of a value that was hit, where the cache does that. Past half of its TTL only,
    /// so that a hot key is not written at each hit.
    pub(crate) fn slide<Q>(self: &Arc<Self>, at: &NearRef<'_, Q>, call: &Call, stored: Stored<V>)
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        if !self.options.sliding || !call.store {
            return;
        }
        let (life, now) = (stored.life(), self.now());
        if now.since(life.born) * 2 < life.fresh_until.since(life.born) {
            return;
        }
        let (Some(_pass), Ok(key)) = (self.shared.enter(), self.stored_key(at)) else {
            return;
        };
        if self.refreshes.of(at, now).is_some() {
            return;
        }
        let shares = |proof, looked| self.shares(proof, looked);
        let began = (self.proof(&key), now);
        let joined = self.table.join(at, began, shares, None, || None);
        let Joined::Lead(lead) = joined else { return };
        // Whether or not it comes to anything: each hit would try again at once.
        let until = now.plus(REFRESH_PAUSE);
        self.refreshes.put(at.to_key(), (), now, until);
        if self.server.is_none() {
            self.prolong_here(&lead, &stored);
            return;
        }
        let (space, stay, call) = (Arc::clone(self), self.shared.gate.stay(), call.clone());
        self.shared.runtime.spawn(async move {
            let _stay = stay;
            if !space.prolong(&lead, &key, &call, &stored).await {
                // Who waits meanwhile loads in its turn.
                lead.leave();
            }
        });
    }

    /// Where there is no server. A removal that came between has voided the flight, and a group's
    /// change has ended the entry's own proof.
    fn prolong_here(&self, lead: &Lead<K, V>, stored: &Stored<V>) {
        let (life, now) = (stored.life(), self.now());
        let ttl = life.fresh_until.since(life.born);
        let life = Life::new(now, ttl, life.expires.since(life.fresh_until));
        let (value, weight) = (Arc::clone(&stored.value), stored.weight());
        let (proof, cost) = (stored.proof(), stored.cost());
        let longer = Stored::new(value, weight, life, life.fresh_until, proof, cost);
        let found = Kept::fresh(longer.clone()).at(now);
        let near_key = lead.key().clone();
        if let Some(found) = found {
            let _ = lead.publish(Ok(found), now, || {
                if self.holds(proof) {
                    let _counted = self.near_insert(near_key, longer);
                }
            });
        }
    }

    /// Whether the flight has an answer. Whatever happens, nothing else is stored than what is there.
    async fn prolong(
        &self,
        lead: &Lead<K, V>,
        key: &StoredKey,
        call: &Call,
        hit: &Stored<V>,
    ) -> bool {
        let Some(server) = &self.server else {
            return false;
        };
        let near_key = lead.key().clone();
        let at = near_key.as_ref();
        let deadline = self.shared.deadline();
        if server.recovery.is_pending(key) {
            return false;
        }
        let Ok(Some(bytes)) = server.remote.get(key, deadline).await else {
            return false;
        };
        let read = Read {
            bytes,
            proof: lead.proof(),
        };
        let asker = Asker {
            call,
            base: &self.base(at.tenant),
            has_base: false,
        };
        let look = self.judge(server, &at, key, &read, asker, deadline);
        let Look::Fresh {
            found,
            stored,
            seen,
        } = look.await
        else {
            return false;
        };
        let publish = || {
            let _ = lead.publish(Ok(found.clone()), self.now(), || {});
            true
        };
        // Another process has replaced or prolonged it.
        if stored.life().born > hit.life().born.plus(SAME_AGE) {
            return publish();
        }
        let head = &seen[..seen.len().min(HEADER_LEN)];
        let Asked::Granted(lease) = Held::ask(&server.lessor, key, head, deadline).await else {
            return false;
        };
        match server.remote.get(key, deadline).await {
            Ok(Some(there)) if there == seen => {}
            _ => return false,
        }
        let filled = match server.seal_again(key, &seen) {
            Some((bytes, life)) => lease.fill(bytes, life, deadline).await,
            None => return false,
        };
        self.filled(at.tenant, key, filled);
        publish()
    }

    /// Counts what became of a write under a lease.
    pub(super) fn filled(
        &self,
        tenant: Option<&Tenant>,
        key: &StoredKey,
        filled: Result<bool, RemoteError>,
    ) {
        match filled {
            Ok(true) => self.count(tenant, |counters| counters.fills.up()),
            Ok(false) => {
                self.count(tenant, |counters| counters.fills_refused.up());
                // Whatever took the lease away, this process may not have heard of it yet.
                let _known = self.watch.mark(key);
            }
            Err(error) if error.refuses_value() => {
                self.count(tenant, |counters| counters.fills_refused.up());
                tracing::debug!(target: "larder::load", %key, %error, "fill refused");
            }
            Err(error) => {
                self.count(tenant, |counters| counters.fills_failed.up());
                tracing::debug!(target: "larder::load", %key, %error, "fill failed");
            }
        }
    }
}
