//! Runs a flight: lookup, lease, loader, fill. The decisions are the table's, the watch's and the
//! server's.

use std::borrow::Borrow;
use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use super::chain;
use super::lease::{Asked, Held, LEASE_TTL};
use super::table::{Joined, Landing, Lead, Waited, Waiter};
use super::{Failure, LoadError, Proof, catch_panic};
use crate::gate::Stay;
use crate::key::{CacheKey, StoredKey};
use crate::near::{Life, NearRef};
use crate::options::Lifetime;
use crate::outcome::{Found, Freshness, Outcome, Source, StaleReason};
use crate::remote::Deadline;
use crate::space::{Kept, Look, Seen, Server, Space};
use crate::telemetry::Miss;
use crate::value::CacheValue;

/// How long a wait for another process's load lasts before the server is asked again, where its
/// end is told by a push.
const POLL_TOLD: Duration = Duration::from_secs(1);
/// The same, where nothing is told.
const POLL_BLIND: Duration = Duration::from_millis(50);

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// `loader` runs in the caller's task. Dropped with the caller, the load passes to a waiter.
    pub(crate) async fn fetch<Q, L, F, E>(
        self: &Arc<Self>,
        at: NearRef<'_, Q>,
        lifetime: Lifetime,
        loader: L,
    ) -> Result<Found<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
        E: Display + Send + Sync + 'static,
    {
        let Some(_pass) = self.shared.enter() else {
            // Switched off or closed, each caller loads for itself.
            return self.load_alone(loader).await;
        };
        let key = self.stored_key(&at).ok();
        let landing = match self.seat(&at, key.as_ref()).await {
            Seat::Landed(landing) => landing,
            Seat::Lead(lead) => self.lead(lead, key, lifetime, loader).await,
        };
        landing.map_err(Failure::into_error)
    }

    /// `loader` runs in a task of its own, to its end, whether or not the caller stays.
    pub(crate) async fn fetch_spawned<Q, L, F, E>(
        self: &Arc<Self>,
        at: NearRef<'_, Q>,
        lifetime: Lifetime,
        loader: L,
    ) -> Result<Found<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        let Some(_pass) = self.shared.enter() else {
            return self.load_alone(loader).await;
        };
        let key = self.stored_key(&at).ok();
        let landing = match self.seat(&at, key.as_ref()).await {
            Seat::Landed(landing) => landing,
            Seat::Lead(lead) => {
                let waiter = lead.waiter();
                let (space, stay) = (Arc::clone(self), self.shared.gate.stay());
                let flight = async move {
                    let _stay = stay;
                    let _told = space.lead(lead, key, lifetime, loader).await;
                };
                // Loaders that this one's caller runs in are also this one's.
                self.shared.runtime.spawn(chain::inherit(flight));
                match self.await_end(&at, &waiter).await {
                    Waited::Landed(landing) => landing,
                    // Its task is gone, and the loader with it.
                    Waited::Lead(_lead) => Err(Failure::RuntimeGone),
                }
            }
        };
        landing.map_err(Failure::into_error)
    }

    /// Switched off or closed, each caller loads for itself.
    async fn load_alone<L, F, E>(&self, loader: L) -> Result<Found<V>, LoadError<E>>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
        E: Display + Send + Sync + 'static,
    {
        match self.load(loader).await {
            Ok(value) => Ok(Self::loaded(Arc::new(value), Duration::ZERO)),
            Err(failure) => Err(failure.into_error()),
        }
    }

    /// Takes the caller to a flight: it has its answer, or must lead.
    async fn seat<Q>(self: &Arc<Self>, at: &NearRef<'_, Q>, key: Option<&StoredKey>) -> Seat<K, V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let proof = key.map_or(Proof::LOCAL, |key| self.proof(key));
        let joined = self.table.join(
            at,
            (proof, self.now()),
            |proof, looked| self.shares(proof, looked),
            || self.near_found(at),
        );
        let waiter = match joined {
            Joined::Hit(found) => return Seat::Landed(Ok(found)),
            Joined::Landed(mut found) => {
                self.counters.loads_joined.up();
                found.outcome.joined = true;
                return Seat::Landed(Ok(found));
            }
            Joined::Lead(lead) => return Seat::Lead(lead),
            Joined::Wait(waiter) => waiter,
            Joined::Full => {
                self.counters.overloads.up();
                return Seat::Landed(match self.fallback(at, None) {
                    Some(found) => Ok(found),
                    None => Err(Failure::Overloaded),
                });
            }
        };
        let Ok(_waits) = chain::wait_for(waiter.flight()) else {
            return Seat::Landed(Err(Failure::Circular));
        };
        match self.await_end(at, &waiter).await {
            Waited::Lead(lead) => Seat::Lead(lead),
            Waited::Landed(landing) => {
                self.counters.loads_joined.up();
                Seat::Landed(landing.map(|mut found| {
                    found.outcome.joined = true;
                    found
                }))
            }
        }
    }

    /// Waits for a flight's end; past the soft timeout a stale value will do.
    async fn await_end<Q>(&self, at: &NearRef<'_, Q>, waiter: &Waiter<K, V>) -> Waited<K, V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let Some(patience) = self.options.soft_timeout else {
            return waiter.wait().await;
        };
        if let Ok(end) = timeout(patience, waiter.wait()).await {
            return end;
        }
        if let Some(found) = self.fallback(at, waiter.kept()) {
            return Waited::Landed(Ok(found));
        }
        // The leader may find a stale value later than that.
        match waiter.wait_or_kept().await {
            Ok(end) => end,
            Err(kept) => match self.fallback(at, Some(kept)) {
                Some(found) => Waited::Landed(Ok(found)),
                None => waiter.wait().await,
            },
        }
    }

    /// A stale value for a caller who does not wait for a load, counted.
    fn fallback<Q>(&self, at: &NearRef<'_, Q>, kept: Option<Kept<V>>) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let kept = kept.or_else(|| self.kept_near(at, StaleReason::SlowLoad))?;
        let found = kept.because(StaleReason::SlowLoad).at(self.now())?;
        self.counters.stale_hits.up();
        Some(found)
    }

    /// Leads a flight to its end. The function is run at most once, whatever the cache does.
    async fn lead<L, F, E>(
        self: &Arc<Self>,
        mut lead: Lead<K, V>,
        key: Option<StoredKey>,
        lifetime: Lifetime,
        loader: L,
    ) -> Landing<V>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
        E: Display + Send + Sync + 'static,
    {
        let near_key = lead.key().clone();
        let mut remote_time = self.shared.timeout;
        // A lease that is held already came from a leader who had looked.
        if lead.lease.is_none() {
            let prepared = match &key {
                Some(key) => {
                    self.prepare(&mut lead, &near_key.as_ref(), key, &mut remote_time)
                        .await
                }
                None => {
                    self.counters.missed(Miss::InvalidKey);
                    None
                }
            };
            if let Some(found) = prepared {
                let _ = lead.publish(Ok(found.clone()), self.now(), || {});
                return Ok(found);
            }
        }
        let began = self.now();
        let loading = chain::within(lead.flight(), self.load(loader));
        match loading.await {
            Ok(value) => {
                let cost = self.now().since(began);
                let landed = Landed {
                    value: Arc::new(value),
                    key,
                    lifetime,
                    cost,
                    remote_time,
                };
                self.land(lead, landed).await
            }
            Err(failure) => {
                if let Some(lease) = lead.lease.take() {
                    lease.leave_note();
                }
                let landing = match lead
                    .kept()
                    .and_then(|kept| kept.after_failed_load(self.now()))
                {
                    Some(found) => {
                        self.counters.stale_hits.up();
                        Ok(found)
                    }
                    None => Err(failure),
                };
                let _ = lead.publish(landing.clone(), self.now(), || {});
                landing
            }
        }
    }

    /// Looks at the server, and takes the lease where there is something to load: in
    /// `lead.lease`, if it was granted. Returns the answer, where there is one.
    async fn prepare<Q>(
        &self,
        lead: &mut Lead<K, V>,
        at: &NearRef<'_, Q>,
        key: &StoredKey,
        remote_time: &mut Duration,
    ) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let deadline = Deadline::after(*remote_time);
        let look = self.look(at, key, lead.proof(), deadline).await;
        *remote_time = deadline.left();
        let (may_fill, seen) = match look {
            Look::Fresh(found) => {
                self.counters.remote_hits.up();
                return Some(found);
            }
            // Better than to load what may not be stored.
            Look::Suspect(found) => {
                self.counters.stale_hits.up();
                return Some(found);
            }
            Look::Stale { kept, seen } => {
                lead.keep(kept);
                (true, seen)
            }
            Look::Unreached(kept) => {
                self.counters.missed(Miss::RemoteUnavailable);
                if let Some(kept) = kept {
                    lead.keep(kept);
                }
                return None;
            }
            Look::Missed {
                why,
                may_fill,
                seen,
            } => {
                self.counters.missed(why);
                (may_fill, seen)
            }
        };
        let server = self.server.as_ref().filter(|_| may_fill)?;
        self.claim(server, lead, at, key, seen, remote_time).await
    }

    /// Asks for the lease until it is granted, or a value comes, or nothing can be had.
    async fn claim<Q>(
        &self,
        server: &Server,
        lead: &mut Lead<K, V>,
        at: &NearRef<'_, Q>,
        key: &StoredKey,
        mut seen: Seen,
        remote_time: &mut Duration,
    ) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let waiter = server.watch.waiter(key);
        let begun = Instant::now();
        loop {
            // Registered before the server is asked, so that no change falls between.
            let mut changed = pin!(waiter.changed());
            changed.as_mut().enable();
            let proof = server.watch.proof(key);
            lead.knows(proof, self.now(), |kept| self.holds(kept));
            let deadline = Deadline::after(*remote_time);
            let asked = Held::ask(&server.lessor, key, &seen, deadline).await;
            *remote_time = deadline.left();
            let (by, left) = match asked {
                Asked::Granted(lease) => {
                    lead.lease = Some(lease);
                    return None;
                }
                Asked::Value(bytes) => match self.judge(server, at, key, &bytes, proof) {
                    Look::Fresh(found) => {
                        self.counters.remote_hits.up();
                        return Some(found);
                    }
                    Look::Stale { kept, seen: newer } => {
                        lead.keep(kept);
                        seen = newer;
                        continue;
                    }
                    Look::Missed {
                        may_fill: true,
                        seen: newer,
                        ..
                    } => {
                        seen = newer;
                        continue;
                    }
                    _ => return None,
                },
                Asked::Held { by, left } => (by, left),
                Asked::Failed(error) => {
                    tracing::debug!(target: "larder::load", %key, %error, "no lease");
                    return None;
                }
            };
            if by.is_note() {
                return None;
            }
            let poll = if server.watch.is_trusted() {
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
            self.counters.leases_awaited.up();
            let until = Instant::now() + poll.min(left.max(Duration::from_millis(1)));
            let _ = timeout_at(until, changed).await;
        }
    }

    /// Runs a loader, counted, and no longer than the cache allows.
    pub(crate) async fn load<L, F, E>(&self, loader: L) -> Result<V, Failure>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
        E: Display + Send + Sync + 'static,
    {
        self.counters.loads.up();
        let limit = self.options.load_timeout;
        let result = match timeout(limit, catch_panic(loader)).await {
            Ok(Ok(Ok(value))) => return Ok(value),
            Ok(Ok(Err(error))) => Failure::loader(error),
            Ok(Err(message)) => Failure::Panicked(message),
            Err(_) => Failure::TimedOut(limit),
        };
        self.counters.load_failures.up();
        Err(result)
    }

    /// Hands a loaded value to all who wait, and writes it to both tiers.
    async fn land(self: &Arc<Self>, mut lead: Lead<K, V>, landed: Landed<V>) -> Landing<V> {
        let Landed {
            value,
            key,
            lifetime,
            cost,
            remote_time,
        } = landed;
        let lease = lead.lease.take();
        let found = Self::loaded(Arc::clone(&value), lifetime.ttl);
        let Some(key) = key.filter(|_| !lifetime.ttl.is_zero()) else {
            if let Some(lease) = lease {
                lease.leave_note();
            }
            let _ = lead.publish(Ok(found.clone()), self.now(), || {});
            return Ok(found);
        };
        let encoded = self
            .server
            .as_ref()
            .filter(|_| lease.is_some())
            .map(|server| server.encode(&key, &*value, lifetime, cost))
            .transpose()
            .unwrap_or_else(|error| {
                tracing::warn!(target: "larder::load", %key, %error, "cannot encode a loaded value");
                None
            });
        let weight = self.weigh(&lead.key().key, &value, encoded.as_ref().map(Bytes::len));
        let life = Life::new(self.now(), lifetime.ttl, lifetime.stale);
        let stored = self.stored(value, life, weight, encoded.is_some(), lead.proof());
        let near_key = lead.key().clone();
        let published = lead.publish(Ok(found.clone()), self.now(), || {
            let _counted = self.near_insert(near_key, stored);
        });
        match (lease, encoded) {
            (Some(lease), Some(bytes)) if !published.voided => {
                let deadline = Deadline::after(remote_time);
                let fill = Fill {
                    lead,
                    lease,
                    key,
                    bytes,
                    ttl: lifetime.total(),
                    deadline,
                    _stay: self.shared.gate.stay(),
                };
                // In a task of its own: a fill that was sent must be looked after, whether or
                // not the caller stays.
                let fill = self.shared.runtime.spawn(Arc::clone(self).fill(fill));
                let _ = timeout_at(deadline.instant(), fill).await;
            }
            (Some(lease), encoded) => {
                self.counters.fills_refused.up();
                // A note is for what will not be stored by the next load either. Where this one was
                // invalidated, the next takes the lease and stores.
                if encoded.is_none() {
                    lease.leave_note();
                }
            }
            (None, _) if self.server.is_some() => self.counters.fills_refused.up(),
            (None, _) => {}
        }
        Ok(found)
    }

    /// Writes a loaded value to the server, which refuses it where the key was invalidated since
    /// the load began (G2). The lead is held until then: who comes meanwhile gets its answer.
    async fn fill(self: Arc<Self>, fill: Fill<K, V>) {
        let Fill {
            lead: _lead,
            lease,
            key,
            bytes,
            ttl,
            deadline,
            _stay,
        } = fill;
        match lease.fill(bytes, ttl, deadline).await {
            Ok(true) => self.counters.fills.up(),
            Ok(false) => {
                self.counters.fills_refused.up();
                // Whatever took the lease away, this process may not have heard of it yet.
                if let Some(server) = &self.server {
                    let _known = server.watch.mark(&key);
                }
            }
            Err(error) => {
                self.counters.fills_failed.up();
                tracing::debug!(target: "larder::load", %key, %error, "fill failed");
            }
        }
    }

    /// What a caller gets of a load; `ttl` is zero where the value is not stored.
    pub(crate) fn loaded(value: Arc<V>, ttl: Duration) -> Found<V> {
        let outcome = Outcome {
            source: Source::Loader,
            freshness: Freshness::Fresh,
            age: Duration::ZERO,
            ttl_left: ttl,
            joined: false,
        };
        Found::new(value, outcome)
    }
}

/// What a caller who came to a flight becomes.
enum Seat<K: std::hash::Hash + Eq, V> {
    Landed(Landing<V>),
    Lead(Lead<K, V>),
}

/// A loaded value on its way into the tiers.
struct Landed<V> {
    value: Arc<V>,
    /// `None` where it cannot be stored.
    key: Option<StoredKey>,
    lifetime: Lifetime,
    cost: Duration,
    /// What is left of the time that the call grants to the remote (G3): the loader's is its own.
    remote_time: Duration,
}

/// A write to the server that ends a load.
struct Fill<K: std::hash::Hash + Eq, V> {
    lead: Lead<K, V>,
    lease: Held,
    key: StoredKey,
    bytes: Bytes,
    ttl: Duration,
    deadline: Deadline,
    _stay: Stay,
}
