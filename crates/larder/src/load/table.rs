//! Flights, and the versions that keep old values out of the near tier. Plain and synchronous:
//! each method is one decision under the lock of the key's shard.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::pin::pin;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;
use quick_cache::{DefaultHashBuilder, Equivalent};
use tokio::sync::Notify;

use super::Failure;
use crate::near::{NearKey, NearRef};
use crate::outcome::{Found, Source};

const SHARDS: usize = 64;

/// What a flight ends in, for the leader and for all who waited.
pub(crate) type Landing<V> = Result<Found<V>, Failure>;

pub(crate) struct Table<K, V> {
    shards: Box<[Mutex<Shard<K, V>>]>,
    hasher: DefaultHashBuilder,
}

struct Shard<K, V> {
    /// Raised by each local write to any key of the shard.
    version: u64,
    flights: HashMap<NearKey<K>, Arc<Flight<V>>, DefaultHashBuilder>,
    /// Flights that were voided while their fill was on its way to the server, until it is over.
    fills: Vec<(NearKey<K>, Arc<Flight<V>>)>,
}

/// The version of a key's shard before a remote read, or of a local write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Ticket(u64);

struct Flight<V> {
    state: Mutex<State<V>>,
    /// Woken once, for one, when the leader left; and for all, when the flight is done.
    changed: Notify,
}

struct State<V> {
    phase: Phase<V>,
    waiters: usize,
    /// Set where a local write came after the flight began: its result is not stored (G2).
    voided: bool,
    /// Whether nothing of the flight is on its way any more, its fill included.
    over: bool,
}

enum Phase<V> {
    Led,
    Vacant,
    Done(Landing<V>),
}

/// What a caller becomes.
pub(crate) enum Joined<K: Hash + Eq, V> {
    /// The near tier answered meanwhile.
    Hit(Found<V>),
    /// The caller leads: it must load.
    Lead(Lead<K, V>),
    /// Another caller leads.
    Wait(Waiter<K, V>),
}

impl<K: Hash + Eq, V> Table<K, V> {
    pub(crate) fn new() -> Self {
        let hasher = DefaultHashBuilder::default();
        let shards = (0..SHARDS)
            .map(|_| {
                Mutex::new(Shard {
                    version: 0,
                    flights: HashMap::with_hasher(hasher.clone()),
                    fills: Vec::new(),
                })
            })
            .collect();
        Self { shards, hasher }
    }

    fn shard<Q: Hash>(&self, key: &Q) -> &Mutex<Shard<K, V>> {
        // The map below uses the low bits of the same hash; the shard takes high ones.
        let hash = self.hasher.hash_one(key);
        &self.shards[(hash >> 40) as usize % SHARDS]
    }

    /// Taken before a remote read whose answer may be offered to the near tier.
    pub(crate) fn ticket<Q: Hash + ?Sized>(&self, key: &NearRef<'_, Q>) -> Ticket {
        Ticket(self.shard(key).lock().version)
    }

    /// Runs `store` only if no local write came to the key since the ticket.
    pub(crate) fn admit<Q: Hash + ?Sized>(
        &self,
        key: &NearRef<'_, Q>,
        ticket: Ticket,
        store: impl FnOnce(),
    ) {
        let shard = self.shard(key).lock();
        if shard.version == ticket.0 {
            store();
        }
    }

    /// Marks a local write before the server hears of it: the flight of the key takes no more
    /// joiners and is not stored, remote reads in progress are not admitted, and `forget`
    /// removes the near entry (or stores the new one, where there is no server to ask).
    ///
    /// Also returned are the fills that are on their way: a write that overtook one of them would
    /// be undone by it.
    pub(crate) fn void<Q>(&self, key: &NearRef<'_, Q>, forget: impl FnOnce()) -> (Ticket, Fills<V>)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut shard = self.shard(key).lock();
        shard.version += 1;
        if let Some((owned, flight)) = shard.flights.remove_entry(key) {
            let mut state = flight.state.lock();
            state.voided = true;
            let filling = matches!(state.phase, Phase::Done(_));
            drop(state);
            if filling {
                shard.fills.push((owned, flight));
            }
        }
        forget();
        let fills = shard.fills.iter().filter(|(of, _)| key.equivalent(of));
        let fills = fills.map(|(_, flight)| Arc::clone(flight)).collect();
        (Ticket(shard.version), Fills(fills))
    }

    /// Ends a local write: `settle(true)` where no other local write came since its mark. Where
    /// one did, nobody here can tell which of the two the server took last, so neither may stay
    /// in the near tier.
    pub(crate) fn settle<Q>(&self, key: &NearRef<'_, Q>, mark: Ticket, settle: impl FnOnce(bool))
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut shard = self.shard(key).lock();
        let alone = shard.version == mark.0;
        shard.version += 1;
        // A flight that began during the write may have read what was there before it. Who comes
        // from now on must not get that (G2); what a loader brought is newer than the write.
        if let Some(flight) = shard.flights.get(key) {
            let mut state = flight.state.lock();
            let loaded = matches!(
                &state.phase,
                Phase::Done(Ok(found)) if found.outcome.source == Source::Loader
            );
            state.voided |= !loaded;
            drop(state);
            if !loaded {
                shard.flights.remove(key);
            }
        }
        settle(alone);
    }

