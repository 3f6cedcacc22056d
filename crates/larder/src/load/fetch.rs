//! Takes callers to a flight: they lead it, wait for it, or have their answer at once.

use std::borrow::Borrow;
use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::chain::{self, FlightId};
use super::lead::Task;
use super::table::{Joined, Landing, Lead, Waited, Waiter};
use super::{Failure, Load, LoadError, Loaded};
use crate::key::{CacheKey, StoredKey, Tenant};
use crate::near::NearRef;
use crate::options::Call;
use crate::outcome::{Found, StaleReason};
use crate::space::{Kept, Space};
use crate::value::CacheValue;

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
            Seat::Lead(lead) => self.lead(lead, key, Task::asked(call), loader).await,
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
                match self.await_end(&at, &waiter, &call, true).await {
                    Waited::Landed(landing) => landing,
                    // Its task is gone, and the loader with it. It is not outdated for who began it.
                    Waited::Lead(_) | Waited::Outdated => Err(Failure::RuntimeGone),
                }
            }
        };
        landing.map_err(Failure::into_error)
    }

    /// Where nothing is stored, each caller loads for itself.
    pub(crate) async fn load_alone<L, F, E>(&self, loader: L) -> Result<Found<V>, LoadError<E>>
    where
        L: FnOnce(Load<V>) -> F,
        F: Future<Output = Result<Loaded<V>, E>>,
        E: Display + Send + Sync + 'static,
    {
        match self
            .load_counted(None, Load::new(None, false), loader)
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
        call: &Call,
    ) -> Seat<K, V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        self.sampling.saw(at.hash64());
        match self.come(at, key, call, None) {
            Came::Seated(seat) => seat,
            Came::Waits(waiter) => self.wait_for_seat(at, key, call, waiter).await,
        }
    }

    /// Joins the flight of a key, or begins one.
    pub(super) fn come<Q>(
        self: &Arc<Self>,
        at: &NearRef<'_, Q>,
        key: Option<&StoredKey>,
        call: &Call,
        refused: Option<FlightId>,
    ) -> Came<K, V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let proof = match key {
            Some(key) => self.proof(key),
            None => self.watch.no_proof(),
        };
        let near = || {
            if call.near && !call.force {
                self.near_meanwhile(at, call)
            } else {
                None
            }
        };
        let (now, shares) = (self.now(), |proof, looked| self.shares(proof, looked));
        let seat = match self.table.join(at, (proof, now), shares, refused, near) {
            Joined::Hit(found) => Seat::Landed(Ok(found)),
            Joined::Landed(found) => Seat::Landed(Ok(self.joined(at.tenant, found))),
            Joined::Lead(lead) => Seat::lead(lead, call),
            Joined::Wait(waiter) => return Came::Waits(waiter),
            Joined::Full => {
                self.count(at.tenant, |counters| counters.overloads.up());
                let kept = self.fallback(at, None, StaleReason::SlowLoad, call);
                let kept = kept.inspect(|found| self.count_stale(at, found));
                Seat::Landed(kept.ok_or(Failure::Overloaded))
            }
        };
        Came::Seated(seat)
    }

    /// Waits for a flight, and where its answer does not suit the caller for another.
    pub(super) async fn wait_for_seat<Q>(
        self: &Arc<Self>,
        at: &NearRef<'_, Q>,
        key: Option<&StoredKey>,
        call: &Call,
        mut waiter: Waiter<K, V>,
    ) -> Seat<K, V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        loop {
            let flight = waiter.flight();
            let Ok(_waits) = chain::wait_for(flight) else {
                return Seat::Landed(Err(Failure::Circular));
            };
            match self.await_end(at, &waiter, call, false).await {
                Waited::Lead(lead) => return Seat::lead(lead, call),
                // Older than what this caller must have: it tries for itself.
                Waited::Outdated => {}
                // Staler than it takes.
                Waited::Landed(Ok(found)) if !call.takes(&found.outcome) => {}
                Waited::Landed(landing) => {
                    return Seat::Landed(match landing {
                        Ok(found) => Ok(self.joined(at.tenant, found)),
                        Err(failure) => {
                            self.count(at.tenant, |counters| counters.loads_joined.up());
                            Err(failure)
                        }
                    });
                }
            }
            waiter = match self.come(at, key, call, Some(flight)) {
                Came::Seated(seat) => return seat,
                Came::Waits(waiter) => waiter,
            };
        }
    }

    /// An answer that another caller's flight brought, counted.
    fn joined(&self, tenant: Option<&Tenant>, mut found: Found<V>) -> Found<V> {
        self.count(tenant, |counters| counters.loads_joined.up());
        found.outcome.joined = true;
        found
    }

    /// Waits for a flight's end; past the soft timeout a stale value will do. `leads`: who waits began it,
    /// and is counted by it.
    async fn await_end<Q>(
        &self,
        at: &NearRef<'_, Q>,
        waiter: &Waiter<K, V>,
        call: &Call,
        leads: bool,
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
        let fallback = |kept| {
            let found = self.fallback(at, kept, StaleReason::SlowLoad, call)?;
            if !leads || waiter.settle().is_some() {
                self.count_stale(at, &found);
            }
            Some(found)
        };
        if let Some(found) = fallback(waiter.kept()) {
            return Waited::Landed(Ok(found));
        }
        // The leader may find a stale value later than that.
        match waiter.wait_or_kept().await {
            Ok(end) => end,
            Err(kept) => match fallback(Some(kept)) {
                Some(found) => Waited::Landed(Ok(found)),
                None => waiter.wait().await,
            },
        }
    }

    /// A stale value for a caller who does not wait for a load.
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
        call.takes(&found.outcome).then_some(found)
    }

    fn count_stale<Q: ?Sized>(&self, at: &NearRef<'_, Q>, found: &Found<V>) {
        let outcome = found.outcome;
        self.count(at.tenant, |counters| counters.answered(&outcome));
    }
}

/// What a caller who came to a flight becomes.
pub(super) enum Seat<K: Hash + Eq, V> {
    Landed(Landing<V>),
    Lead(Lead<K, V>),
}

impl<K: Hash + Eq, V> Seat<K, V> {
    /// A load that is asked for in any case looks nothing up.
    fn lead(lead: Lead<K, V>, call: &Call) -> Self {
        if call.counts && !call.force {
            lead.owes();
        }
        Self::Lead(lead)
    }
}

/// The same, before it waits.
pub(super) enum Came<K: Hash + Eq, V> {
    Seated(Seat<K, V>),
    Waits(Waiter<K, V>),
}
