//! Leads a flight: looks at the server, takes the lease, runs the loader.

use std::borrow::Borrow;
use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::chain;
use super::claim::Way;
use super::land::Landed;
use super::table::{Landing, Lead};
use super::{Failure, Load, Loaded, Taken, catch_panic};
use crate::key::{CacheKey, StoredKey, Tenant};
use crate::near::NearRef;
use crate::options::{Call, Lifetime};
use crate::outcome::{Found, Freshness, Outcome, StaleReason};
use crate::space::Space;
use crate::telemetry::Miss;
use crate::tenant::Account;
use crate::time::Tick;
use crate::unwind::caught;
use crate::value::CacheValue;

/// How long a refresh that failed, or that another process is at, is not tried again.
pub(super) const REFRESH_PAUSE: Duration = Duration::from_secs(1);
/// How far two estimates of one value's age may differ.
pub(super) const SAME_AGE: Duration = Duration::from_millis(20);

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
    pub(super) fn goes_on(&self, outcome: &Outcome, now: Tick) -> bool {
        match self.born {
            // Another process may have refreshed it meanwhile.
            Some(born) => now.minus(outcome.age) <= born.plus(SAME_AGE),
            None => self.call.force,
        }
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
        let mut may_load = match self.kept_from_loading(&at) {
            Some(failure) => Err(failure),
            None => Ok(None),
        };
        task.rests = may_load.is_err();
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
            may_load = may_load.and_then(|_| self.may_load(at.tenant));
            if may_load.is_ok() {
                let deadline = way.deadline();
                let flight = &mut [(&mut lead, key)];
                marked = self.begin(flight, &task.call, deadline).await;
                way.paid(deadline);
            }
            remote_time = way.remote_time;
        } else {
            may_load = may_load.and_then(|_| self.may_load(at.tenant));
            lead.lacks(Miss::InvalidKey);
        }
        let running = match may_load {
            Ok(running) => running,
            Err(failure) => {
                self.rest_refresh(&lead, &task);
                let landing = self.or_kept(&lead, failure, &task);
                let _ = lead.publish(landing.clone(), self.now(), || {});
                return landing;
            }
        };
        let began = self.now();
        let stale = lead.kept().and_then(|kept| kept.at(began));
        let told = Load::new(
            stale.map(|found| found.value),
            task.purpose != Purpose::Answer,
        );
        if task.purpose == Purpose::Refresh {
            self.count(at.tenant, |counters| counters.refreshes.up());
        }
        let loading = self.load_counted(at.tenant, told, loader);
        let brought = chain::within(lead.flight(), loading).await;
        drop(running);
        match brought {
            Ok(brought) => {
                let cost = self.now().since(began);
                let landed = Landed {
                    lifetime: self.lifetime(&brought, &task.call),
                    value: brought.value,
                    late: brought.tags,
                    together: None,
                    key: key.filter(|_| task.call.store),
                    marked,
                    cost,
                    remote_time,
                };
                self.failures.forget(&at);
                self.refreshes.forget(&at);
                self.missed(&lead);
                self.land(lead, landed).await
            }
            Err(failure) => self.fail(lead, &task, failure),
        }
    }

    /// Ends a flight whose load failed: with a stale value, where there is one.
    pub(super) fn fail(&self, mut lead: Lead<K, V>, task: &Task, failure: Failure) -> Landing<V> {
        if let Some(lease) = lead.lease.take() {
            lease.leave_note();
        }
        let now = self.now();
        let pause = self.pause_after(&failure);
        if !pause.is_zero() {
            let (key, why) = (lead.key().clone(), failure.clone());
            self.failures.put(key, why, now, now.plus(pause));
        }
        self.rest_refresh(&lead, task);
        let landing = self.or_kept(&lead, failure, task);
        let _ = lead.publish(landing.clone(), self.now(), || {});
        landing
    }

    /// Who refreshes is not waited for, so each hit would try again at once.
    fn rest_refresh(&self, lead: &Lead<K, V>, task: &Task) {
        if task.purpose != Purpose::Answer {
            let now = self.now();
            let until = now.plus(REFRESH_PAUSE);
            self.refreshes.put(lead.key().clone(), (), now, until);
        }
    }

    /// A stale value in place of a failure, counted, where the leader found one.
    pub(super) fn or_kept(&self, lead: &Lead<K, V>, failure: Failure, task: &Task) -> Landing<V> {
        let now = self.now();
        let mut kept = lead.kept().and_then(|kept| kept.after_failed_load(now));
        if matches!(failure, Failure::Overloaded) {
            let tenant = lead.key().tenant.as_ref();
            self.count(tenant, |counters| counters.overloads.up());
            // No loader has failed: it would have to wait for its turn.
            if let Some(found) = &mut kept
                && found.outcome.freshness == Freshness::Stale(StaleReason::LoaderFailed)
            {
                found.outcome.freshness = Freshness::Stale(StaleReason::SlowLoad);
            }
        }
        let Some(found) = kept.filter(|found| task.call.takes(&found.outcome)) else {
            self.missed(lead);
            return Err(failure);
        };
        self.hit(lead, &found);
        Ok(found)
    }

    /// Counts that a flight's lookup was answered by what was stored.
    pub(super) fn hit(&self, lead: &Lead<K, V>, found: &Found<V>) {
        if lead.settle().is_some() {
            let (tenant, outcome) = (lead.key().tenant.as_ref(), found.outcome);
            self.count(tenant, |counters| counters.answered(&outcome));
        }
    }

    /// Counts that it was not.
    pub(super) fn missed(&self, lead: &Lead<K, V>) {
        if let Some(why) = lead.settle() {
            let tenant = lead.key().tenant.as_ref();
            self.count(tenant, |counters| counters.missed(why));
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

    /// Runs a loader, no longer than the cache allows.
    pub(super) async fn load_counted<L, F, E>(
        &self,
        tenant: Option<&Tenant>,
        told: Load<V>,
        loader: L,
    ) -> Result<Loaded<V>, Failure>
    where
        L: FnOnce(Load<V>) -> F,
        F: Future<Output = Result<Loaded<V>, E>>,
        E: Display + Send + Sync + 'static,
    {
        self.count(tenant, |counters| counters.loads.up());
        let brought = self.limited(|| loader(told)).await;
        brought.inspect_err(|_| self.count(tenant, |counters| counters.load_failures.up()))
    }

    /// Why a key that is not found is not to be loaded: its load failed a moment ago, or as many loaders
    /// run for its tenant as may. The leases need not be asked for, then.
    pub(super) fn kept_from_loading<Q>(&self, at: &NearRef<'_, Q>) -> Option<Failure>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let failed = self.failures.of(at, self.now());
        let is_full = || self.account(at.tenant).is_some_and(Account::is_full);
        failed.or_else(|| is_full().then_some(Failure::Overloaded))
    }

    /// The right to run a loader for a tenant; a failure where as many run as may (G6).
    pub(super) fn may_load(&self, tenant: Option<&Tenant>) -> Result<Option<Taken>, Failure> {
        match self.account(tenant).map(Account::load) {
            None => Ok(None),
            Some(Some(taken)) => Ok(Some(taken)),
            Some(None) => Err(Failure::Overloaded),
        }
    }

    /// Runs a loader of the user's: its panic and its taking too long are answers.
    pub(super) async fn limited<F, T, E>(&self, load: impl FnOnce() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, E>>,
        E: Display + Send + Sync + 'static,
    {
        let (limit, began) = (self.options.load_timeout, Instant::now());
        let outcome = match timeout(limit, catch_panic(load)).await {
            Ok(Ok(Ok(brought))) => Ok(brought),
            Ok(Ok(Err(error))) => Err(Failure::loader(error)),
            Ok(Err(message)) => Err(Failure::Panicked(message)),
            Err(_) => Err(Failure::TimedOut(limit)),
        };
        let (took, cache) = (began.elapsed(), self.name.as_str());
        self.load_times.record(took);
        match &outcome {
            Ok(_) => tracing::debug!(target: "larder::load", cache, ?took, "loaded"),
            Err(failure) => {
                let reason = failure.kind();
                tracing::debug!(target: "larder::load", cache, ?took, reason, "a load failed");
            }
        }
        outcome
    }
}
