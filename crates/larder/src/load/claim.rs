//! A leader's way to the server: what it holds, and the right to load.

use std::borrow::Borrow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::lead::{Purpose, REFRESH_PAUSE, Task};
use super::lease::{Asked, Held, LEASE_TTL};
use super::table::Lead;
use super::watch::Proof;
use crate::key::{CacheKey, StoredKey};
use crate::near::NearRef;
use crate::options::Call;
use crate::outcome::{Found, Source, StaleReason};
use crate::remote::{Deadline, Lease};
use crate::scope::Scopes;
use crate::space::{Asker, Kept, Look, Marked, Read, Seen, Server, Space};
use crate::telemetry::Miss;
use crate::value::CacheValue;
use crate::wire::HEADER_LEN;

/// How long a wait for another process's load lasts before the server is asked again, where its
/// end is told by a push.
const POLL_TOLD: Duration = Duration::from_secs(1);
/// The same, where nothing is told.
const POLL_BLIND: Duration = Duration::from_millis(50);

/// A leader's way to the server.
pub(super) struct Way<'a> {
    pub(super) key: &'a StoredKey,
    pub(super) task: &'a Task,
    /// What is left of the time that the call grants to the remote.
    pub(super) remote_time: Duration,
}

impl Way<'_> {
    pub(super) fn deadline(&self) -> Deadline {
        Deadline::after(self.remote_time)
    }

    /// What was asked by this deadline has been answered.
    pub(super) fn paid(&mut self, deadline: Deadline) {
        self.remote_time = deadline.left();
    }
}

/// What a look at the server makes of a flight.
pub(super) enum Step<V> {
    /// It has its answer.
    Ends(Found<V>),
    /// It asks for the lease, having seen this on the server.
    Asks(Seen),
    /// It loads, if at all, without a lease.
    Loads,
}

