//! Loads several keys with one call of a loader.
//!
//! A batch takes part in the flight of each of its keys, as a single call would: it leads some and
//! waits for others. What is particular is the order:
//!
//! ```text
//!   join the flight of each key
//!         │ led                               │ another caller leads: later
//!         ▼                                   │
//!   look at the server, for all at once       │
//!         ▼                                   │
//!   ask for the leases, at the same time ──── │ ── another process holds it: later
//!         │ granted, or not to be had         │
//!         ▼                                   │
//!   load all of these with one call, and      │
//!   land them: publish, fill                  │
//!         ▼                                   ▼
//!   wait for the others, until one has its answer, or falls to this call ──► once more
//! ```
//!
//! **No deadlock.** What a batch may load it loads, before it waits for anybody: it never holds a lease,
//! or leads a flight that nobody else loads, and waits for another flight. Two batches that overlap in
//! any order, in one process or in two, each load first what is theirs.
//!
//! **What it says is true when it says it (G4).** An answer may be old by the time that the last one has
//! come. One that is past its TTL by then is asked for again.
//!
//! **One load (G1).** The loader is given each key at most once, and no key that another flight is
//! loading. It is called a second time only for keys whose load elsewhere came to nothing.
//!
//! **Fenced by key (G2).** Each key has its own flight, proof and lease, so an invalidation of one voids
//! that one and no other.

use std::collections::HashMap;
use std::fmt::Display;
use std::future::poll_fn;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::chain;
use super::claim::{Claimed, Step, Way};
use super::fetch::{Came, Seat};
use super::land::{Landed, Together};
use super::lead::{SAME_AGE, Task};
use super::table::{Landing, Lead, Waiter};
use super::{Failure, Loaded};
use crate::key::{CacheKey, StoredKey, Tag, Tenant};
use crate::near::NearRef;
use crate::options::Call;
use crate::outcome::Source;
use crate::remote::Deadline;
use crate::space::{Seen, Space, Wants};
use crate::telemetry::{Counters, Miss};
use crate::time::Tick;
use crate::value::CacheValue;

/// What became of one key.
pub(crate) enum Answer<V> {
    Landed(Landing<V>),
    /// The loader was asked for it and brought nothing.
    Absent,
}

/// One key of a batch.
struct Wanted<'a, Q: ?Sized> {
    at: NearRef<'a, Q>,
    /// `None` where it cannot be stored.
    key: Option<StoredKey>,
}

/// A key whose flight the batch leads.
struct Owned<K: Hash + Eq, V> {
    /// Its place among the keys.
    index: usize,
    lead: Lead<K, V>,
    task: Task,
    /// Why it is left in peace.
    failure: Option<Failure>,
    /// Whether the server was looked at.
    has_looked: bool,
}

/// A key that the batch waits for.
enum Waits<K: Hash + Eq, V> {
    /// Another caller of this process leads its flight.
    Seat(usize, Waiter<K, V>),
    /// Another process loads it.
    Lease(Owned<K, V>, Seen),
}

/// What a wait ends in.
enum Turn<K: Hash + Eq, V> {
    Answered(usize, Landing<V>),
    /// It fell to this call.
    Owned(Owned<K, V>),
}