    /// Joins the flight of `key`, or begins one. `near` looks into the near tier once more,
    /// under the lock that a landing flight stores under.
    pub(crate) fn join<Q>(
        self: &Arc<Self>,
        key: &NearRef<'_, Q>,
        near: impl FnOnce() -> Option<Found<V>>,
    ) -> Joined<K, V>
    where
        K: Borrow<Q> + Clone,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut shard = self.shard(key).lock();
        if let Some(flight) = shard.flights.get(key) {
            let flight = Arc::clone(flight);
            let mut state = flight.state.lock();
            if matches!(state.phase, Phase::Vacant) {
                state.phase = Phase::Led;
                drop(state);
                return Joined::Lead(self.lead(key.to_key(), flight));
            }
            state.waiters += 1;
            drop(state);
            return Joined::Wait(Waiter {
                table: Arc::clone(self),
                key: key.to_key(),
                flight,
            });
        }
        if let Some(found) = near() {
            return Joined::Hit(found);
        }
        let flight = Arc::new(Flight {
            state: Mutex::new(State {
                phase: Phase::Led,
                waiters: 0,
                voided: false,
                over: false,
            }),
            changed: Notify::new(),
        });
        let owned = key.to_key();
        shard.flights.insert(owned.clone(), Arc::clone(&flight));
        Joined::Lead(self.lead(owned, flight))
    }

    fn lead(self: &Arc<Self>, key: NearKey<K>, flight: Arc<Flight<V>>) -> Lead<K, V> {
        Lead {
            table: Arc::clone(self),
            key,
            flight,
        }
    }

    /// Takes `flight` out of the table, if it still is the flight of its key.
    fn forget(shard: &mut Shard<K, V>, key: &NearKey<K>, flight: &Arc<Flight<V>>) {
        if shard
            .flights
            .get(key)
            .is_some_and(|current| Arc::ptr_eq(current, flight))
        {
            shard.flights.remove(key);
        }
    }
}

/// Fills of voided flights that are on their way to the server.
#[must_use = "a write waits until they are over"]
pub(crate) struct Fills<V>(Vec<Arc<Flight<V>>>);

impl<V> Fills<V> {
    /// Waits until none of them is on its way any more.
    pub(crate) async fn over(&self) {
        for flight in &self.0 {
            loop {
                let mut changed = pin!(flight.changed.notified());
                changed.as_mut().enable();
                if flight.state.lock().over {
                    break;
                }
                changed.await;
            }
        }
    }
}

/// The duty to load. Dropped unpublished, it passes to a waiter (G8).
#[must_use]
pub(crate) struct Lead<K: Hash + Eq, V> {
    table: Arc<Table<K, V>>,
    key: NearKey<K>,
    flight: Arc<Flight<V>>,
}

impl<K: Hash + Eq, V> Lead<K, V> {
    pub(crate) fn key(&self) -> &NearKey<K> {
        &self.key
    }

    /// Gives all who wait their answer. `store` puts the value into the near tier, unless a
    /// local write came since the flight began; returns whether it did not.
    ///
    /// The flight stays in the table until the lead is dropped, so that a local write during
    /// the fill still finds and voids it.
    pub(crate) fn publish(&self, landing: Landing<V>, store: impl FnOnce()) -> Published {
        let shard = self.table.shard(&self.key).lock();
        let mut state = self.flight.state.lock();
        let published = Published {
            voided: state.voided,
        };
        if !state.voided {
            store();
        }
        state.phase = Phase::Done(landing);
        drop(state);
        drop(shard);
        self.flight.changed.notify_waiters();
        published
    }

    /// Whether a local write came since the flight began.
    pub(crate) fn is_voided(&self) -> bool {
        self.flight.state.lock().voided
    }
}

/// What [`Lead::publish`] found.
#[must_use]
pub(crate) struct Published {
    pub(crate) voided: bool,
}

impl<K: Hash + Eq, V> Drop for Lead<K, V> {
    fn drop(&mut self) {
        let mut shard = self.table.shard(&self.key).lock();
        let mut state = self.flight.state.lock();
        match state.phase {
            // Done: the fill has ended too.
            Phase::Done(_) => {
                state.over = true;
                Table::forget(&mut shard, &self.key, &self.flight);
                if state.voided {
                    let flight = &self.flight;
                    shard.fills.retain(|(_, fill)| !Arc::ptr_eq(fill, flight));
                    self.flight.changed.notify_waiters();
                }
            }
            Phase::Led | Phase::Vacant if state.waiters == 0 => {
                state.phase = Phase::Vacant;
                Table::forget(&mut shard, &self.key, &self.flight);
            }
            Phase::Led | Phase::Vacant => {
                state.phase = Phase::Vacant;
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
}

/// What a waiter gets.
pub(crate) enum Waited<K: Hash + Eq, V> {
    Landed(Landing<V>),
    /// The leader was dropped: this caller leads now.
    Lead(Lead<K, V>),
}

impl<K: Hash + Eq + Clone, V> Waiter<K, V> {
    /// Waits for the flight's end, or for its leader's.
    ///
    /// Cancel safe: a waiter that is dropped leaves the queue to the others.
    pub(crate) async fn wait(&self) -> Waited<K, V> {
        loop {
            let mut changed = pin!(self.flight.changed.notified());
            // Registered before the state is read, so that no change falls between.
            changed.as_mut().enable();
            {
                let mut state = self.flight.state.lock();
                match &state.phase {
                    Phase::Done(landing) => return Waited::Landed(landing.clone()),
                    Phase::Vacant => {
                        state.phase = Phase::Led;
                        drop(state);
                        return Waited::Lead(
                            self.table.lead(self.key.clone(), Arc::clone(&self.flight)),
                        );
                    }
                    Phase::Led => {}
                }
            }
            changed.await;
        }
    }
}

impl<K: Hash + Eq, V> Drop for Waiter<K, V> {
    fn drop(&mut self) {
        let mut shard = self.table.shard(&self.key).lock();
        let mut state = self.flight.state.lock();
        state.waiters -= 1;
        if state.waiters == 0 && matches!(state.phase, Phase::Vacant) {
            Table::forget(&mut shard, &self.key, &self.flight);
        }
    }
}
