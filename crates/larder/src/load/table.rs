//! Flights. Plain and synchronous: each method is one decision under the lock of the key's shard.

use std::borrow::Borrow;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;

use hashbrown::HashMap;
use tokio::sync::Notify;

use super::Failure;
use super::chain::FlightId;
use super::lease::Held;
use super::limit::{Limit, Taken};
use super::sync::Mutex;
use super::watch::Proof;
use crate::near::{AsHashed, NearKey, NearRef};
use crate::outcome::Found;
use crate::space::Kept;
use crate::telemetry::Miss;
use crate::time::Tick;

const SHARDS: usize = 64;
/// Loads under way at once in one cache; a caller over it gets a stale value or an error (G6).
pub(crate) const MAX_FLIGHTS: usize = 1 << 14;
/// Callers who wait for loads at once in one cache.
pub(crate) const MAX_WAITERS: usize = 1 << 16;

/// What a flight ends in, for the leader and for all who waited.
pub(crate) type Landing<V> = Result<Found<V>, Failure>;

pub(crate) struct Table<K, V> {
    shards: Box<[Mutex<Shard<K, V>>]>,
    flights: Arc<Limit>,
    waiters: Arc<Limit>,
}

type Shard<K, V> = HashMap<NearKey<K>, Arc<Flight<V>>, AsHashed>;

struct Flight<V> {
    id: FlightId,
    _taken: Taken,
    state: Mutex<State<V>>,
    /// Woken once, for one, when the leader left; and for all, when the flight is done.
    changed: Notify,
}

struct State<V> {
    phase: Phase<V>,
    waiters: usize,
    /// Set where a local write came after the flight began: its result is not stored (G2).
    voided: bool,
    /// What was known when it last looked at the server: who comes later than a change that this
    /// proof does not know of must not join.
    proof: Proof,
    /// When that was.
    looked: Tick,
    /// The right to load, where its leader left.
    lease: Option<Held>,
    /// What may be served as stale instead of its result.
    kept: Option<Kept<V>>,
    /// When it last had looked by then.
    kept_looked: Tick,
    /// Whether its result turned out to be older than a change that came after `proof`.
    outdated: bool,
    /// Whether the lookup that leads it is still to be counted, as a hit or as a miss.
    owes: bool,
    /// Why it is a miss, if it is one: what the look at the server said.
    missed: Option<Miss>,
}

impl<V> Flight<V> {
    fn settle(&self) -> Option<Miss> {
        let mut state = self.state.lock();
        let owed = std::mem::take(&mut state.owes);
        owed.then(|| state.missed.unwrap_or(Miss::Absent))
    }
}

impl<V> State<V> {
    /// Whether who came with this proof may have the result: not if they may have come after the
    /// change that it is older than (G2).
    fn suits(&self, came: Proof) -> bool {
        !self.outdated || came.seq() <= self.proof.seq()
    }
}

enum Phase<V> {
    Led,
    Vacant,
    /// With when it landed: its fill may take a while.
    Done(Landing<V>, Tick),
}

/// What a caller becomes.
pub(crate) enum Joined<K: Hash + Eq, V> {
    /// The near tier answered meanwhile.
    Hit(Found<V>),
    /// A flight has landed that is still being written to the server.
    Landed(Found<V>),
    /// The caller leads: it must load.
    Lead(Lead<K, V>),
    /// Another caller leads.
    Wait(Waiter<K, V>),
    /// There are as many flights, or waiters, as there may be.
    Full,
}

