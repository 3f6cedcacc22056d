//! Runs a flight: lookup, lease, loader, fill. The decisions are the table's, the watch's and the
//! server's.

use std::borrow::Borrow;
use std::fmt::Display;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use super::chain;
use super::lease::{Asked, Held, LEASE_TTL};
use super::table::{Joined, Landing, Lead, Waited, Waiter};
use super::{Failure, Load, LoadError, Loaded, Proof, catch_panic};
use crate::gate::Stay;
use crate::key::{CacheKey, StoredKey};
use crate::near::{Life, NearRef, Stored};
use crate::options::{Call, Lifetime};
use crate::outcome::{Found, Freshness, Outcome, Source, StaleReason};
use crate::remote::Deadline;
use crate::space::{Kept, Look, Seen, Space};
use crate::telemetry::Miss;
use crate::time::Tick;
use crate::unwind::caught;
use crate::value::CacheValue;
use crate::wire::HEADER_LEN;

/// How long a wait for another process's load lasts before the server is asked again, where its
/// end is told by a push.
const POLL_TOLD: Duration = Duration::from_secs(1);
/// The same, where nothing is told.
const POLL_BLIND: Duration = Duration::from_millis(50);
/// How long a refresh that failed, or that another process is at, is not tried again.
const REFRESH_PAUSE: Duration = Duration::from_secs(1);
/// How far two estimates of one value's age may differ.
const SAME_AGE: Duration = Duration::from_millis(20);

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// `loader` runs in the caller's task. Dropped with the caller, the load passes to a waiter.
    pub(crate) async fn fetch<Q, L, F, E>(
        self: &Arc<Self>,
        at: NearRef<'_, Q>,
        call: Call,
        loader: L,
    ) -> Result<Found<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce(Load<V>) -> F,
        F: Future<Output = Result<Loaded<V>, E>>,
        E: Display + Send + Sync + 'static,
    {
        let Some(_pass) = self.shared.enter() else {
            return self.load_alone(loader).await;
        };
        let key = self.stored_key(&at).ok();
        let landing = match self.seat(&at, key.as_ref(), call).await {
            Seat::Landed(landing) => landing,
            Seat::Lead(lead) => self.lead(lead, key, Task::asked(call), loader).await.0,
        };
        landing.map_err(Failure::into_error)
    }

    /// `loader` runs in a task of its own, to its end, whether or not the caller stays.
    pub(crate) async fn fetch_spawned<Q, L, F, E>(
        self: &Arc<Self>,
        at: NearRef<'_, Q>,
        call: Call,
        loader: L,
    ) -> Result<Found<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce(Load<V>) -> F + Send + 'static,
        F: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        let Some(_pass) = self.shared.enter() else {
            return self.load_alone(loader).await;
        };
        let key = self.stored_key(&at).ok();
        let landing = match self.seat(&at, key.as_ref(), call).await {
            Seat::Landed(landing) => landing,
            Seat::Lead(lead) => {
                let waiter = lead.waiter();
                let (space, stay) = (Arc::clone(self), self.shared.gate.stay());
                let flight = async move {
                    let _stay = stay;
                    let _told = space.lead(lead, key, Task::asked(call), loader).await;
                };
                // Loaders that this one's caller runs in are also this one's.
                self.shared.runtime.spawn(chain::inherit(flight));
                match self.await_end(&at, &waiter, call).await {
                    Waited::Landed(landing) => landing,
                    // Its task is gone, and the loader with it.
                    Waited::Lead(_lead) => Err(Failure::RuntimeGone),
                }
            }
        };
        landing.map_err(Failure::into_error)
    }

    /// Prolongs the life of a value that was hit, where the cache does that: a load of what is there
    /// already. Past half of its TTL only, so that a hot key is not written at each hit.
    pub(crate) fn slide<Q>(self: &Arc<Self>, at: &NearRef<'_, Q>, call: Call, stored: Stored<V>)
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
        let again = |load: Load<V>| ready(load.unchanged().ok_or("it is gone"));
        let call = Call { lifetime, ..call };
        self.in_background(at, call, stored, Purpose::Slide, again);
    }

    /// Loads a value anew in the background, unless that is being done, or failed a moment ago.
    pub(crate) fn refresh<Q, L, F, E>(
        self: &Arc<Self>,
        at: &NearRef<'_, Q>,
        call: Call,
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
        call: Call,
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
        let joined = self.table.join(
            at,
            self.proof(&key),
            |proof| self.holds(proof),
            None,
            || None,
        );
        let Joined::Lead(lead) = joined else { return };
        let born = stored.life().born;
        lead.keep(Kept::of(stored, Source::Near, StaleReason::LoaderFailed));
        let (space, stay) = (Arc::clone(self), self.shared.gate.stay());
        let task = Task {
            call,
            purpose,
            born: Some(born),
            rests: false,
        };
        self.shared.runtime.spawn(async move {
            let _stay = stay;
            let _told = space.lead(lead, Some(key), task, loader).await;
        });
    }

    /// Where nothing is stored, each caller loads for itself.
    pub(crate) async fn load_alone<L, F, E>(&self, loader: L) -> Result<Found<V>, LoadError<E>>
    where
        L: FnOnce(Load<V>) -> F,
        F: Future<Output = Result<Loaded<V>, E>>,
        E: Display + Send + Sync + 'static,
    {
        match self
            .load_counted(Load::new(None, false), loader, true)
            .await
        {
            Ok(brought) => Ok(Self::loaded(brought.value, Duration::ZERO)),
            Err(failure) => Err(failure.into_error()),
        }
    }

    /// Takes the caller to a flight: it has its answer, or must lead.
    async fn seat<Q>(
        self: &Arc<Self>,
        at: &NearRef<'_, Q>,
        key: Option<&StoredKey>,
        call: Call,
    ) -> Seat<K, V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let mut refused = None;
        loop {
            let proof = key.map_or(Proof::LOCAL, |key| self.proof(key));
            let near = || {
                if call.near && !call.force {
                    self.near_found(at)
                } else {
                    None
                }
            };
            let holds = |proof| self.holds(proof);
            let waiter = match self.table.join(at, proof, holds, refused, near) {
                Joined::Hit(found) => return Seat::Landed(Ok(found)),
                Joined::Lead(lead) => return Seat::Lead(lead),
                Joined::Wait(waiter) => waiter,
                Joined::Full => {
                    self.counters.overloads.up();
                    let kept = self.fallback(at, None, StaleReason::SlowLoad, call);
                    return Seat::Landed(kept.ok_or(Failure::Overloaded));
                }
            };
            let Ok(_waits) = chain::wait_for(waiter.flight()) else {
                return Seat::Landed(Err(Failure::Circular));
            };
            match self.await_end(at, &waiter, call).await {
                Waited::Lead(lead) => return Seat::Lead(lead),
                // Staler than this caller takes: it tries for itself.
                Waited::Landed(Ok(found)) if !call.takes(&found.outcome) => {
                    refused = Some(waiter.flight());
                }
                Waited::Landed(landing) => {
                    self.counters.loads_joined.up();
                    return Seat::Landed(landing.map(|mut found| {
                        found.outcome.joined = true;
                        found
                    }));
                }
            }
        }
    }

    /// Waits for a flight's end; past the soft timeout a stale value will do.
    async fn await_end<Q>(
        &self,
        at: &NearRef<'_, Q>,
        waiter: &Waiter<K, V>,
        call: Call,
    ) -> Waited<K, V>
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
        let slow = StaleReason::SlowLoad;
        if let Some(found) = self.fallback(at, waiter.kept(), slow, call) {
            return Waited::Landed(Ok(found));
        }
        // The leader may find a stale value later than that.
        match waiter.wait_or_kept().await {
            Ok(end) => end,
            Err(kept) => match self.fallback(at, Some(kept), slow, call) {
                Some(found) => Waited::Landed(Ok(found)),
                None => waiter.wait().await,
            },
        }
    }

    /// A stale value for a caller who does not wait for a load, counted.
    fn fallback<Q>(
        &self,
        at: &NearRef<'_, Q>,
        kept: Option<Kept<V>>,
        reason: StaleReason,
        call: Call,
    ) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let kept = kept.or_else(|| self.kept_near(at, reason))?;
        let found = kept.because(reason).at(self.now())?;
        if !call.takes(&found.outcome) {
            return None;
        }
        self.counters.stale_hits.up();
        Some(found)
    }

    /// Leads a flight to its end. The function is run at most once, whatever the cache does; it
    /// comes back where it was not run.
    async fn lead<L, F, E>(
        self: &Arc<Self>,
        mut lead: Lead<K, V>,
        key: Option<StoredKey>,
        task: Task,
        loader: L,
    ) -> (Landing<V>, Option<L>)
    where
        L: FnOnce(Load<V>) -> F,
        F: Future<Output = Result<Loaded<V>, E>>,
        E: Display + Send + Sync + 'static,
    {
        let near_key = lead.key().clone();
        // Left in peace: what another process stored since is looked for all the same.
        let failure = self.failures.of(&near_key.as_ref(), self.now());
        let mut remote_time = self.shared.timeout;
        // A lease that is held already came from a leader who had looked.
        if lead.lease.is_none() {
            let rests = failure.is_some();
            let prepared = if let Some(key) = &key {
                let task = Task { rests, ..task };
                self.prepare(&mut lead, &near_key.as_ref(), key, task, &mut remote_time)
                    .await
            } else {
                self.counters.missed(Miss::InvalidKey);
                None
            };
            if let Some(found) = prepared {
                let _ = lead.publish(Ok(found.clone()), || {});
                return (Ok(found), Some(loader));
            }
        }
        if let Some(failure) = failure {
            let landing = self.or_kept(&lead, failure, task);
            let _ = lead.publish(landing.clone(), || {});
            return (landing, Some(loader));
        }
        let began = self.now();
        let stale = lead.kept().and_then(|kept| kept.at(began));
        let told = Load::new(
            stale.map(|found| found.value),
            task.purpose != Purpose::Answer,
        );
        if task.purpose == Purpose::Refresh {
            self.counters.refreshes.up();
        }
        let loading = self.load_counted(told, loader, task.purpose != Purpose::Slide);
        let loading = chain::within(lead.flight(), loading);
        let landing = match loading.await {
            Ok(brought) => {
                let cost = self.now().since(began);
                let landed = Landed {
                    lifetime: match task.purpose {
                        // As it was, and not shortened at random again.
                        Purpose::Slide => task.call.lifetime,
                        _ => self.lifetime(&brought, task.call),
                    },
                    value: brought.value,
                    key: key.filter(|_| task.call.store),
                    cost,
                    remote_time,
                };
                self.failures.forget(&near_key.as_ref());
                self.refreshes.forget(&near_key.as_ref());
                self.land(lead, landed).await
            }
            Err(failure) => {
                if let Some(lease) = lead.lease.take() {
                    lease.leave_note();
                }
                let now = self.now();
                let pause = self.pause_after(&failure);
                if !pause.is_zero() {
                    let (key, why) = (near_key.clone(), failure.clone());
                    self.failures.put(key, why, now, now.plus(pause));
                }
                if task.purpose != Purpose::Answer {
                    // Who refreshes is not waited for, so each hit would try again at once.
                    let until = now.plus(REFRESH_PAUSE);
                    self.refreshes.put(near_key, (), now, until);
                }
                let landing = self.or_kept(&lead, failure, task);
                let _ = lead.publish(landing.clone(), || {});
                landing
            }
        };
        (landing, None)
    }

    /// A stale value in place of a failure, counted, where the leader found one.
    fn or_kept(&self, lead: &Lead<K, V>, failure: Failure, task: Task) -> Landing<V> {
        let now = self.now();
        let kept = lead.kept().and_then(|kept| kept.after_failed_load(now));
        match kept.filter(|found| task.call.takes(&found.outcome)) {
            Some(found) => {
                self.counters.stale_hits.up();
                Ok(found)
            }
            None => Err(failure),
        }
    }

    /// How long a loaded value lives: as the loader says, or the call, or the value, or the cache.
    pub(crate) fn lifetime(&self, loaded: &Loaded<V>, call: Call) -> Lifetime {
        let by_value = || {
            let ttl_by = self.ttl_by.as_ref().filter(|_| !call.own_ttl)?;
            caught(|| ttl_by(&loaded.value)).unwrap_or_else(|message| {
                tracing::error!(
                    target: "larder::load",
                    cache = self.name.as_str(), %message,
                    "a value was asked for its TTL and panicked; it has the cache's"
                );
                None
            })
        };
        let ttl = loaded.ttl.or_else(by_value);
        call.lifetime
            .with(ttl, loaded.stale)
            .jittered(self.options.jitter)
    }

    /// For how long a key is left in peace after this failure.
    fn pause_after(&self, failure: &Failure) -> Duration {
        let of_type = failure.error_type().and_then(|of| {
            let mut cached = self.options.cached_errors.iter();
            cached.find(|(error, _)| *error == of).map(|(_, ttl)| *ttl)
        });
        of_type.unwrap_or(self.options.pause)
    }

    /// Looks at the server, and takes the lease where there is something to load: in
    /// `lead.lease`, if it was granted. Returns the answer, where there is one.
    async fn prepare<Q>(
        &self,
        lead: &mut Lead<K, V>,
        at: &NearRef<'_, Q>,
        key: &StoredKey,
        task: Task,
        remote_time: &mut Duration,
    ) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let call = task.call;
        if !call.remote {
            self.counters.missed(Miss::Absent);
            if let Some(kept) = self.kept_near(at, StaleReason::Expired) {
                lead.keep(kept);
            }
            return None;
        }
        let deadline = Deadline::after(*remote_time);
        let look = self.look(at, key, lead.proof(), call, deadline).await;
        *remote_time = deadline.left();
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
                self.counters.remote_hits.up();
                return Some(found);
            }
            // Better than to load what may not be stored.
            Look::Suspect(found) if !call.force && call.takes(&found.outcome) => {
                self.counters.stale_hits.up();
                return Some(found);
            }
            Look::Suspect(_) => {
                self.counters.missed(Miss::RemoteUnavailable);
                return None;
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
        if !may_fill || !call.store || task.rests {
            return None;
        }
        self.claim(lead, at, key, seen, task, remote_time).await
    }

    /// Asks for the lease until it is granted, or a value comes, or nothing can be had.
    async fn claim<Q>(
        &self,
        lead: &mut Lead<K, V>,
        at: &NearRef<'_, Q>,
        key: &StoredKey,
        mut seen: Seen,
        task: Task,
        remote_time: &mut Duration,
    ) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let server = self.server.as_ref()?;
        let waiter = server.watch.waiter(key);
        let begun = Instant::now();
        loop {
            // Registered before the server is asked, so that no change falls between.
            let mut changed = pin!(waiter.changed());
            changed.as_mut().enable();
            let proof = server.watch.proof(key);
            lead.knows(proof);
            let deadline = Deadline::after(*remote_time);
            let head = &seen[..seen.len().min(HEADER_LEN)];
            let asked = Held::ask(&server.lessor, key, head, deadline).await;
            *remote_time = deadline.left();
            let (by, left) = match asked {
                Asked::Granted(lease) => {
                    lead.lease = Some(lease);
                    return None;
                }
                Asked::Value(bytes) => {
                    match self.judge(server, at, key, &bytes, proof, task.call) {
                        // Another flight has just loaded it.
                        Look::Fresh { found, .. } => {
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
                    }
                }
                Asked::Held { by, left } => (by, left),
                Asked::Failed(error) => {
                    tracing::debug!(target: "larder::load", %key, %error, "no lease");
                    return None;
                }
            };
            if task.purpose != Purpose::Answer {
                // Another process refreshes. Each hit would ask it again.
                let now = self.now();
                let until = now.plus(REFRESH_PAUSE);
                self.refreshes.put(at.to_key(), (), now, until);
                return lead.kept().and_then(|kept| kept.at(self.now()));
            }
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

    /// Runs a loader, no longer than the cache allows.
    async fn load_counted<L, F, E>(
        &self,
        told: Load<V>,
        loader: L,
        counted: bool,
    ) -> Result<Loaded<V>, Failure>
    where
        L: FnOnce(Load<V>) -> F,
        F: Future<Output = Result<Loaded<V>, E>>,
        E: Display + Send + Sync + 'static,
    {
        if counted {
            self.counters.loads.up();
        }
        let limit = self.options.load_timeout;
        let result = match timeout(limit, catch_panic(|| loader(told))).await {
            Ok(Ok(Ok(brought))) => return Ok(brought),
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
            let _ = lead.publish(Ok(found.clone()), || {});
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
        let len = encoded.as_ref().map(Bytes::len);
        let weight = self.weigh(&lead.key().key, &value, len).ok();
        let life = Life::new(self.now(), lifetime.ttl, lifetime.stale);
        let (confirmed, proof) = (encoded.is_some(), lead.proof());
        let stored = weight.map(|weight| self.stored(value, life, weight, confirmed, proof, cost));
        let near_key = lead.key().clone();
        let published = lead.publish(Ok(found.clone()), || {
            // One that is outdated already would have no effect, except to push out a newer one.
            if let Some(stored) = stored.filter(|_| self.holds(proof)) {
                let _counted = self.near_insert(near_key, stored);
            }
        });
        match (lease, encoded) {
            (Some(lease), Some(bytes)) if !published.voided && !self.shared.gate.has_ended() => {
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
            (Some(lease), _) => {
                self.counters.fills_refused.up();
                lease.leave_note();
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
            past_ttl: Duration::ZERO,
            joined: false,
        };
        Found::new(value, outcome)
    }
}

/// What a flight is led for.
#[derive(Clone, Copy, Debug)]
struct Task {
    call: Call,
    purpose: Purpose,
    /// When the value was born that is to be replaced in the background.
    born: Option<Tick>,
    /// Whether nothing will be loaded, since that failed a moment ago.
    rests: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Someone waits for it.
    Answer,
    /// To load a value again before it expires.
    Refresh,
    /// To store a value again, so that it lives longer.
    Slide,
}

impl Task {
    /// For a caller who waits.
    fn asked(call: Call) -> Self {
        Self {
            call,
            purpose: Purpose::Answer,
            born: None,
            rests: false,
        }
    }

    /// Whether it loads although the server has this fresh value.
    fn goes_on(&self, outcome: &Outcome, now: Tick) -> bool {
        match self.born {
            // Another process may have refreshed it meanwhile.
            Some(born) => now.minus(outcome.age) <= born.plus(SAME_AGE),
            None => self.call.force,
        }
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
