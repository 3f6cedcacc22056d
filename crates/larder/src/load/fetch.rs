//! Runs a flight: lookup, lease, loader, fill. The decisions are the table's, the watch's and the
//! server's.

use std::borrow::Borrow;
use std::fmt::Display;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::chain;
use super::lease::{Asked, Held, LEASE_TTL};
use super::table::{Joined, Landing, Lead, Waited, Waiter};
use super::{Failure, Load, LoadError, Loaded, catch_panic};
use crate::entry::tags_of;
use crate::gate::Stay;
use crate::key::{CacheKey, StoredKey, Tag};
use crate::near::{Life, NearRef, Stored};
use crate::options::{Call, Lifetime};
use crate::outcome::{Found, Freshness, Outcome, Source, StaleReason};
use crate::remote::Deadline;
use crate::scope::Borne;
use crate::space::{Kept, Look, Marked, Read, Scoped, Seen, Server, Space};
use crate::telemetry::Miss;
use crate::time::Tick;
use crate::value::CacheValue;
use crate::wire::{HEADER_LEN, Stamp};

/// How long a wait for another process's load lasts before the server is asked again, where its
/// end is told by a push.
const POLL_TOLD: Duration = Duration::from_secs(1);
/// The same, where nothing is told.
const POLL_BLIND: Duration = Duration::from_millis(50);
/// How long a refresh that failed is not tried again.
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
        let landing = match self.seat(&at, key.as_ref(), &call).await {
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
        let landing = match self.seat(&at, key.as_ref(), &call).await {
            Seat::Landed(landing) => landing,
            Seat::Lead(lead) => {
                let waiter = lead.waiter();
                let (space, stay) = (Arc::clone(self), self.shared.gate.stay());
                let task = Task::asked(call.clone());
                let flight = async move {
                    let _stay = stay;
                    let _told = space.lead(lead, key, task, loader).await;
                };
                // Loaders that this one's caller runs in are also this one's.
                self.shared.runtime.spawn(chain::inherit(flight));
                match self.await_end(&at, &waiter, &call).await {
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
        let again = |load: Load<V>| ready(load.unchanged().ok_or("it is gone"));
        self.in_background(at, call, stored, Purpose::Slide, again);
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
        if self.failures.of(at, self.now()).is_some() {
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
        if purpose == Purpose::Refresh {
            self.counters.refreshes.up();
        }
        let (space, stay) = (Arc::clone(self), self.shared.gate.stay());
        let task = Task {
            call: call.clone(),
            purpose,
            born: Some(born),
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
            Ok(loaded) => Ok(Self::loaded(loaded.value, Duration::ZERO)),
            Err(failure) => Err(failure.into_error()),
        }
    }

    /// Takes the caller to a flight: it has its answer, or must lead.
    async fn seat<Q>(
        self: &Arc<Self>,
        at: &NearRef<'_, Q>,
        key: Option<&StoredKey>,
        call: &Call,
    ) -> Seat<K, V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let mut refused = None;
        loop {
            let proof = match key {
                Some(key) => self.proof(key),
                None => self.shared.watch.no_proof(),
            };
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
                Joined::Lead(lead) => {
                    if let Some(failure) = self.failures.of(at, self.now()) {
                        // Left in peace. The lead is dropped, and passes on.
                        let kept = self.fallback(at, None, StaleReason::LoaderFailed, call);
                        return Seat::Landed(kept.ok_or(failure));
                    }
                    return Seat::Lead(lead);
                }
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
        call: &Call,
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
        call: &Call,
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
        let mut remote_time = self.shared.timeout;
        // A lease that is held already came from a leader who had looked.
        if lead.lease.is_none() {
            let prepared = match &key {
                Some(key) => {
                    self.prepare(&mut lead, &near_key.as_ref(), key, &task, &mut remote_time)
                        .await
                }
                None => {
                    self.counters.missed(Miss::InvalidKey);
                    None
                }
            };
            if let Some(found) = prepared {
                let _ = lead.publish(Ok(found.clone()), || {});
                return (Ok(found), Some(loader));
            }
        }
        let marked = match &key {
            Some(key) => {
                self.begin(&mut lead, key, &task.call, &mut remote_time)
                    .await
            }
            None => None,
        };
        let began = self.now();
        let stale = lead.kept().and_then(|kept| kept.at(began));
        let told = Load::new(
            stale.map(|found| found.value),
            task.purpose != Purpose::Answer,
        );
        let loading = self.load_counted(told, loader, task.purpose != Purpose::Slide);
        let loading = chain::within(lead.flight(), loading);
        let landing = match loading.await {
            Ok(loaded) => {
                let cost = self.now().since(began);
                let landed = Landed {
                    lifetime: self.lifetime(&loaded, &task.call),
                    value: loaded.value,
                    late: loaded.tags,
                    key: key.filter(|_| task.call.store),
                    marked,
                    cost,
                    remote_time,
                };
                self.failures.forget(&near_key.as_ref());
                self.land(lead, landed).await
            }
            Err(failure) => {
                if let Some(lease) = lead.lease.take() {
                    lease.leave_note();
                }
                let now = self.now();
                if let Some(pause) = self.pause_after(&failure, &task) {
                    let until = now.plus(pause);
                    self.failures.put(near_key, failure.clone(), now, until);
                }
                let kept = lead.kept().and_then(|kept| kept.after_failed_load(now));
                let landing = match kept.filter(|found| task.call.takes(&found.outcome)) {
                    Some(found) => {
                        self.counters.stale_hits.up();
                        Ok(found)
                    }
                    None => Err(failure),
                };
                let _ = lead.publish(landing.clone(), || {});
                landing
            }
        };
        (landing, None)
    }

    /// How long a loaded value lives: as the loader says, or the call, or the value, or the cache.
    pub(crate) fn lifetime(&self, loaded: &Loaded<V>, call: &Call) -> Lifetime {
        let by_value = self.ttl_by.as_ref().filter(|_| !call.own_ttl);
        let ttl = loaded
            .ttl
            .or_else(|| by_value.and_then(|ttl_by| ttl_by(&loaded.value)));
        call.lifetime
            .with(ttl, loaded.stale)
            .jittered(self.options.jitter)
    }

    /// For how long a key is left in peace after this failure.
    fn pause_after(&self, failure: &Failure, task: &Task) -> Option<Duration> {
        let of_type = failure.error_type().and_then(|of| {
            let mut cached = self.options.cached_errors.iter();
            cached.find(|(error, _)| *error == of).map(|(_, ttl)| *ttl)
        });
        let pause = of_type.unwrap_or(self.options.pause);
        // Who refreshes is not waited for, so each hit would try again at once.
        let pause = if task.purpose != Purpose::Answer {
            pause.max(REFRESH_PAUSE)
        } else {
            pause
        };
        (!pause.is_zero()).then_some(pause)
    }

    /// Looks at the server, and takes the lease where there is something to load: in
    /// `lead.lease`, if it was granted. Returns the answer, where there is one.
    async fn prepare<Q>(
        &self,
        lead: &mut Lead<K, V>,
        at: &NearRef<'_, Q>,
        key: &StoredKey,
        task: &Task,
        remote_time: &mut Duration,
    ) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let call = &task.call;
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
            Look::Fresh { found, seen, .. } if task.goes_on(&found.outcome, self.now()) => {
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
        let server = self.server.as_ref().filter(|_| may_fill && call.store)?;
        self.claim(server, lead, at, key, seen, task, remote_time)
            .await
    }

    /// Asks for the lease until it is granted, or a value comes, or nothing can be had.
    async fn claim<Q>(
        &self,
        server: &Server,
        lead: &mut Lead<K, V>,
        at: &NearRef<'_, Q>,
        key: &StoredKey,
        mut seen: Seen,
        task: &Task,
        remote_time: &mut Duration,
    ) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let waiter = self.shared.watch.waiter(key);
        let begun = Instant::now();
        loop {
            // Registered before the server is asked, so that no change falls between.
            let mut changed = pin!(waiter.changed());
            changed.as_mut().enable();
            let proof = self.shared.watch.proof(key);
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
                    let read = Read {
                        bytes,
                        proof,
                        just_read: false,
                    };
                    let deadline = Deadline::after(*remote_time);
                    match self
                        .judge(server, at, key, &read, &task.call, deadline)
                        .await
                    {
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
                // Another process refreshes.
                return lead.kept().and_then(|kept| kept.at(self.now()));
            }
            if by.is_note() {
                return None;
            }
            let poll = if self.shared.watch.is_trusted() {
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

    /// What the flight knows and what its value is to bear, before its load begins. Without it
    /// the server gets no value: then the lease is given up.
    async fn begin(
        &self,
        lead: &mut Lead<K, V>,
        key: &StoredKey,
        call: &Call,
        remote_time: &mut Duration,
    ) -> Option<Marked> {
        let tenant = lead.key().tenant.clone();
        let borne = self.borne(tenant.as_ref(), &call.tags);
        let deadline = Deadline::after(*remote_time);
        lead.knows(self.proof(key));
        let stamps = if lead.lease.is_some() {
            let life = call.lifetime.total();
            self.capture(&borne, life, deadline).await
        } else {
            Ok(Vec::new())
        };
        // From now on a change of one of them is a change of this flight. One from before is known to
        // the load, which has not begun.
        let _since = self.shared.scopes.record(&borne, lead.proof());
        *remote_time = deadline.left();
        match stamps {
            Ok(stamps) => Some(Marked {
                tags: Arc::clone(&call.tags),
                stamps,
            }),
            Err(error) => {
                tracing::debug!(target: "larder::load", %key, %error, "no stamps");
                if let Some(lease) = lead.lease.take() {
                    lease.leave_note();
                }
                None
            }
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
            Ok(Ok(Ok(loaded))) => return Ok(loaded),
            Ok(Ok(Err(error))) => Failure::loader(error),
            Ok(Err(message)) => Failure::Panicked(message),
            Err(_) => Failure::TimedOut(limit),
        };
        self.counters.load_failures.up();
        Err(result)
    }

    /// Hands a loaded value to all who wait, and writes it to both tiers.
    async fn land(self: &Arc<Self>, mut lead: Lead<K, V>, landed: Landed<V>) -> Landing<V> {
        let found = Self::loaded(Arc::clone(&landed.value), landed.lifetime.ttl);
        let lease = lead.lease.take();
        let deadline = Deadline::after(landed.remote_time);
        let wanted = landed.key.is_some() && !landed.lifetime.ttl.is_zero();
        let Some(bearing) = self.bearing(&lead, &landed).filter(|_| wanted) else {
            if let Some(lease) = lease {
                lease.leave_note();
            }
            if wanted {
                self.counters.fills_refused.up();
            }
            let _ = lead.publish(Ok(found.clone()), || {});
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
        let published = lead.publish(Ok(found.clone()), || {
            // One that is outdated already would have no effect, except to push out a newer one.
            if let Some(stored) = near.filter(|_| self.holds(proof)) {
                let _counted = self.near_insert(near_key, stored);
            }
        });
        match (lease, payload) {
            (Some(lease), Some(payload)) if !published.voided && !self.shared.gate.has_ended() => {
                let fill = Fill {
                    lead,
                    lease,
                    landed,
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
            (Some(lease), _) => {
                self.counters.fills_refused.up();
                lease.leave_note();
            }
            (None, _) if self.server.is_some() => self.counters.fills_refused.up(),
            (None, _) => {}
        }
        Ok(found)
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
        let late = self.shared.scopes.of_tags(tenant, late);
        // So that a change from now on is seen by the flight, and one from before here.
        let holds = self.shared.scopes.record(&late, lead.proof());
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
            let late = self.late_stamps(&bearing.late, lead.proof(), life, deadline);
            let Some(late) = late.await else {
                self.counters.fills_refused.up();
                lease.leave_note();
                return;
            };
            stamps.extend(late);
        }
        let scoped = Scoped {
            stamps: &stamps,
            tags: &bearing.tags,
        };
        let filled = match server.seal(key, &payload, lifetime, landed.cost, scoped) {
            Ok(bytes) => lease.fill(bytes, lifetime.total(), deadline).await,
            Err(error) => Err(error),
        };
        match filled {
            Ok(true) => self.counters.fills.up(),
            Ok(false) => {
                self.counters.fills_refused.up();
                // Whatever took the lease away, this process may not have heard of it yet.
                let _known = self.shared.watch.mark(key);
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
#[derive(Clone, Debug)]
struct Task {
    call: Call,
    purpose: Purpose,
    /// When the value was born that is to be replaced in the background.
    born: Option<Tick>,
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
    /// What it bears that was known before the load; `None` where it cannot be stored.
    marked: Option<Marked>,
    /// Tags that only the value revealed.
    late: Vec<Box<str>>,
    lifetime: Lifetime,
    cost: Duration,
    /// What is left of the time that the call grants to the remote (G3): the loader's is its own.
    remote_time: Duration,
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
    bearing: Bearing,
    payload: Vec<u8>,
    deadline: Deadline,
    _stay: Stay,
}
