//! A typed keyspace: one cache's near tier, flights and way to the server.
//!
//! `Space` is what the handles [`Cache`](crate::Cache) and [`Entry`](crate::Entry) share. Lookups
//! are in [`read`], writes in [`write`]; loads are in [`load`](crate::load).

mod groups;
mod judge;
mod look;
mod many;
mod matching;
mod read;
mod stamps;
mod tenants;
mod write;

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;

pub(crate) use judge::Asker;
pub(crate) use look::{Kept, Look, Read, Seen};
pub(crate) use many::Wants;
pub(crate) use read::Wanted;
pub(crate) use stamps::{Marked, Scoped};
pub(crate) use write::Times;

use crate::bounded::Bounds;
use crate::cache::NearUsage;
use crate::gate::{Gate, Pass};
use crate::key::{CacheKey, CacheName, KeyError, Prefix, StoredKey};
use crate::load::{Failure, Lessor, Proof, Recovery, Resting, Table, Watch};
use crate::near::{
    Admission, Engines, Kind, Life, Listener, NearCapacity, NearKey, NearRef, Stored, Tier,
};
use crate::options::{Call, Callbacks, Coherence, Options, Refresh, TtlBy, Weigher, random};
use crate::outcome::{Found, Freshness, Outcome, Source};
use crate::remote::{Deadline, Remote};
use crate::sampling::Sampling;
use crate::scope::{Borne, Scopes};
use crate::sweep::Sweeper;
use crate::telemetry::{Counters, Invalidations, LoadTimes};
use crate::tenant::Accounts;
use crate::time::{Clock, MAX_TTL, Tick};
use crate::unwind::caught;
use crate::value::CacheValue;
use crate::wire::{Codec, Schema};

/// How long a value lives in the near tier that could not be written to the server: long enough
/// to spare the source during an outage, short enough that nobody depends on it.
const OUTAGE_LIFE: Duration = Duration::from_secs(10);
/// How long near entries are believed beside a remote that does not tell of changes.
const BLIND_TRUST: Duration = Duration::from_secs(1);
/// Between two passes of the sweep.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// What all caches of a larder have in common.
pub(crate) struct Shared {
    pub(crate) enabled: bool,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) prefix: Prefix,
    pub(crate) clock: Clock,
    pub(crate) remote: Arc<dyn Remote>,
    /// What a call grants to all its remote work.
    pub(crate) timeout: Duration,
    pub(crate) gate: Arc<Gate>,
    pub(crate) runtime: tokio::runtime::Handle,
    /// What is known of changes on the server.
    pub(crate) watch: Arc<Watch>,
    pub(crate) scopes: Arc<Scopes>,
    /// The groups of caches without a server.
    pub(crate) local: Mutex<Vec<Weak<Scopes>>>,
    /// Writes that the server has not heard of yet, where there is one.
    pub(crate) recovery: Option<Arc<Recovery>>,
    /// What frees the server's memory of what was removed.
    pub(crate) sweeper: Arc<Sweeper>,
    pub(crate) invalidations: Invalidations,
}

impl Shared {
    /// `None` where the cache is switched off or closed: nothing is looked up or stored.
    pub(crate) fn enter(&self) -> Option<Pass<'_>> {
        if !self.enabled {
            return None;
        }
        self.gate.enter()
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.timeout)
    }
}

/// The remote tier as one cache sees it.
pub(crate) struct Server {
    pub(crate) remote: Arc<dyn Remote>,
    pub(crate) recovery: Arc<Recovery>,
    pub(crate) lessor: Lessor,
    pub(crate) codec: Codec,
    pub(crate) schema: Schema,
    /// How much it may hold of the cache.
    pub(crate) bounds: Option<Arc<Bounds>>,
}

