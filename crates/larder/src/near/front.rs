//! A front: the keys that one thread asks for most often, before the engine that all threads
//! share.
//!
//! An engine's lookup takes a lock that threads pass to and fro, and waits for memory several
//! times. A front is a small table that one thread alone reads and writes.
//!
//! # Nothing that was removed is served
//!
//! A slot holds all of an entry but its value: of that a [`Weak`] reference, so what is evicted or
//! removed is freed at once. So a hit from here is judged as one from the engine is
//! (`Space::is_good`): the proof is compared with the marks of now, and the times with the clock of
//! now. That is enough for each change that sets a mark before its caller goes on: writes beside a
//! server, this process's own and those that it is told of, groups, and gaps in what it is told.
//!
//! It is not enough for what the engine alone knows: a cache without a server marks no writes, and
//! entries are removed to make room or because their larder closed. So a slot also holds the [`Version`]
//! of the key's stripe. [`Tier`](super::Tier) does all changes in this order:
//!
//! 1. a change: the engine, then the stripe's version, then the change's caller goes on;
//! 2. filling a slot: the version is read, then the engine;
//! 3. a hit: the slot's version is compared with the stripe's.
//!
//! Let a change be done before a hit begins. The hit then reads the version that the change made,
//! or a later one. If the slot's is equal to it, the slot's was read no earlier than that, and the
//! engine was asked later still: so it answered with the state after the change. The slot holds
//! that answer. A hit that runs beside the change may come before it or after it, as with the
//! engine.
//!
//! An entry that the engine evicts by itself, to make room for another key, raises no version. While its
//! value is alive elsewhere a front may still answer with it: nothing has removed it, and all that could
//! is told to the fronts or marks its key, whether or not the engine holds it.
//!
//! Neither do marks and expiry raise versions, since each hit sees them by itself.
//!
//! # The engine still sees what is in use
//!
//! It chooses its victims by what it is asked for. Each insertion sends the keys of its stripe to
//! the engine again, and each eighth of the capacity that is inserted sends all, so a key in use
//! is seen several times before the entries around it are replaced.
//!
//! # Which keys
//!
//! A key takes an empty slot at once. It takes another's if it was asked for twice, without a hit
//! or another such key between. So a hot key keeps its slot from the many that come once, and
//! gives it up when it is hot no more.
//!
//! # Memory
//!
//! A front is made when its thread has had enough lookups to need one. It has [`SLOTS`] slots. Each
//! holds a copy of a key and, until another value takes the slot, the bare memory of a value that may
//! have been dropped: up to [`LARGEST`] bytes, as larger types have no fronts. A front goes with its
//! cache; when its thread ends, another thread takes it over, and past a few dozen threads the others
//! have none. Steady lookups allocate nothing: a key
//! that takes a slot takes over the old one's buffer, if its `Clone` does ([`Clone::clone_from`]).

use std::borrow::Borrow;
use std::sync::{Arc, Weak};

use quick_cache::Equivalent;

use super::stored::Label;
use super::versions::Version;
use super::{NearKey, NearRef, Stored};

const SLOTS: usize = 256;
/// The largest type of values that has fronts.
const LARGEST: usize = 512;

pub(crate) struct Front<K, V> {
    slots: Box<[Option<Slot<K, V>>]>,
}

struct Slot<K, V> {
    hash: u64,
    version: Version,
    value: Weak<V>,
    label: Label,
    /// Part of the hash of the key that asked last and does not have the slot; zero after a hit.
    rival: u32,
    key: NearKey<K>,
}

impl<K, V> Default for Front<K, V> {
    fn default() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| None).collect(),
        }
    }
}

impl<K, V> Front<K, V> {
    /// Whether values of this type have fronts.
    pub(crate) const WANTED: bool = size_of::<V>() <= LARGEST;

    #[inline]
    fn slot(&mut self, hash: u64) -> Option<&mut Option<Slot<K, V>>> {
        self.slots.get_mut((hash >> 48) as usize % SLOTS)
    }

    /// The entry under `at`, if nothing of its stripe has changed since it was put here.
    #[inline]
    pub(crate) fn get<Q>(&mut self, at: &NearRef<'_, Q>, version: Version) -> Option<Stored<V>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let hash = at.hash64();
        let slot = self.slot(hash)?.as_mut()?;
        if slot.version != version || slot.hash != hash || !at.equivalent(&slot.key) {
            return None;
        }
        slot.rival = 0;
        Some(Stored {
            value: slot.value.upgrade()?,
            label: slot.label,
        })
    }

    /// Takes up what the engine said, after `version` was read.
    pub(crate) fn put<Q>(&mut self, at: &NearRef<'_, Q>, version: Version, stored: &Stored<V>)
    where
        K: Borrow<Q>,
        Q: ToOwned<Owned = K> + Eq + ?Sized,
    {
        let hash = at.hash64();
        let Some(place) = self.slot(hash) else { return };
        let Some(slot) = place else {
            *place = Some(Slot {
                hash,
                version,
                value: Arc::downgrade(&stored.value),
                label: stored.label,
                rival: 0,
                key: at.to_key(),
            });
            return;
        };
        if slot.hash != hash || !at.equivalent(&slot.key) {
            // Zero is no key's.
            let rival = (hash >> 32) as u32 | 1;
            if slot.rival != rival {
                slot.rival = rival;
                return;
            }
            // Until all of it is there, nothing is: a key's own code runs in between.
            slot.version = Version::NEVER;
            slot.hash = hash;
            slot.key.tenant = at.tenant.cloned();
            // Takes over the old key's memory where the type can.
            at.key.clone_into(&mut slot.key.key);
        }
        slot.rival = 0;
        slot.label = stored.label;
        if !std::ptr::eq(slot.value.as_ptr(), Arc::as_ptr(&stored.value)) {
            slot.value = Arc::downgrade(&stored.value);
        }
        slot.version = version;
    }
}
