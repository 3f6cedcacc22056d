//! Lands a flight: its value goes to all who wait, and into both tiers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::timeout_at;

use super::lease::Held;
use super::table::{Landing, Lead};
use super::watch::Proof;
use crate::gate::Stay;
use crate::key::{CacheKey, StoredKey, Tag};
use crate::near::{Life, Stored};
use crate::options::Lifetime;
use crate::outcome::{Found, Freshness, Outcome, Source};
use crate::remote::Deadline;
use crate::scope::{Borne, Scope, Scopes, tags_of};
use crate::space::{Marked, Scoped, Space, Times};
use crate::time::Tick;
use crate::value::CacheValue;
use crate::wire::Stamp;

/// A loaded value on its way into the tiers.
pub(super) struct Landed<V> {
    pub(super) value: Arc<V>,
    /// `None` where it cannot be stored.
    pub(super) key: Option<StoredKey>,
    /// What it bears that was known before the load; `None` where it cannot be stored.
    pub(super) marked: Option<Marked>,
    /// Tags that only the value revealed.
    pub(super) late: Vec<Box<str>>,
    /// Those of all values that were loaded with it.
    pub(super) together: Option<Arc<Together>>,
    pub(super) lifetime: Lifetime,
    pub(super) cost: Duration,
    /// What is left of the time that the call grants to the remote (G3): the loader's is its own.
    pub(super) remote_time: Duration,
}

/// The tags that the values of one load revealed. Their stamps are read, and made, once for all of them: a
/// stamp that is not there can be made by one alone, and each of the others would take it for a change.
pub(super) struct Together {
    late: Borne,
    /// From before the load.
    began: Proof,
    stamps: OnceCell<Option<Vec<Stamp>>>,
}

impl Together {
    pub(super) fn new(late: Borne, began: Proof) -> Self {
        Self {
            late,
            began,
            stamps: OnceCell::new(),
        }
    }

    /// Those of these scopes, which are some of all.
    fn pick(&self, stamps: &[Stamp], late: &Borne) -> Option<Vec<Stamp>> {
        let stamp = |scope: &Arc<Scope>| {
            let at = self.late.iter().position(|one| Arc::ptr_eq(one, scope));
            stamps.get(at?).copied()
        };
        late.iter().map(stamp).collect()
    }
}

/// What a loaded value is to bear on the server.
struct Bearing {
    /// Of all scopes but the late ones.
    stamps: Vec<Stamp>,
    tags: Arc<[Tag]>,
    late: Borne,
}

