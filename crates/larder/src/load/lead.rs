//! Leads a flight: looks at the server, takes the lease, runs the loader.

use std::borrow::Borrow;
use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::chain;
use super::land::Landed;
use super::lease::{Asked, Held, LEASE_TTL};
use super::table::{Landing, Lead};
use super::{Failure, Load, Loaded, catch_panic};
use crate::key::{CacheKey, StoredKey};
use crate::near::NearRef;
use crate::options::{Call, Lifetime};
use crate::outcome::{Found, Outcome, Source, StaleReason};
use crate::remote::Deadline;
use crate::scope::Scopes;
use crate::space::{Kept, Look, Marked, Read, Seen, Space};
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

/// What a flight is led for.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) call: Call,
    pub(super) purpose: Purpose,
    /// When the value was born that is to be replaced in the background.
    pub(super) born: Option<Tick>,
    /// Whether nothing will be loaded, since that failed a moment ago.
    pub(super) rests: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Someone waits for it.
    Answer,
    /// To load a value again before it expires.
    Refresh,
    /// To store a value again, so that it lives longer.
    Slide,
}

impl Task {
    /// For a caller who waits.
    pub(super) fn asked(call: Call) -> Self {
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

/// A leader's way to the server.
struct Way<'a> {
    key: &'a StoredKey,
    task: &'a Task,
    /// What is left of the time that the call grants to the remote.
    remote_time: Duration,
}

impl Way<'_> {
    fn deadline(&self) -> Deadline {
        Deadline::after(self.remote_time)
    }

    /// What was asked by this deadline has been answered.
    fn paid(&mut self, deadline: Deadline) {
        self.remote_time = deadline.left();
    }
}

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// Leads a flight to its end. The function is run at most once, whatever the cache does.
    pub(super) async fn lead<L, F, E>(
        self: &Arc<Self>,
        mut lead: Lead<K, V>,
        key: Option<StoredKey>,
        mut task: Task,
        loader: L,
    ) -> Landing<V>
    where
        L: FnOnce(Load<V>) -> F,
        F: Future<Output = Result<Loaded<V>, E>>,
        E: Display + Send + Sync + 'static,
    {
        let near_key = lead.key().clone();
        let at = near_key.as_ref();
        // Left in peace: what another process stored since is looked for all the same.
        let failure = self.failures.of(&at, self.now());
        task.rests = failure.is_some();
        let mut marked = None;
        let mut remote_time = self.shared.timeout;
        if let Some(key) = &key {
            let mut way = Way {
                key,
                task: &task,
                remote_time,
            };
            // A lease that is held already came from a leader who had looked.
            if lead.lease.is_none()
                && let Some(found) = self.prepare(&mut lead, &at, &mut way).await
            {
                let _ = lead.publish(Ok(found.clone()), self.now(), || {});
                return Ok(found);
            }
            if !task.rests {
                marked = self.begin(&mut lead, &mut way).await;
            }
            remote_time = way.remote_time;
        } else {
            self.counters.missed(Miss::InvalidKey);
        }
        if let Some(failure) = failure {
            let landing = self.or_kept(&lead, failure, &task);
            let _ = lead.publish(landing.clone(), self.now(), || {});
            return landing;
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
        match chain::within(lead.flight(), loading).await {
            Ok(brought) => {
                let cost = self.now().since(began);
                let landed = Landed {
                    lifetime: match task.purpose {
                        // As it was, and not shortened at random again.
                        Purpose::Slide => task.call.lifetime,
                        _ => self.lifetime(&brought, &task.call),
                    },
                    value: brought.value,
                    late: brought.tags,
                    key: key.filter(|_| task.call.store),
                    marked,
                    cost,
                    remote_time,
                };
                self.failures.forget(&at);
                self.refreshes.forget(&at);
                self.land(lead, landed).await
            }
            Err(failure) => self.fail(lead, &task, failure),
        }
    }

    /// Ends a flight whose load failed: with a stale value, where there is one.
    fn fail(&self, mut lead: Lead<K, V>, task: &Task, failure: Failure) -> Landing<V> {
        if let Some(lease) = lead.lease.take() {
            lease.leave_note();
        }
        let now = self.now();
        let pause = self.pause_after(&failure);
        if !pause.is_zero() {
            let (key, why) = (lead.key().clone(), failure.clone());
            self.failures.put(key, why, now, now.plus(pause));
        }
        if task.purpose != Purpose::Answer {
            // Who refreshes is not waited for, so each hit would try again at once.
            let until = now.plus(REFRESH_PAUSE);
            self.refreshes.put(lead.key().clone(), (), now, until);
        }
        let landing = self.or_kept(&lead, failure, task);
        let _ = lead.publish(landing.clone(), self.now(), || {});
        landing
    }

    /// A stale value in place of a failure, counted, where the leader found one.
    fn or_kept(&self, lead: &Lead<K, V>, failure: Failure, task: &Task) -> Landing<V> {
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
    pub(crate) fn lifetime(&self, loaded: &Loaded<V>, call: &Call) -> Lifetime {
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
        way: &mut Way<'_>,
    ) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let (key, task) = (way.key, way.task);
        let call = &task.call;
        if !call.remote {
            self.counters.missed(Miss::Absent);
            if let Some(kept) = self.kept_near(at, StaleReason::Expired) {
                lead.keep(kept);
            }
            return None;
        }
        let deadline = way.deadline();
        let look = self.look(at, key, lead.proof(), call, deadline).await;
        way.paid(deadline);
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
        self.claim(lead, at, seen, way).await
    }

    /// Asks for the lease until it is granted, or a value comes, or nothing can be had.
    async fn claim<Q>(
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
        let server = self.server.as_ref()?;
        let (key, task) = (way.key, way.task);
        let waiter = self.watch.waiter(key);
        let begun = Instant::now();
        loop {
            // Registered before the server is asked, so that no change falls between.
            let mut changed = pin!(waiter.changed());
            changed.as_mut().enable();
            let proof = self.watch.proof(key);
            lead.knows(proof, self.now(), |kept| self.holds(kept));
            let deadline = way.deadline();
            let head = &seen[..seen.len().min(HEADER_LEN)];
            let asked = Held::ask(&server.lessor, key, head, deadline).await;
            way.paid(deadline);
            let (by, left) = match asked {
                Asked::Granted(lease) => {
                    lead.lease = Some(lease);
                    return None;
                }
                Asked::Value(bytes) => {
                    let read = Read {
                        bytes,
                        proof,
                        has_base: false,
                    };
                    let deadline = way.deadline();
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
            self.counters.leases_awaited.up();
            let until = Instant::now() + poll.min(left.max(Duration::from_millis(1)));
            let _ = timeout_at(until, changed).await;
        }
    }

    /// What the flight knows and what its value is to bear, before its load begins. Without it
    /// the server gets no value: then the lease is given up.
    async fn begin(&self, lead: &mut Lead<K, V>, way: &mut Way<'_>) -> Option<Marked> {
        let (key, call) = (way.key, &way.task.call);
        let borne = self.borne(lead.key().tenant.as_ref(), &call.tags);
        let deadline = way.deadline();
        lead.knows(self.proof(key), self.now(), |kept| self.holds(kept));
        let stamps = if lead.lease.is_some() {
            let life = call.lifetime.total();
            self.capture(&borne, life, deadline).await
        } else {
            Ok(Vec::new())
        };
        // From now on a change of one of them is a change of this flight. One from before is known to
        // the load, which has not begun.
        let _since = Scopes::record(&borne, lead.proof());
        way.paid(deadline);
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
    pub(super) async fn load_counted<L, F, E>(
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
}