impl<K: Hash + Eq, V> Table<K, V> {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS)
            .map(|_| Mutex::new(HashMap::default()))
            .collect();
        Self {
            shards,
            flights: Limit::new(MAX_FLIGHTS),
            waiters: Limit::new(MAX_WAITERS),
        }
    }

    fn shard<Q: ?Sized>(&self, key: &NearRef<'_, Q>) -> &Mutex<Shard<K, V>> {
        // The map below uses the low bits of the same hash; the shard takes high ones.
        &self.shards[(key.hash64() >> 40) as usize % SHARDS]
    }

    /// Marks a local write before the server hears of it: the flight of the key takes no more
    /// joiners and is not stored, and `forget` removes the near entry (or stores the new one, where
    /// there is no server to ask).
    pub(crate) fn void<Q>(&self, key: &NearRef<'_, Q>, forget: impl FnOnce())
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut shard = self.shard(key).lock();
        if let Some(flight) = shard.remove(key) {
            flight.state.lock().voided = true;
        }
        forget();
    }

    /// The keys that have a flight now.
    pub(crate) fn keys(&self) -> Vec<NearKey<K>>
    where
        K: Clone,
    {
        let mut keys = Vec::new();
        for shard in &self.shards {
            keys.extend(shard.lock().keys().cloned());
        }
        keys
    }

    /// Joins the flight of `key`, or begins one. `near` looks into the near tier once more,
    /// under the lock that a landing flight stores under; `shares` says whether what a flight
    /// brings that looked at the server then, with this proof, may go to a caller who comes now.
    /// The answer of `refused` did not suit the caller.
    pub(crate) fn join<Q>(
        self: &Arc<Self>,
        key: &NearRef<'_, Q>,
        (proof, now): (Proof, Tick),
        shares: impl Fn(Proof, Tick) -> bool,
        refused: Option<FlightId>,
        near: impl FnOnce() -> Option<Found<V>>,
    ) -> Joined<K, V>
    where
        K: Borrow<Q> + Clone,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut shard = self.shard(key).lock();
        if let Some(flight) = shard.get(key) {
            let flight = Arc::clone(flight);
            let mut state = flight.state.lock();
            let may_keep =
                |kept: &Kept<V>, looked| !kept.is_remote() || shares(kept.proof(), looked);
            let shares = refused != Some(flight.id)
                && state.suits(proof)
                && shares(state.proof, state.looked);
            if shares {
                // The flight has looked at the server since it read this, and not at the value.
                let looked = state.kept_looked;
                state.kept.take_if(|kept| !may_keep(kept, looked));
                if matches!(state.phase, Phase::Vacant) {
                    state.phase = Phase::Led;
                    let lead = self.lead(key.to_key(), &flight, &mut state);
                    drop(state);
                    return Joined::Lead(lead);
                }
                if let Phase::Done(Ok(found), landed) = &state.phase
                    && let Some(found) = found.later(now.since(*landed))
                {
                    return Joined::Landed(found);
                }
            }
            if shares && !matches!(state.phase, Phase::Done(Ok(_), _)) {
                let Some(taken) = self.waiters.take() else {
                    return Joined::Full;
                };
                state.waiters += 1;
                drop(state);
                return Joined::Wait(Waiter {
                    table: Arc::clone(self),
                    key: key.to_key(),
                    flight,
                    came: proof,
                    _taken: Some(taken),
                });
            }
            // It knows less than this caller, or is past its time. Those who wait for it get its
            // result. Whether that may be kept is for its proof to say, and for its lease.
            drop(state);
            shard.remove(key);
        }
        if let Some(found) = near() {
            return Joined::Hit(found);
        }
        let Some(taken) = self.flights.take() else {
            return Joined::Full;
        };
        let flight = Arc::new(Flight {
            id: FlightId::next(),
            _taken: taken,
            state: Mutex::new(State {
                phase: Phase::Led,
                waiters: 0,
                voided: false,
                proof,
                looked: now,
                lease: None,
                kept: None,
                kept_looked: now,
                outdated: false,
                owes: false,
                missed: None,
            }),
            changed: Notify::new(),
        });
        let owned = key.to_key();
        shard.insert(owned.clone(), Arc::clone(&flight));
        let lead = self.lead(owned, &flight, &mut flight.state.lock());
        Joined::Lead(lead)
    }

    fn lead(
        self: &Arc<Self>,
        key: NearKey<K>,
        flight: &Arc<Flight<V>>,
        state: &mut State<V>,
    ) -> Lead<K, V> {
        Lead {
            table: Arc::clone(self),
            key,
            flight: Arc::clone(flight),
            lease: state.lease.take(),
        }
    }

    /// Takes `flight` out of the table, if it still is the flight of its key.
    fn forget(shard: &mut Shard<K, V>, key: &NearKey<K>, flight: &Arc<Flight<V>>) {
        if shard
            .get(key)
            .is_some_and(|current| Arc::ptr_eq(current, flight))
        {
            shard.remove(key);
        }
    }
}

