//! The engines of one near tier: one for all entries, and one for each tenant that has a share of its
//! own.
//!
//! An entry lies in exactly one of them, which its tenant alone decides, so each takes care of its own
//! as if it were alone. How the tier's capacity is divided among them is the [`Ledger`]'s to say:
//! whoever is full asks it for more before it evicts.

mod ledger;

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use self::ledger::Ledger;
use super::{Admission, Either, Engine, Kind, NearCapacity, NearKey, NearRef, Stored, sweep};
use crate::cache::NearUsage;
use crate::key::Tenant;
use crate::telemetry::Counter;
use crate::tenant::{Accounts, MAX_ACCOUNTS, TenantOptions};
use crate::time::{Clock, Tick};

pub(crate) struct Engines<K, V> {
    kind: Kind<K, V>,
    accounts: Arc<Accounts>,
    /// Whether tenants may have shares, which are bytes.
    in_bytes: bool,
    common: Part<K, V>,
    /// By the tenant's number. Made with the first share.
    own: OnceLock<Own<K, V>>,
    shares: Mutex<Shares>,
}

type Own<K, V> = Box<[OnceLock<Part<K, V>>]>;

/// One engine, and its place in the ledger.
struct Part<K, V> {
    engine: Either<K, V>,
    of: usize,
    /// What may go in before it asks for more again, where it was refused.
    patience: AtomicU64,
}

struct Shares {
    ledger: Ledger,
    /// Whose each place in the ledger is; zero for the common one.
    numbers: Vec<usize>,
}