/// A batch under way.
struct Batch<'a, K: Hash + Eq, V, Q: ?Sized> {
    space: &'a Arc<Space<K, V>>,
    call: &'a Call,
    wanted: Vec<Wanted<'a, Q>>,
    /// With when each came.
    answers: Vec<Option<(Answer<V>, Tick)>>,
    /// What is left of the time that the call grants to the remote (G3).
    remote_time: Duration,
}

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// The values of several keys of one tenant, which differ from each other, in their order.
    pub(crate) async fn fetch_many<Q, L, F, E>(
        self: &Arc<Self>,
        tenant: Option<&Tenant>,
        keys: &[&Q],
        call: &Call,
        loader: L,
    ) -> Vec<Answer<V>>
    where
        K: std::borrow::Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnMut(Vec<K>) -> F,
        F: Future<Output = Result<HashMap<K, Loaded<V>>, E>>,
        E: Display + Send + Sync + 'static,
    {
        let Some(_pass) = self.shared.enter() else {
            return self.load_many_alone(keys, loader).await;
        };
        let wanted = keys.iter().map(|key| {
            let at = NearRef::new(tenant, *key);
            self.sampling.saw(at.hash64());
            let key = self.stored_key(&at).ok();
            Wanted { at, key }
        });
        let batch = Batch {
            space: self,
            call,
            wanted: wanted.collect(),
            answers: keys.iter().map(|_| None).collect(),
            remote_time: self.shared.timeout,
        };
        batch.run(loader).await
    }

    /// Where nothing is stored, each batch loads for itself.
    pub(crate) async fn load_many_alone<Q, L, F, E>(
        &self,
        keys: &[&Q],
        mut loader: L,
    ) -> Vec<Answer<V>>
    where
        K: std::borrow::Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnMut(Vec<K>) -> F,
        F: Future<Output = Result<HashMap<K, Loaded<V>>, E>>,
        E: Display + Send + Sync + 'static,
    {
        let names = keys.iter().map(|key| (*key).to_owned()).collect();
        let brought = self
            .load_all_counted(None, keys.len(), || loader(names))
            .await;
        let answer = |key: &&Q| match &brought {
            Ok(values) => match values.get(key) {
                Some(one) => {
                    let value = Arc::clone(&one.value);
                    Answer::Landed(Ok(Self::loaded(value, Duration::ZERO)))
                }
                None => Answer::Absent,
            },
            Err(failure) => Answer::Landed(Err(failure.clone())),
        };
        keys.iter().map(answer).collect()
    }

    async fn load_all_counted<F, T, E>(
        &self,
        tenant: Option<&Tenant>,
        count: usize,
        load: impl FnOnce() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, E>>,
        E: Display + Send + Sync + 'static,
    {
        let each = |raise: fn(&Counters)| (0..count).for_each(|_| self.count(tenant, raise));
        each(|counters| counters.loads.up());
        let loaded = self.limited(load).await;
        loaded.inspect_err(|_| each(|counters| counters.load_failures.up()))
    }
}