pub(crate) struct Space<K: Hash + Eq, V> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: CacheName,
    /// What is known of changes, and of groups: the larder's, or for a cache without a server its own.
    /// Nothing else has what such a cache loses.
    pub(crate) watch: Arc<Watch>,
    pub(crate) scopes: Arc<Scopes>,
    /// The scopes of a value without a tenant and without tags.
    base: Borne,
    pub(crate) options: Options,
    /// `None` for a cache that is kept in memory only.
    pub(crate) server: Option<Server>,
    near: Option<Tier<K, V>>,
    weigher: Option<Weigher<K, V>>,
    pub(crate) ttl_by: Option<TtlBy<V>>,
    pub(crate) table: Arc<Table<K, V>>,
    /// Keys whose load failed a moment ago.
    pub(crate) failures: Resting<K, Failure>,
    /// Keys that are not to be refreshed for now.
    pub(crate) refreshes: Resting<K, ()>,
    pub(crate) counters: Counters,
    /// Told of each lookup once.
    pub(crate) sampling: Sampling,
    pub(crate) load_times: LoadTimes,
}

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    pub(crate) fn open(
        shared: Arc<Shared>,
        name: CacheName,
        options: Options,
        server: Option<Server>,
        callbacks: Callbacks<K, V>,
    ) -> Arc<Self> {
        let Callbacks {
            weigher,
            ttl_by,
            on_evicted,
        } = callbacks;
        let counters = Counters::default();
        let near = match options.near {
            NearCapacity::Off => None,
            _ if !shared.enabled => None,
            capacity => {
                let untold = &counters.evictions_untold;
                let listener = on_evicted
                    .map(|tell| Listener::new(tell, Arc::clone(untold), &shared.runtime))
                    .map(Arc::new);
                let kind = Kind {
                    eviction: options.eviction,
                    clock: shared.clock.clone(),
                    listener,
                    evicted: Arc::clone(&counters.near_evicted),
                };
                Some(Tier::new(kind, capacity, Arc::clone(&shared.accounts)))
            }
        };
        let load_times = LoadTimes::of(&name);
        let sampling = Sampling::new(shared.clock.clone(), options.has_curve);
        let (watch, scopes) = if server.is_some() {
            (Arc::clone(&shared.watch), Arc::clone(&shared.scopes))
        } else {
            let watch = Arc::new(Watch::local(shared.clock.clone()));
            let scopes = Scopes::new(shared.prefix.clone(), Arc::clone(&watch));
            let mut local = shared.local.lock();
            local.retain(|scopes| scopes.strong_count() > 0);
            local.push(Arc::downgrade(&scopes));
            (watch, scopes)
        };
        let space = Arc::new(Self {
            near,
            base: scopes.base(None, &name),
            watch,
            scopes,
            shared,
            name,
            options,
            server,
            weigher,
            ttl_by,
            table: Arc::new(Table::new()),
            failures: Resting::new(),
            refreshes: Resting::new(),
            counters,
            sampling,
            load_times,
        });
        if space.near.is_some() {
            let runtime = space.shared.runtime.clone();
            runtime.spawn(keep_swept(Arc::downgrade(&space)));
            if space.server.is_some() {
                let watch = Arc::clone(&space.watch);
                let space = Arc::downgrade(&space);
                watch.on_flush(move || {
                    if let Some(space) = space.upgrade() {
                        space.near_clear();
                    }
                });
            }
        }
        space
    }

    pub(crate) fn stored_key<Q>(&self, at: &NearRef<'_, Q>) -> Result<StoredKey, KeyError>
    where
        Q: CacheKey + ?Sized,
    {
        let bounds = self
            .server
            .as_ref()
            .and_then(|server| server.bounds.as_ref());
        let place = || match bounds {
            Some(bounds) => StoredKey::bounded(bounds, at.tenant, at.key),
            None => StoredKey::new(&self.shared.prefix, at.tenant, &self.name, at.key),
        };
        caught(place).unwrap_or_else(|message| Err(KeyError::panicked(&message)))
    }

    /// The entry that a hit is answered from: present, fresh and known to be current.
    #[inline]
    pub(crate) fn near_hit<Q>(&self, at: &NearRef<'_, Q>) -> Option<Stored<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let stored = self.near_again(at)?;
        self.sampling.saw(at.hash64());
        Some(stored)
    }

    /// The same for a lookup of which the samples are told apart.
    #[inline]
    pub(crate) fn near_again<Q>(&self, at: &NearRef<'_, Q>) -> Option<Stored<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.near.as_ref()?.hit(at, |stored| self.is_good(stored))
    }

    /// Whether an entry is fresh and known to be current.
    #[inline]
    pub(crate) fn is_good(&self, stored: &Stored<V>) -> bool {
        let (watch, proof) = (&self.watch, stored.proof());
        let is_pushed = self.server.is_some() && self.options.coherence == Coherence::Pushed;
        let holds = watch.is_quiet(proof)
            || watch.is_unmarked(proof) && (!is_pushed || watch.is_gapless(proof));
        if !holds {
            return false;
        }
        let mut until = stored.good_until();
        if is_pushed {
            until = until.min(watch.trusted_until());
        }
        self.shared.clock.is_before(until)
    }

    /// What is known of changes of `key` before it is looked for.
    pub(crate) fn proof(&self, key: &StoredKey) -> Proof {
        self.watch.proof(key)
    }

    /// Whether no change came that `proof` does not know of.
    pub(crate) fn holds(&self, proof: Proof) -> bool {
        let watch = &self.watch;
        watch.is_unmarked(proof) && watch.is_gapless(proof)
    }

    /// Whether what a flight brings that looked at the server at `looked` may go to a caller who
    /// comes now: trust is a deadline for flights as it is for near entries (G2).
    pub(crate) fn shares(&self, proof: Proof, looked: Tick) -> bool {
        let trusts = self.server.is_some() && self.options.coherence == Coherence::Pushed;
        self.holds(proof) && (!trusts || self.watch.covers(looked))
    }

    /// [`near_hit`](Self::near_hit) with its outcome, counted, and the entry itself.
    pub(crate) fn near_entry<Q>(&self, at: &NearRef<'_, Q>) -> Option<(Found<V>, Stored<V>)>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let stored = self.near_hit(at)?;
        Some((self.near_counted(at, &stored), stored))
    }

    /// What came to the near tier since a lookup that was told of found nothing there, counted.
    pub(crate) fn near_meanwhile<Q>(&self, at: &NearRef<'_, Q>, call: &Call) -> Option<Found<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let stored = self.near_again(at)?;
        if call.counts {
            return Some(self.near_counted(at, &stored));
        }
        Some(found(&stored, Source::Near, Freshness::Fresh, self.now()))
    }

    fn near_counted<Q: ?Sized>(&self, at: &NearRef<'_, Q>, stored: &Stored<V>) -> Found<V> {
        self.count(at.tenant, |counters| counters.near_hits.up());
        found(stored, Source::Near, Freshness::Fresh, self.now())
    }

    /// Whether an entry that is still fresh should be loaded anew.
    pub(crate) fn is_due(&self, stored: &Stored<V>) -> bool {
        let life = stored.life();
        let (now, ttl) = (self.now(), life.fresh_until.since(life.born));
        match self.options.refresh {
            Refresh::Never => false,
            Refresh::After(share) => now.since(life.born) >= ttl.mul_f64(share),
            Refresh::ByCost(factor) => {
                // `1 - random` is never zero.
                let early = stored.cost().as_secs_f64() * factor * -(1.0 - random()).ln();
                let early = Duration::try_from_secs_f64(early).unwrap_or(MAX_TTL);
                now.plus(early) >= life.fresh_until
            }
        }
    }

    /// Offers an entry to the near tier. A refusal is counted.
    pub(crate) fn near_insert(&self, key: NearKey<K>, stored: Stored<V>) -> Admission {
        let Some(near) = &self.near else {
            return Admission::Stored;
        };
        let tenant = key.tenant.clone();
        let admission = near.insert(key, stored);
        // Looked at after the insertion: a close empties the memory once, after it said so.
        if self.shared.gate.has_ended() {
            near.clear();
        }
        if admission != Admission::Stored {
            self.count(tenant.as_ref(), |counters| counters.near_refused.up());
        }
        admission
    }

    pub(crate) fn near_remove<Q>(&self, at: &NearRef<'_, Q>) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.near.as_ref().is_some_and(|near| near.remove(at))
    }

    pub(crate) fn near_tier(&self) -> Option<&Tier<K, V>> {
        self.near.as_ref()
    }

    pub(crate) fn near_usage(&self) -> NearUsage {
        let near = self.near.as_ref().map(Tier::engines);
        near.map_or_else(NearUsage::default, Engines::usage)
    }

    pub(crate) fn near_clear(&self) {
        if let Some(near) = &self.near {
            near.clear();
        }
    }

    /// An entry as the near tier holds it. `confirmed` says whether the server holds the value
    /// too: without that it is kept for a short time only.
    pub(crate) fn stored(
        &self,
        value: Arc<V>,
        life: Life,
        weight: u32,
        confirmed: bool,
        proof: Proof,
        cost: Duration,
    ) -> Stored<V> {
        if self.server.is_none() {
            return Stored::new(value, weight, life, life.fresh_until, proof, cost);
        }
        let life = if confirmed {
            life
        } else {
            let end = self.now().plus(OUTAGE_LIFE);
            Life {
                born: life.born,
                fresh_until: life.fresh_until.min(end),
                expires: life.expires.min(end),
            }
        };
        let believed = match self.options.coherence {
            Coherence::Ttl(trust) => Some(trust),
            Coherence::Pushed if self.watch.is_untold() => Some(BLIND_TRUST),
            _ => None,
        };
        let good_until = match believed {
            Some(trust) => life.fresh_until.min(self.now().plus(trust)),
            None => life.fresh_until,
        };
        Stored::new(value, weight, life, good_until, proof, cost)
    }

    /// What an entry weighs in the unit of the near tier's capacity. `encoded` is the length of
    /// the encoded value, where it was encoded anyway.
    ///
    /// Where the weigher panicked, its message, logged and counted: without a weight there is no
    /// place for the entry (G6).
    pub(crate) fn weigh<Q>(
        &self,
        key: &Q,
        value: &V,
        encoded: Option<usize>,
    ) -> Result<u32, Arc<str>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        if let NearCapacity::Entries(_) | NearCapacity::Off = self.options.near {
            return Ok(1);
        }
        let content = match (&self.weigher, self.options.codec) {
            (Some(weigher), _) => {
                caught(|| weigher(&key.to_owned(), value)).inspect_err(|message| {
                    self.counters.near_refused.up();
                    tracing::error!(
                        target: "larder::near",
                        cache = self.name.as_str(), %message,
                        "the weigher panicked; the value is not kept in memory"
                    );
                })?
            }
            (None, Some(codec)) => {
                let value = encoded
                    .or_else(|| encoded_len(codec, value))
                    .unwrap_or(size_of::<V>());
                let key = encoded_len(codec, key).unwrap_or(size_of::<K>());
                (key + value) as u64
            }
            // Without a codec there is no telling what the value points to.
            (None, None) => (size_of::<K>() + size_of::<V>()) as u64,
        };
        let weight = content.saturating_add(NearCapacity::ENTRY_OVERHEAD);
        Ok(u32::try_from(weight).unwrap_or(u32::MAX))
    }

    pub(crate) fn now(&self) -> Tick {
        self.shared.clock.now()
    }
}

fn encoded_len<T: Serialize + ?Sized>(codec: Codec, value: &T) -> Option<usize> {
    caught(|| codec.encoded_len(value)).ok()?.ok()
}

/// What a lookup reports of an entry.
fn found<V>(stored: &Stored<V>, source: Source, freshness: Freshness, now: Tick) -> Found<V> {
    let life = stored.life();
    let outcome = Outcome {
        source,
        freshness,
        age: now.since(life.born),
        ttl_left: if freshness.is_fresh() {
            life.fresh_until.since(now)
        } else {
            Duration::ZERO
        },
        past_ttl: now.since(life.fresh_until),
        joined: false,
    };
    Found::new(Arc::clone(&stored.value), outcome)
}

/// Sweeps until the cache is gone.
async fn keep_swept<K, V>(space: Weak<Space<K, V>>)
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    loop {
        tokio::time::sleep(SWEEP_PAUSE).await;
        let Some(space) = space.upgrade() else { return };
        if space.shared.gate.is_closed() {
            return;
        }
        if let Some(near) = &space.near {
            near.sweep(&space.shared.clock, &space.counters.near_swept)
                .await;
        }
    }
}