impl<K, V> Engines<K, V>
where
    K: Hash + Eq + Clone + Send + Sync,
    V: Send + Sync,
{
    pub(crate) fn new(kind: Kind<K, V>, capacity: NearCapacity, accounts: Arc<Accounts>) -> Self {
        Self {
            common: Part::new(Either::new(&kind, capacity), 0),
            kind,
            accounts,
            in_bytes: matches!(capacity, NearCapacity::Bytes(_)),
            own: OnceLock::new(),
            shares: Mutex::new(Shares {
                ledger: Ledger::new(capacity.limit()),
                numbers: vec![0],
            }),
        }
    }

    /// The one for the entries of a tenant, or of none.
    #[inline]
    pub(crate) fn of(&self, tenant: Option<&Tenant>) -> &Either<K, V> {
        &self.part(tenant).engine
    }

    pub(crate) fn insert(&self, key: NearKey<K>, stored: Stored<V>) -> Admission {
        let part = match &key.tenant {
            Some(tenant) => self.enlisted(tenant).unwrap_or(&self.common),
            None => &self.common,
        };
        if self.own.get().is_some() {
            self.make_room(part, stored.weight().into());
        }
        part.engine.insert(key, stored)
    }

    pub(crate) fn remove<Q>(&self, at: &NearRef<'_, Q>) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.of(at.tenant).remove(at)
    }

    pub(crate) fn clear(&self) {
        for part in self.parts() {
            part.engine.clear();
        }
    }

    pub(crate) fn resize(&self, capacity: u64) {
        self.shares.lock().ledger.resize(capacity);
        for part in self.parts() {
            self.fit(part);
        }
    }

    /// Frees what has expired, in one pass.
    pub(crate) async fn sweep(&self, clock: &Clock, swept: &Counter) {
        for part in self.parts() {
            sweep(&part.engine, clock, swept).await;
        }
    }

    pub(crate) fn walk(&self) -> impl Iterator<Item = (NearKey<K>, Tick)> + Send {
        self.parts().flat_map(|part| part.engine.walk())
    }

    pub(crate) fn usage(&self) -> NearUsage {
        let mut usage = NearUsage {
            // An engine may round up to its shards.
            capacity: match self.own.get() {
                None => self.common.engine.capacity(),
                Some(_) => self.shares.lock().ledger.total(),
            },
            largest: self.common.engine.largest(),
            ..NearUsage::default()
        };
        for part in self.parts() {
            usage.entries += part.engine.len() as u64;
            usage.weight += part.engine.weight();
        }
        usage
    }

    /// What a tenant has, if it has a share of its own.
    pub(crate) fn usage_of(&self, tenant: &Tenant) -> Option<NearUsage> {
        let engine = &self.own(tenant)?.engine;
        Some(NearUsage {
            entries: engine.len() as u64,
            weight: engine.weight(),
            capacity: engine.capacity(),
            largest: engine.largest(),
        })
    }

    /// Takes note of new options of a tenant.
    pub(crate) fn configured(&self, tenant: &Tenant) {
        let Some(part) = self.enlisted(tenant) else {
            return;
        };
        let has_changed = {
            // Read under the lock: of two who change it, the last one's stay.
            let mut shares = self.shares.lock();
            let (floor, ceiling) = share(self.accounts.of(tenant).options());
            shares.ledger.change(part.of, floor, ceiling)
        };
        if has_changed {
            self.fit(part);
        }
        // What it had before it had a share lies where it is not looked for any more.
        for (key, _) in self.common.engine.walk() {
            if key.tenant.as_ref() == Some(tenant) {
                self.common.engine.remove(&key.as_ref());
            }
        }
    }

    #[inline]
    fn part(&self, tenant: Option<&Tenant>) -> &Part<K, V> {
        match tenant {
            None => &self.common,
            Some(tenant) => self.own(tenant).unwrap_or(&self.common),
        }
    }

    #[inline]
    fn own(&self, tenant: &Tenant) -> Option<&Part<K, V>> {
        self.own.get()?.get(tenant.number())?.get()
    }

    /// The same; made where the tenant has a share and no engine yet.
    fn enlisted(&self, tenant: &Tenant) -> Option<&Part<K, V>> {
        if let Some(part) = self.own(tenant) {
            return Some(part);
        }
        if !self.in_bytes || tenant.number() == 0 {
            return None;
        }
        let options = self.accounts.of(tenant).options();
        if !options.has_share() {
            return None;
        }
        let places = || (0..MAX_ACCOUNTS).map(|_| OnceLock::new()).collect();
        let own = self.own.get_or_init(places).get(tenant.number())?;
        Some(own.get_or_init(|| {
            let mut shares = self.shares.lock();
            let (floor, ceiling) = share(self.accounts.of(tenant).options());
            shares.numbers.push(tenant.number());
            let engine = Either::for_one(&self.kind, floor);
            Part::new(engine, shares.ledger.add(floor, ceiling))
        }))
    }

    /// Those that there are, the common one first.
    fn parts(&self) -> impl Iterator<Item = &Part<K, V>> + Send {
        let own = self.own.get().into_iter().flatten();
        std::iter::once(&self.common).chain(own.filter_map(OnceLock::get))
    }

    fn numbered(&self, number: usize) -> Option<&Part<K, V>> {
        match number {
            0 => Some(&self.common),
            number => self.own.get()?.get(number)?.get(),
        }
    }

    /// Sees to it that an entry fits in without evicting another, where the part may have more.
    fn make_room(&self, part: &Part<K, V>, weight: u64) {
        let room = part.engine.room_for(weight);
        let wanted = room.max(part.engine.weight() + weight);
        if wanted <= part.engine.capacity() || part.waits(weight) {
            return;
        }
        let (changed, denied) = {
            let mut shares = self.shares.lock();
            let Shares { ledger, numbers } = &mut *shares;
            let held = |of: usize| {
                let part = numbers.get(of).and_then(|number| self.numbered(*number));
                part.map_or(0, |part| part.engine.weight())
            };
            if room > ledger.most(part.of) {
                // It is refused in any case.
                return;
            }
            let changed = ledger.grow(part.of, wanted, held);
            let denied = (ledger.capacity(part.of) < wanted).then(|| ledger.step());
            let changed = changed
                .into_iter()
                .filter_map(|of| numbers.get(of).copied());
            (changed.collect::<Vec<_>>(), denied)
        };
        part.patience.store(denied.unwrap_or(0), Ordering::Relaxed);
        for part in changed
            .into_iter()
            .filter_map(|number| self.numbered(number))
        {
            self.fit(part);
        }
    }

    /// Gives an engine the capacity that the ledger says. What it evicts is dropped while no lock of this
    /// tier is held, so several may be at it; the last one sees what the ledger says last.
    fn fit(&self, part: &Part<K, V>) {
        loop {
            let capacity = self.shares.lock().ledger.capacity(part.of);
            part.engine.resize(capacity);
            if self.shares.lock().ledger.capacity(part.of) == capacity {
                return;
            }
        }
    }
}

impl<K, V> Part<K, V> {
    fn new(engine: Either<K, V>, of: usize) -> Self {
        Self {
            engine,
            of,
            patience: AtomicU64::new(0),
        }
    }

    /// Whether it is too early to ask for more again.
    fn waits(&self, weight: u64) -> bool {
        let patience = self.patience.load(Ordering::Relaxed);
        self.patience
            .store(patience.saturating_sub(weight), Ordering::Relaxed);
        patience > 0
    }
}

/// Floor and ceiling.
fn share(options: TenantOptions) -> (u64, u64) {
    (options.near_floor, options.near_ceiling.unwrap_or(u64::MAX))
}