/// A write to the server that ends a load.
struct Fill<K: std::hash::Hash + Eq, V> {
    lead: Lead<K, V>,
    lease: Held,
    landed: Landed<V>,
    /// When the load was over.
    born: Tick,
    bearing: Bearing,
    payload: Vec<u8>,
    deadline: Deadline,
    _stay: Stay,
}

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// Hands a loaded value to all who wait, and writes it to both tiers.
    pub(super) async fn land(
        self: &Arc<Self>,
        mut lead: Lead<K, V>,
        landed: Landed<V>,
    ) -> Landing<V> {
        self.keep_from_late_comers(&lead, &landed.late);
        let found = Self::loaded(Arc::clone(&landed.value), landed.lifetime.ttl);
        let (lease, born) = (lead.lease.take(), self.now());
        let deadline = Deadline::after(landed.remote_time);
        let wanted = landed.key.is_some() && !landed.lifetime.ttl.is_zero();
        let Some(bearing) = self.bearing(&lead, &landed).filter(|_| wanted) else {
            if let Some(lease) = lease {
                lease.leave_note();
            }
            if wanted {
                let tenant = lead.key().tenant.as_ref();
                self.count(tenant, |counters| counters.fills_refused.up());
            }
            let _ = lead.publish(Ok(found.clone()), self.now(), || {});
            return Ok(found);
        };
        let payload = match (&self.server, &lease) {
            (Some(server), Some(_)) => server.payload(&*landed.value),
            _ => Ok(Vec::new()),
        };
        let payload = payload.inspect_err(|error| {
            tracing::warn!(
                target: "larder::load",
                cache = %self.name, %error, "cannot encode a loaded value"
            );
        });
        let payload = payload.ok().filter(|_| lease.is_some());
        // With late tags it is not known yet whether the value may be kept.
        let near = (bearing.late.is_empty() || self.server.is_none())
            .then(|| self.near_entry_of(&lead, &landed, payload.as_ref().map(Vec::len)))
            .flatten();
        let (near_key, proof) = (lead.key().clone(), lead.proof());
        let tenant = near_key.tenant.clone();
        let published = lead.publish(Ok(found.clone()), self.now(), || {
            // One that is outdated already would have no effect, except to push out a newer one.
            if let Some(stored) = near.filter(|_| self.holds(proof)) {
                let _counted = self.near_insert(near_key, stored);
            }
        });
        let refused = || self.count(tenant.as_ref(), |counters| counters.fills_refused.up());
        match (lease, payload) {
            (Some(lease), Some(payload)) if !published.voided && !self.shared.gate.has_ended() => {
                let fill = Fill {
                    lead,
                    lease,
                    landed,
                    born,
                    bearing,
                    payload,
                    deadline,
                    _stay: self.shared.gate.stay(),
                };
                let waits = fill.bearing.late.is_empty();
                // In a task of its own: a fill that was sent must be looked after, whether or
                // not the caller stays.
                let fill = self.shared.runtime.spawn(Arc::clone(self).fill(fill));
                if waits {
                    let _ = timeout_at(deadline.instant(), fill).await;
                }
            }
            (Some(lease), payload) => {
                refused();
                // A note is for what will not be stored by the next load either. Where this one was
                // invalidated, the next takes the lease and stores.
                if payload.is_none() {
                    lease.leave_note();
                }
            }
            (None, _) if self.server.is_some() => refused(),
            (None, _) => {}
        }
        Ok(found)
    }

    /// Who came after a change of a tag that only the value reveals could not know that it must not
    /// join (G2).
    fn keep_from_late_comers(&self, lead: &Lead<K, V>, late: &[Box<str>]) {
        if late.is_empty() {
            return;
        }
        let late: Vec<_> = late.iter().filter_map(|tag| Tag::new(tag).ok()).collect();
        let late = self.scopes.of_tags(lead.key().tenant.as_ref(), &late);
        // So that a change from now on is seen by the flight. One from before is seen here, by the
        // marks: a scope that nobody had met yet took no note of it.
        let _since = Scopes::record(&late, lead.proof());
        let (watch, began) = (&self.watch, lead.proof());
        let mut since = late
            .iter()
            .map(|scope| watch.proof(&scope.key).as_of(began));
        if !since.all(|since| watch.is_unmarked(since)) {
            lead.outdate();
        }
    }

    /// What the value bears, and what of it was not known before; `None` where that cannot be, or
    /// was invalidated meanwhile.
    fn bearing(&self, lead: &Lead<K, V>, landed: &Landed<V>) -> Option<Bearing> {
        let marked = landed.marked.clone()?;
        let all = marked.tags.iter().map(Tag::as_str);
        let all = all.chain(landed.late.iter().map(|tag| &**tag));
        let Ok(tags) = tags_of(all) else {
            tracing::warn!(
                target: "larder::load",
                cache = %self.name, tags = ?landed.late, "not stored: these tags cannot be"
            );
            return None;
        };
        let late = tags.get(marked.tags.len()..).unwrap_or_default();
        let tenant = lead.key().tenant.as_ref();
        let late = self.scopes.of_tags(tenant, late);
        // So that a change from now on is seen by the flight, and one from before here.
        let holds = Scopes::record(&late, lead.proof());
        holds.then_some(Bearing {
            stamps: marked.stamps,
            tags,
            late,
        })
    }

    fn near_entry_of(
        &self,
        lead: &Lead<K, V>,
        landed: &Landed<V>,
        encoded: Option<usize>,
    ) -> Option<Stored<V>> {
        let Landed {
            value,
            lifetime,
            cost,
            ..
        } = landed;
        let weight = self.weigh(&lead.key().key, value, encoded).ok()?;
        let life = Life::new(self.now(), lifetime.ttl, lifetime.stale);
        let (value, proof) = (Arc::clone(value), lead.proof());
        Some(self.stored(value, life, weight, encoded.is_some(), proof, *cost))
    }

    /// Writes a loaded value to the server, which refuses it where the key was invalidated since
    /// the load began (G2). The lead is held until then: who comes meanwhile gets its answer.
    async fn fill(self: Arc<Self>, fill: Fill<K, V>) {
        let Fill {
            lead,
            lease,
            landed,
            born,
            bearing,
            payload,
            deadline,
            _stay,
        } = fill;
        let (Some(server), Some(key)) = (&self.server, &landed.key) else {
            return;
        };
        let lifetime = landed.lifetime;
        let mut stamps = bearing.stamps;
        if !bearing.late.is_empty() {
            let life = lifetime.total();
            let mut late = None;
            if let Some(together) = &landed.together {
                let all = self.late_stamps(&together.late, together.began, life, deadline);
                let all = together.stamps.get_or_init(|| all).await.as_deref();
                late = all.and_then(|stamps| together.pick(stamps, &bearing.late));
            }
            if late.is_none() {
                // By itself, or where a tag of another one was invalidated meanwhile.
                late = self
                    .late_stamps(&bearing.late, lead.proof(), life, deadline)
                    .await;
            }
            let Some(late) = late else {
                let tenant = lead.key().tenant.as_ref();
                self.count(tenant, |counters| counters.fills_refused.up());
                lease.leave_note();
                return;
            };
            stamps.extend(late);
        }
        let scoped = Scoped {
            stamps: &stamps,
            tags: &bearing.tags,
        };
        let times = Times {
            lifetime,
            cost: landed.cost,
            age: self.now().since(born),
        };
        let filled = match server.seal(key, &payload, times, scoped) {
            Ok(bytes) => lease.fill(bytes, lifetime.total(), deadline).await,
            Err(error) => Err(error),
        };
        self.filled(lead.key().tenant.as_ref(), key, filled);
    }

    /// What a caller gets of a load; `ttl` is zero where the value is not stored.
    pub(crate) fn loaded(value: Arc<V>, ttl: Duration) -> Found<V> {
        let outcome = Outcome {
            source: Source::Loader,
            freshness: Freshness::Fresh,
            age: Duration::ZERO,
            ttl_left: ttl,
            past_ttl: Duration::ZERO,
            joined: false,
        };
        Found::new(value, outcome)
    }
}