/// The duty to load. Dropped unpublished, it passes to a waiter, with its lease (G8).
#[must_use]
pub(crate) struct Lead<K: Hash + Eq, V> {
    table: Arc<Table<K, V>>,
    key: NearKey<K>,
    flight: Arc<Flight<V>>,
    pub(crate) lease: Option<Held>,
}

impl<K: Hash + Eq, V> Lead<K, V> {
    pub(crate) fn key(&self) -> &NearKey<K> {
        &self.key
    }

    pub(crate) fn flight(&self) -> FlightId {
        self.flight.id
    }

    /// A lookup leads it that counts, once: its answer decides as what.
    pub(crate) fn owes(&self) {
        self.flight.state.lock().owes = true;
    }

    /// No tier has the answer, for this reason, at best something to be kept for want of a better one.
    pub(crate) fn lacks(&self, why: Miss) {
        self.flight.state.lock().missed = Some(why);
    }

    /// The lookup that leads it has its answer now: why that is a miss, should it be one; `None` where it is
    /// counted already, or does not count.
    pub(crate) fn settle(&self) -> Option<Miss> {
        self.flight.settle()
    }

    /// A place in the queue for the leader's own caller.
    pub(crate) fn waiter(&self) -> Waiter<K, V>
    where
        K: Clone,
    {
        let mut state = self.flight.state.lock();
        state.waiters += 1;
        Waiter {
            table: Arc::clone(&self.table),
            key: self.key.clone(),
            flight: Arc::clone(&self.flight),
            came: state.proof,
            _taken: None,
        }
    }

    /// Leaves without a value. One of those who wait loads in its turn; where nobody here waits,
    /// those elsewhere are told not to.
    pub(crate) fn leave(mut self) {
        if self.flight.state.lock().waiters == 0
            && let Some(lease) = self.lease.take()
        {
            lease.leave_note();
        }
    }

    /// Lets those who wait have `kept`, where they do not want to wait for the load.
    pub(crate) fn keep(&self, kept: Kept<V>) {
        let mut state = self.flight.state.lock();
        (state.kept, state.kept_looked) = (Some(kept), state.looked);
        drop(state);
        self.flight.changed.notify_waiters();
    }

    pub(crate) fn kept(&self) -> Option<Kept<V>> {
        self.flight.state.lock().kept.clone()
    }

    /// What was known when the flight last looked at the server.
    pub(crate) fn proof(&self) -> Proof {
        self.flight.state.lock().proof
    }

    /// The flight is about to look at the server again: whatever it finds or loads from now on
    /// knows of all that `proof` does. A stale value that it found before is forgotten where its
    /// proof does not hold: who joins from now on must not get it.
    pub(crate) fn knows(&self, proof: Proof, now: Tick, holds: impl FnOnce(Proof) -> bool) {
        let mut state = self.flight.state.lock();
        (state.proof, state.looked) = (proof, now);
        state.kept.take_if(|kept| !holds(kept.proof()));
    }

    /// What is going to be published is older than a change that came after [`proof`](Self::proof):
    /// who came after that too begins anew.
    pub(crate) fn outdate(&self) {
        self.flight.state.lock().outdated = true;
    }

    /// Gives all who wait their answer. `store` puts the value into the near tier, unless a
    /// local write came since the flight began; returns whether one did.
    ///
    /// The flight stays in the table until the lead is dropped, so that callers who come during
    /// the fill still get its answer.
    pub(crate) fn publish(
        &self,
        landing: Landing<V>,
        now: Tick,
        store: impl FnOnce(),
    ) -> Published {
        let shard = self.table.shard(&self.key.as_ref()).lock();
        let mut state = self.flight.state.lock();
        let published = Published {
            voided: state.voided,
        };
        if !state.voided {
            store();
        }
        state.phase = Phase::Done(landing, now);
        drop(state);
        drop(shard);
        self.flight.changed.notify_waiters();
        published
    }
}