impl<K, V, Q> Batch<'_, K, V, Q>
where
    K: CacheKey + Clone + std::borrow::Borrow<Q> + 'static,
    V: CacheValue,
    Q: CacheKey + ToOwned<Owned = K> + ?Sized,
{
    async fn run<L, F, E>(mut self, mut loader: L) -> Vec<Answer<V>>
    where
        L: FnMut(Vec<K>) -> F,
        F: Future<Output = Result<HashMap<K, Loaded<V>>, E>>,
        E: Display + Send + Sync + 'static,
    {
        let (space, call) = (self.space, self.call);
        let wanted = std::mem::take(&mut self.wanted);
        let mut others = Vec::new();
        let mut owned = self.come(&wanted, 0..wanted.len(), &mut others);
        let mut waiting = FuturesUnordered::new();
        loop {
            let (ready, held) = self.prepare(&wanted, owned).await;
            others.extend(held);
            let remote_time = self.remote_time;
            for waits in others.drain(..) {
                waiting.push(await_turn(space, call, &wanted, waits, remote_time));
            }
            let mut turns = Vec::new();
            {
                let mut loading = pin!(self.load(&wanted, ready, &mut loader));
                // Who waits is looked after meanwhile: an answer that has come goes to all who want it.
                poll_fn(|cx| {
                    while let Poll::Ready(Some(turn)) = waiting.poll_next_unpin(cx) {
                        turns.push(turn);
                    }
                    loading.as_mut().poll(cx)
                })
                .await;
            }
            if turns.is_empty() {
                turns.extend(waiting.next().await);
            }
            owned = Vec::new();
            if turns.is_empty() {
                let again = self.ripen();
                if again.is_empty() {
                    break;
                }
                owned = self.come(&wanted, again, &mut others);
            }
            for turn in turns {
                match turn {
                    Turn::Answered(index, landing) => self.answer(index, landing),
                    Turn::Owned(own) => owned.push(own),
                }
            }
        }
        let answered = |answer: Option<(Answer<V>, _)>| answer.map(|(answer, _)| answer);
        let answers = self.answers.into_iter().map(answered);
        answers
            .map(|answer| answer.unwrap_or(Answer::Absent))
            .collect()
    }

    fn answer(&mut self, index: usize, landing: Landing<V>) {
        self.answers[index] = Some((Answer::Landed(landing), self.space.now()));
    }

    /// Answers have aged while others were waited for. Those that are not any more what they say they
    /// are must be asked for again (G4).
    fn ripen(&mut self) -> Vec<usize> {
        let now = self.space.now();
        let mut again = Vec::new();
        for (index, slot) in self.answers.iter_mut().enumerate() {
            let Some((Answer::Landed(Ok(found)), came)) = slot else {
                continue;
            };
            let waited = now.since(*came);
            match found.later(waited) {
                Some(later) => {
                    *found = later;
                    *came = now;
                }
                // Loaded during this call.
                None if found.outcome.source == Source::Loader => {}
                None if !found.outcome.freshness.is_fresh() && waited <= SAME_AGE => {}
                None => {
                    *slot = None;
                    again.push(index);
                }
            }
        }
        again
    }

    /// Joins the flights of these keys: of those that this call leads, or waits for.
    fn come(
        &mut self,
        wanted: &[Wanted<'_, Q>],
        indexes: impl IntoIterator<Item = usize>,
        others: &mut Vec<Waits<K, V>>,
    ) -> Vec<Owned<K, V>> {
        let mut owned = Vec::new();
        for index in indexes {
            let Wanted { at, key } = &wanted[index];
            match self.space.come(at, key.as_ref(), self.call, None) {
                Came::Seated(Seat::Landed(landing)) => self.answer(index, landing),
                Came::Seated(Seat::Lead(lead)) => {
                    owned.push(Owned::new(index, lead, self.call));
                }
                Came::Waits(waiter) => others.push(Waits::Seat(index, waiter)),
            }
        }
        owned
    }

    /// Looks at the server and asks for the leases; what is to be loaded now, and what is to be waited
    /// for. The rest is answered.
    async fn prepare(
        &mut self,
        wanted: &[Wanted<'_, Q>],
        mut owned: Vec<Owned<K, V>>,
    ) -> (Vec<Owned<K, V>>, Vec<Waits<K, V>>) {
        let space = self.space;
        let (mut asking, mut ready) = (Vec::new(), Vec::new());
        for mut own in owned.drain(..) {
            let Wanted { at, key } = &wanted[own.index];
            // Left in peace: what another process stored since is looked for all the same.
            own.failure = space.kept_from_loading(at);
            own.task.rests = own.failure.is_some();
            if key.is_none() {
                own.lead.lacks(Miss::InvalidKey);
            }
            // A lease that is held already came from a leader who had looked.
            if own.has_looked || own.lead.lease.is_some() || key.is_none() {
                ready.push(own);
            } else {
                asking.push(own);
            }
        }
        let asked = self.look(wanted, asking, &mut ready).await;
        let held = self.claim(wanted, asked, &mut ready).await;
        let mut loads = Vec::with_capacity(ready.len());
        for mut own in ready {
            match own.failure.take() {
                Some(failure) => {
                    let landing = space.or_kept(&own.lead, failure, &own.task);
                    self.end(&own, landing);
                }
                None => loads.push(own),
            }
        }
        (loads, held)
    }

    /// Looks at the server for all of these keys; those that are to ask for their lease.
    async fn look(
        &mut self,
        wanted: &[Wanted<'_, Q>],
        owned: Vec<Owned<K, V>>,
        ready: &mut Vec<Owned<K, V>>,
    ) -> Vec<(Owned<K, V>, Seen)> {
        let space = self.space;
        let wants: Vec<Wants<'_, Q>> = owned
            .iter()
            .filter_map(|own| {
                let Wanted { at, key } = &wanted[own.index];
                Some(Wants {
                    at: *at,
                    key: key.as_ref()?,
                    proof: own.lead.proof(),
                })
            })
            .collect();
        let deadline = Deadline::after(self.remote_time);
        let looks = space.look_many(&wants, self.call, deadline).await;
        self.remote_time = deadline.left();
        let mut asked = Vec::new();
        for (own, look) in owned.into_iter().zip(looks) {
            match space.looked(&own.lead, look, &own.task) {
                Step::Ends(found) => self.end(&own, Ok(found)),
                Step::Asks(seen) => asked.push((own, seen)),
                Step::Loads => ready.push(own),
            }
        }
        asked
    }

    /// Asks for the leases of these keys, at the same time; those that other flights hold.
    async fn claim(
        &mut self,
        wanted: &[Wanted<'_, Q>],
        asked: Vec<(Owned<K, V>, Seen)>,
        ready: &mut Vec<Owned<K, V>>,
    ) -> Vec<Waits<K, V>> {
        let (space, remote_time) = (self.space, self.remote_time);
        let deadline = Deadline::after(remote_time);
        let claims = asked.into_iter().map(async |(mut own, seen)| {
            let Wanted { at, key } = &wanted[own.index];
            let Some(key) = key else {
                return (own, seen, Claimed::Without);
            };
            let task = own.task.clone();
            let mut way = Way {
                key,
                task: &task,
                remote_time,
            };
            let claimed = space.claim_once(&mut own.lead, at, &seen, &mut way).await;
            (own, seen, claimed)
        });
        let claims = join_all(claims).await;
        self.remote_time = deadline.left();
        let mut held = Vec::new();
        for (mut own, seen, claimed) in claims {
            own.has_looked = true;
            match claimed {
                Claimed::Granted | Claimed::Without => ready.push(own),
                // The last load stored nothing, and nor need this one.
                Claimed::Held { by, .. } if by.is_note() => ready.push(own),
                Claimed::Ends(found) => self.end(&own, Ok(found)),
                Claimed::Again(newer) => held.push(Waits::Lease(own, newer)),
                Claimed::Held { .. } => held.push(Waits::Lease(own, seen)),
            }
        }
        held
    }

    /// Loads what is to be loaded with one call, and lands it.
    async fn load<L, F, E>(
        &mut self,
        wanted: &[Wanted<'_, Q>],
        mut owned: Vec<Owned<K, V>>,
        loader: &mut L,
    ) where
        L: FnMut(Vec<K>) -> F,
        F: Future<Output = Result<HashMap<K, Loaded<V>>, E>>,
        E: Display + Send + Sync + 'static,
    {
        if owned.is_empty() {
            return;
        }
        let space = self.space;
        let tenant = wanted[owned[0].index].at.tenant;
        let running = match space.may_load(tenant) {
            Ok(running) => running,
            Err(failure) => {
                for own in owned {
                    let landing = space.or_kept(&own.lead, failure.clone(), &own.task);
                    self.end(&own, landing);
                }
                return;
            }
        };
        let mut flights: Vec<_> = owned
            .iter_mut()
            .filter_map(|own| Some((&mut own.lead, wanted[own.index].key.as_ref()?)))
            .collect();
        let deadline = Deadline::after(self.remote_time);
        let marked = space.begin(&mut flights, self.call, deadline).await;
        self.remote_time = deadline.left();
        let names = owned.iter().map(|own| own.lead.key().key.clone()).collect();
        let ids: Vec<_> = owned.iter().map(|own| own.lead.flight()).collect();
        let began = space.now();
        let loading = space.load_all_counted(tenant, owned.len(), || loader(names));
        let brought = chain::within_all(ids, loading).await;
        drop(running);
        let mut values = match brought {
            Ok(values) => values,
            Err(failure) => {
                for own in owned {
                    let landing = space.fail(own.lead, &own.task, failure.clone());
                    self.answer(own.index, landing);
                }
                return;
            }
        };
        let cost = space.now().since(began);
        let remote_time = self.remote_time;
        let together = space.together(tenant, &owned, &values, &self.call.tags);
        let mut landings = Vec::with_capacity(owned.len());
        for own in owned {
            let Owned {
                index, lead, task, ..
            } = own;
            space.missed(&lead);
            let Some(brought) = values.remove::<K>(&lead.key().key) else {
                lead.leave();
                self.answers[index] = Some((Answer::Absent, space.now()));
                continue;
            };
            let Wanted { at, key } = &wanted[index];
            space.failures.forget(at);
            space.refreshes.forget(at);
            let landed = Landed {
                lifetime: space.lifetime(&brought, &task.call),
                value: brought.value,
                late: brought.tags,
                together: together.clone(),
                key: key.clone().filter(|_| task.call.store),
                marked: marked.clone(),
                cost,
                remote_time,
            };
            landings.push(async move { (index, space.land(lead, landed).await) });
        }
        for (index, landing) in join_all(landings).await {
            self.answer(index, landing);
        }
        if !values.is_empty() {
            tracing::warn!(
                target: "larder::load",
                cache = %space.name, count = values.len(),
                "a batch's loader brought keys that it was not asked for; they are not stored"
            );
        }
    }

    /// Ends a flight with what was found elsewhere.
    fn end(&mut self, own: &Owned<K, V>, landing: Landing<V>) {
        let now = self.space.now();
        let _ = own.lead.publish(landing.clone(), now, || {});
        self.answer(own.index, landing);
    }
}

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// The tags that several values of a batch revealed.
    fn together(
        &self,
        tenant: Option<&Tenant>,
        owned: &[Owned<K, V>],
        values: &HashMap<K, Loaded<V>>,
        known: &[Tag],
    ) -> Option<Arc<Together>> {
        let mut tags: Vec<&str> = values
            .values()
            .flat_map(|value| value.tags.iter().map(|tag| &**tag))
            .filter(|tag| known.iter().all(|known| known.as_str() != *tag))
            .collect();
        tags.sort_unstable();
        tags.dedup();
        // What cannot be one is told where its value lands.
        let tags: Vec<Tag> = tags.iter().filter_map(|tag| Tag::new(tag).ok()).collect();
        let began = owned
            .iter()
            .map(|own| own.lead.proof())
            .min_by_key(|proof| proof.seq())?;
        let late = self.scopes.of_tags(tenant, &tags);
        (values.len() > 1 && !tags.is_empty()).then(|| Arc::new(Together::new(late, began)))
    }
}

impl<K: Hash + Eq, V> Owned<K, V> {
    fn new(index: usize, lead: Lead<K, V>, call: &Call) -> Self {
        Self {
            index,
            lead,
            task: Task::asked(call.clone()),
            failure: None,
            has_looked: false,
        }
    }
}

/// Waits for a key that another flight is at.
async fn await_turn<K, V, Q>(
    space: &Arc<Space<K, V>>,
    call: &Call,
    wanted: &[Wanted<'_, Q>],
    waits: Waits<K, V>,
    remote_time: Duration,
) -> Turn<K, V>
where
    K: CacheKey + Clone + std::borrow::Borrow<Q> + 'static,
    V: CacheValue,
    Q: CacheKey + ToOwned<Owned = K> + ?Sized,
{
    match waits {
        Waits::Seat(index, waiter) => {
            let Wanted { at, key } = &wanted[index];
            let seat = space.wait_for_seat(at, key.as_ref(), call, waiter).await;
            match seat {
                Seat::Landed(landing) => Turn::Answered(index, landing),
                Seat::Lead(lead) => Turn::Owned(Owned::new(index, lead, call)),
            }
        }
        Waits::Lease(mut own, seen) => {
            let Wanted { at, key } = &wanted[own.index];
            let Some(key) = key else {
                return Turn::Owned(own);
            };
            let task = own.task.clone();
            let mut way = Way {
                key,
                task: &task,
                remote_time,
            };
            match space.claim(&mut own.lead, at, seen, &mut way).await {
                Some(found) => {
                    let _ = own.lead.publish(Ok(found.clone()), space.now(), || {});
                    Turn::Answered(own.index, Ok(found))
                }
                None => Turn::Owned(own),
            }
        }
    }
}