/// What asking for the lease once makes of a flight.
pub(super) enum Claimed<V> {
    /// It holds the lease.
    Granted,
    /// It has its answer.
    Ends(Found<V>),
    /// Another value has come that is of no use either.
    Again(Seen),
    /// Another flight holds the lease.
    Held { by: Lease, left: Duration },
    /// There is none to be had.
    Without,
}

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// Looks at the server, and takes the lease where there is something to load: in
    /// `lead.lease`, if it was granted. Returns the answer, where there is one.
    pub(super) async fn prepare<Q>(
        &self,
        lead: &mut Lead<K, V>,
        at: &NearRef<'_, Q>,
        way: &mut Way<'_>,
    ) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let (key, task) = (way.key, way.task);
        if !task.call.remote {
            lead.lacks(Miss::Absent);
            if let Some(kept) = self.kept_near(at, StaleReason::Expired) {
                lead.lacks(kept.missed());
                lead.keep(kept);
            }
            return None;
        }
        let deadline = way.deadline();
        let look = self.look(at, key, lead.proof(), &task.call, deadline).await;
        way.paid(deadline);
        match self.looked(lead, look, task) {
            Step::Ends(found) => Some(found),
            Step::Asks(seen) => self.claim(lead, at, seen, way).await,
            Step::Loads => None,
        }
    }

    /// What the server was found to hold decides how the flight goes on.
    pub(super) fn looked(&self, lead: &Lead<K, V>, look: Look<V>, task: &Task) -> Step<V> {
        let call = &task.call;
        let (may_fill, seen) = match look {
            Look::Fresh {
                found,
                stored,
                seen,
            } if task.goes_on(&found.outcome, self.now()) => {
                // What is to be replaced stands, should that fail.
                let reason = StaleReason::LoaderFailed;
                lead.keep(Kept::of(stored, Source::Remote, reason));
                (true, seen)
            }
            Look::Fresh { found, .. } => {
                self.hit(lead, &found);
                return Step::Ends(found);
            }
            // Better than to load what may not be stored.
            Look::Suspect(found) if !call.force && call.takes(&found.outcome) => {
                self.hit(lead, &found);
                return Step::Ends(found);
            }
            Look::Suspect(_) => {
                lead.lacks(Miss::RemoteUnavailable);
                return Step::Loads;
            }
            Look::Stale { kept, seen } => {
                lead.lacks(kept.missed());
                lead.keep(kept);
                (true, seen)
            }
            Look::Unreached(kept) => {
                lead.lacks(Miss::RemoteUnavailable);
                if let Some(kept) = kept {
                    lead.keep(kept);
                }
                return Step::Loads;
            }
            Look::Missed {
                why,
                may_fill,
                seen,
            } => {
                lead.lacks(why);
                (may_fill, seen)
            }
        };
        if may_fill && call.store && !task.rests && self.server.is_some() {
            Step::Asks(seen)
        } else {
            Step::Loads
        }
    }

    /// Asks for the lease until it is granted, or a value comes, or nothing can be had.
    pub(super) async fn claim<Q>(
        &self,
        lead: &mut Lead<K, V>,
        at: &NearRef<'_, Q>,
        mut seen: Seen,
        way: &mut Way<'_>,
    ) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let waiter = self.watch.waiter(way.key);
        let begun = Instant::now();
        loop {
            // Registered before the server is asked, so that no change falls between.
            let mut changed = pin!(waiter.changed());
            changed.as_mut().enable();
            let (by, left) = match self.claim_once(lead, at, &seen, way).await {
                Claimed::Granted | Claimed::Without => return None,
                Claimed::Ends(found) => return Some(found),
                Claimed::Again(newer) => {
                    seen = newer;
                    continue;
                }
                Claimed::Held { by, left } => (by, left),
            };
            if way.task.purpose != Purpose::Answer {
                // Another process refreshes. Each hit would ask it again.
                let now = self.now();
                let until = now.plus(REFRESH_PAUSE);
                self.refreshes.put(at.to_key(), (), now, until);
                // What was to be replaced may be outdated itself by now. Then those who joined wait
                // for the other process's value, as for any (G1).
                if let Some(kept) = lead.kept().and_then(|kept| kept.at(now)) {
                    return Some(kept);
                }
            }
            if by.is_note() {
                return None;
            }
            let poll = if self.watch.is_trusted() {
                POLL_TOLD
            } else {
                POLL_BLIND
            };
            // A stranger's lease is not worth more waiting than a dead holder's.
            let patience = if by.is_foreign() {
                LEASE_TTL
            } else {
                self.options.load_timeout
            };
            if begun.elapsed() >= patience {
                return None;
            }
            self.count(at.tenant, |counters| counters.leases_awaited.up());
            let until = Instant::now() + poll.min(left.max(Duration::from_millis(1)));
            let _ = timeout_at(until, changed).await;
        }
    }

    /// Asks for the lease. Granted, it is in `lead.lease`.
    pub(super) async fn claim_once<Q>(
        &self,
        lead: &mut Lead<K, V>,
        at: &NearRef<'_, Q>,
        seen: &Seen,
        way: &mut Way<'_>,
    ) -> Claimed<V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let Some(server) = &self.server else {
            return Claimed::Without;
        };
        let key = way.key;
        let proof = self.watch.proof(key);
        lead.knows(proof, self.now(), |kept| self.holds(kept));
        let deadline = way.deadline();
        let head = &seen[..seen.len().min(HEADER_LEN)];
        let asked = Held::ask(&server.lessor, key, head, deadline).await;
        way.paid(deadline);
        match asked {
            Asked::Granted(lease) => {
                lead.lease = Some(lease);
                Claimed::Granted
            }
            Asked::Value(bytes) => self.came(server, lead, at, bytes, proof, way).await,
            Asked::Held { by, left } => Claimed::Held { by, left },
            Asked::Failed(error) => {
                tracing::debug!(target: "larder::load", %key, %error, "no lease");
                Claimed::Without
            }
        }
    }

    /// What a value makes of a flight that came instead of the lease.
    async fn came<Q>(
        &self,
        server: &Server,
        lead: &Lead<K, V>,
        at: &NearRef<'_, Q>,
        bytes: Seen,
        proof: Proof,
        way: &Way<'_>,
    ) -> Claimed<V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let read = Read { bytes, proof };
        let asker = Asker {
            call: &way.task.call,
            base: &self.base(at.tenant),
            has_base: false,
        };
        let look = self.judge(server, at, way.key, &read, asker, way.deadline());
        match look.await {
            // Another flight has just loaded it.
            Look::Fresh { found, .. } => {
                self.hit(lead, &found);
                Claimed::Ends(found)
            }
            Look::Stale { kept, seen } => {
                lead.keep(kept);
                Claimed::Again(seen)
            }
            Look::Missed {
                may_fill: true,
                seen,
                ..
            } => Claimed::Again(seen),
            _ => Claimed::Without,
        }
    }

    /// What flights of one tenant know and what their values are to bear, before their load begins.
    /// Without it the server gets no value: then the leases are given up.
    pub(super) async fn begin(
        &self,
        leads: &mut [(&mut Lead<K, V>, &StoredKey)],
        call: &Call,
        deadline: Deadline,
    ) -> Option<Marked> {
        let tenant = leads.first()?.0.key().tenant.clone();
        let borne = self.borne(tenant.as_ref(), &call.tags);
        for (lead, key) in &*leads {
            lead.knows(self.proof(key), self.now(), |kept| self.holds(kept));
        }
        let stamps = if leads.iter().any(|(lead, _)| lead.lease.is_some()) {
            let life = call.lifetime.total();
            self.capture(&borne, life, deadline).await
        } else {
            Ok(Vec::new())
        };
        for (lead, _) in &*leads {
            // From now on a change of one of them is a change of this flight. One from before is known
            // to the load, which has not begun.
            let _since = Scopes::record(&borne, lead.proof());
        }
        match stamps {
            Ok(stamps) => Some(Marked {
                tags: Arc::clone(&call.tags),
                stamps,
            }),
            Err(error) => {
                tracing::debug!(target: "larder::load", cache = %self.name, %error, "no stamps");
                for (lead, _) in leads {
                    if let Some(lease) = lead.lease.take() {
                        lease.leave_note();
                    }
                }
                None
            }
        }
    }
}