/// What [`Lead::publish`] found.
#[must_use]
pub(crate) struct Published {
    pub(crate) voided: bool,
}

impl<K: Hash + Eq, V> Drop for Lead<K, V> {
    fn drop(&mut self) {
        let mut shard = self.table.shard(&self.key.as_ref()).lock();
        let mut state = self.flight.state.lock();
        match state.phase {
            Phase::Done(..) => Table::forget(&mut shard, &self.key, &self.flight),
            Phase::Led | Phase::Vacant if state.waiters == 0 => {
                state.phase = Phase::Vacant;
                Table::forget(&mut shard, &self.key, &self.flight);
            }
            Phase::Led | Phase::Vacant => {
                state.phase = Phase::Vacant;
                state.lease = self.lease.take();
                drop(state);
                // One waiter wakes. If it is dropped before it looks, `Notify` wakes the next.
                self.flight.changed.notify_one();
            }
        }
    }
}

/// A place in the queue for a flight's answer.
#[must_use]
pub(crate) struct Waiter<K: Hash + Eq, V> {
    table: Arc<Table<K, V>>,
    key: NearKey<K>,
    flight: Arc<Flight<V>>,
    /// What was known when the caller came.
    came: Proof,
    _taken: Option<Taken>,
}

/// What a waiter gets.
pub(crate) enum Waited<K: Hash + Eq, V> {
    Landed(Landing<V>),
    /// It has landed, and is older than what this caller must have.
    Outdated,
    /// The leader was dropped: this caller leads now.
    Lead(Lead<K, V>),
}

impl<K: Hash + Eq + Clone, V> Waiter<K, V> {
    pub(crate) fn flight(&self) -> FlightId {
        self.flight.id
    }

    /// As [`Lead::settle`], for the leader's own caller.
    pub(crate) fn settle(&self) -> Option<Miss> {
        self.flight.settle()
    }

    /// A stale value that the leader has found.
    pub(crate) fn kept(&self) -> Option<Kept<V>> {
        self.flight.state.lock().kept.clone()
    }

    /// Waits for the flight's end, or for its leader's.
    ///
    /// Cancel safe: a waiter that is dropped leaves the queue to the others.
    pub(crate) async fn wait(&self) -> Waited<K, V> {
        loop {
            let mut changed = pin!(self.flight.changed.notified());
            // Registered before the state is read, so that no change falls between.
            changed.as_mut().enable();
            if let Some(waited) = self.look() {
                return waited;
            }
            changed.await;
        }
    }

    /// The same, and for a stale value: `Err`, once the leader has found one.
    pub(crate) async fn wait_or_kept(&self) -> Result<Waited<K, V>, Kept<V>> {
        loop {
            let mut changed = pin!(self.flight.changed.notified());
            changed.as_mut().enable();
            if let Some(waited) = self.look() {
                return Ok(waited);
            }
            if let Some(kept) = self.kept() {
                return Err(kept);
            }
            changed.await;
        }
    }

    fn look(&self) -> Option<Waited<K, V>> {
        let mut state = self.flight.state.lock();
        match &state.phase {
            Phase::Done(..) if !state.suits(self.came) => Some(Waited::Outdated),
            Phase::Done(landing, _) => Some(Waited::Landed(landing.clone())),
            Phase::Vacant => {
                state.phase = Phase::Led;
                let key = self.key.clone();
                Some(Waited::Lead(self.table.lead(key, &self.flight, &mut state)))
            }
            Phase::Led => None,
        }
    }
}

impl<K: Hash + Eq, V> Drop for Waiter<K, V> {
    fn drop(&mut self) {
        let mut shard = self.table.shard(&self.key.as_ref()).lock();
        let mut state = self.flight.state.lock();
        state.waiters -= 1;
        if state.waiters == 0 && matches!(state.phase, Phase::Vacant) {
            Table::forget(&mut shard, &self.key, &self.flight);
        }
    }
}
