//! A bounded map: entries in a slab, found by their key, and a policy that says who gives way.
//!
//! Plain and synchronous: one who uses it from several threads puts it under a lock. It runs a key's
//! `Eq` before it changes anything, and drops no key and no value, so that no code of its user runs
//! while it is half done: what leaves is handed back.

use hashbrown::{Equivalent, HashTable};

use super::expiry::Expiry;
use super::policy::{Newcomer, Policy, Slot};
use crate::time::Tick;

/// What a value's store has to know of it.
pub(crate) trait Item {
    fn weight(&self) -> u64;
    fn expires(&self) -> Tick;
}

/// Why an entry left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// There was no more room.
    Capacity,
    /// It was past its TTL and its stale window.
    Expired,
    /// Another value took its place.
    Replaced,
    /// It was removed, by itself or as one of several.
    Removed,
    /// The whole cache was emptied.
    Cleared,
}

/// An entry that left.
#[derive(Debug)]
pub(crate) struct Gone<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    pub(crate) cause: Cause,
}

pub(crate) struct Store<K, V> {
    /// The slots of the entries, by their keys' hashes.
    table: HashTable<Slot>,
    slab: Vec<Option<Entry<K, V>>>,
    /// Places of the slab that hold nothing.
    free: Vec<Slot>,
    policy: Box<dyn Policy>,
    expiry: Expiry,
    /// Counted up with each value, to tell it from the one before in its slot.
    number: u32,
    weight: u64,
    capacity: u64,
}

struct Entry<K, V> {
    hash: u64,
    number: u32,
    key: K,
    value: V,
}

impl<K, V: Item> Store<K, V> {
    pub(crate) fn new(policy: Box<dyn Policy>, capacity: u64) -> Self {
        Self {
            table: HashTable::new(),
            slab: Vec::new(),
            free: Vec::new(),
            policy,
            expiry: Expiry::default(),
            number: 0,
            weight: 0,
            capacity,
        }
    }

    pub(crate) fn find<Q>(&self, hash: u64, key: &Q) -> Option<Slot>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let is_meant = |slot: &Slot| {
            let entry = self.slab.get(slot.index()).and_then(Option::as_ref);
            entry.is_some_and(|entry| entry.hash == hash && key.equivalent(&entry.key))
        };
        self.table.find(hash, is_meant).copied()
    }

    /// What lies in a slot.
    pub(crate) fn at(&self, slot: Slot) -> Option<(&K, &V)> {
        let entry = self.slab.get(slot.index())?.as_ref()?;
        Some((&entry.key, &entry.value))
    }

    /// Tells the policy that the entry in a slot was found.
    pub(crate) fn hit(&mut self, slot: Slot) {
        self.policy.hit(slot);
    }

    /// Puts a value under `key`. Who makes room for it, and the value that it replaces, go to `gone`.
    ///
    /// Where it is heavier than all that may be held, it comes back, and what was there before goes
    /// all the same: it would be a lie, since its writer wanted another.
    pub(crate) fn insert(
        &mut self,
        hash: u64,
        key: K,
        value: V,
        now: Tick,
        gone: &mut Vec<Gone<K, V>>,
    ) -> Result<(), (K, V)>
    where
        K: Eq,
    {
        let weight = value.weight();
        let mut found = self.find(hash, &ByEq(&key));
        if weight > self.capacity {
            if let Some(slot) = found {
                gone.extend(self.leave(slot, now, Cause::Removed));
            }
            return Err((key, value));
        }
        if let Some(slot) = found
            && self.has_expired(slot, now)
        {
            gone.extend(self.leave(slot, now, Cause::Expired));
            found = None;
        }
        match self.make_room(weight, found, now, gone) {
            Some(slot) => gone.extend(self.replace(slot, key, value)),
            None => self.put(hash, key, value),
        }
        Ok(())
    }

    fn put(&mut self, hash: u64, key: K, value: V) {
        let (weight, expires) = (value.weight(), value.expires());
        self.number = self.number.wrapping_add(1);
        let number = self.number;
        let entry = Some(Entry {
            hash,
            number,
            key,
            value,
        });
        let slot = if let Some(slot) = self.free.pop() {
            self.slab[slot.index()] = entry;
            slot
        } else {
            self.slab.push(entry);
            // `make_room` keeps them below this.
            Slot(u32::try_from(self.slab.len() - 1).unwrap_or(MAX_SLOTS))
        };
        let slab = &self.slab;
        let hash_of = |slot: &Slot| slab[slot.index()].as_ref().map_or(0, |entry| entry.hash);
        self.table.insert_unique(hash, slot, hash_of);
        self.policy.inserted(Newcomer { slot, hash, weight });
        self.weight += weight;
        self.expires(expires, slot, number);
    }

    /// Puts a value in another's place. There is room for it.
    fn replace(&mut self, slot: Slot, key: K, value: V) -> Option<Gone<K, V>> {
        let (weight, expires) = (value.weight(), value.expires());
        let entry = self.slab.get_mut(slot.index())?.as_mut()?;
        self.number = self.number.wrapping_add(1);
        entry.number = self.number;
        let value = std::mem::replace(&mut entry.value, value);
        self.weight = self.weight - value.weight() + weight;
        if value.weight() != weight {
            self.policy.reweighed(slot, weight);
        }
        if self.policy.heeds_hits() {
            self.policy.hit(slot);
        }
        self.expires(expires, slot, self.number);
        let cause = Cause::Replaced;
        Some(Gone { key, value, cause })
    }

    fn expires(&mut self, at: Tick, slot: Slot, number: u32) {
        let slab = &self.slab;
        self.expiry.push(at, slot, number);
        self.expiry.tidy(self.table.len(), |slot, number| {
            is_there(slab, slot, number)
        });
    }

    /// Lets entries go until there is room for `weight` beside the others, or instead of what is
    /// `replaced`. That may be what goes: returned is what of it is still there.
    fn make_room(
        &mut self,
        weight: u64,
        mut replaced: Option<Slot>,
        now: Tick,
        gone: &mut Vec<Gone<K, V>>,
    ) -> Option<Slot> {
        loop {
            let old = replaced.and_then(|slot| self.at(slot));
            let old = old.map_or(0, |(_, value)| value.weight());
            let fits = self.weight - old <= self.capacity.saturating_sub(weight);
            if fits && (replaced.is_some() || self.table.len() < MAX_SLOTS as usize) {
                return replaced;
            }
            let slab = &self.slab;
            let expired = self
                .expiry
                .pop(now, |slot, number| is_there(slab, slot, number));
            let slot = if let Some(slot) = expired {
                self.policy.removed(slot);
                slot
            } else {
                self.policy.evict()?
            };
            let cause = if replaced == Some(slot) {
                replaced = None;
                Cause::Replaced
            } else {
                Cause::Capacity
            };
            gone.extend(self.take(slot, now, cause));
        }
    }

    /// Removes what is under `key`, if it is `meant`.
    pub(crate) fn remove_if<Q>(
        &mut self,
        hash: u64,
        key: &Q,
        now: Tick,
        meant: impl FnOnce(&V) -> bool,
    ) -> Option<Gone<K, V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let slot = self.find(hash, key)?;
        let (_, value) = self.at(slot)?;
        if !meant(value) {
            return None;
        }
        self.leave(slot, now, Cause::Removed)
    }

    /// Takes an entry out that the policy did not choose.
    fn leave(&mut self, slot: Slot, now: Tick, cause: Cause) -> Option<Gone<K, V>> {
        self.policy.removed(slot);
        self.take(slot, now, cause)
    }

    /// Takes an entry out that the policy has forgotten.
    fn take(&mut self, slot: Slot, now: Tick, cause: Cause) -> Option<Gone<K, V>> {
        let Entry {
            hash, key, value, ..
        } = self.slab.get_mut(slot.index())?.take()?;
        if let Ok(found) = self.table.find_entry(hash, |other| *other == slot) {
            found.remove();
        }
        self.free.push(slot);
        self.weight -= value.weight();
        let has_expired = value.expires() <= now && cause != Cause::Replaced;
        let cause = if has_expired { Cause::Expired } else { cause };
        Some(Gone { key, value, cause })
    }

    fn has_expired(&self, slot: Slot, now: Tick) -> bool {
        self.at(slot)
            .is_some_and(|(_, value)| value.expires() <= now)
    }

    pub(crate) fn clear(&mut self, now: Tick) -> Vec<Gone<K, V>> {
        let held = 0..u32::try_from(self.slab.len()).unwrap_or(MAX_SLOTS);
        let there = held.map(Slot).filter(|slot| self.at(*slot).is_some());
        let there: Vec<_> = there.collect();
        let gone = there
            .into_iter()
            .filter_map(|slot| self.leave(slot, now, Cause::Cleared))
            .collect();
        self.expiry.clear();
        gone
    }

    /// Changes how much may be held; who has no room any more goes at once.
    pub(crate) fn resize(&mut self, capacity: u64, now: Tick, gone: &mut Vec<Gone<K, V>>) {
        self.capacity = capacity;
        self.policy.resized(capacity);
        self.make_room(0, None, now, gone);
    }

    /// The first entry at this place of the slab or after it, with its place.
    pub(crate) fn from(&self, place: usize) -> Option<(usize, &K, &V)> {
        let after = self.slab.get(place..)?;
        let entries = after.iter().zip(place..);
        entries
            .filter_map(|(entry, place)| Some((place, entry.as_ref()?)))
            .map(|(place, entry)| (place, &entry.key, &entry.value))
            .next()
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Whether all that it knows of its entries fits together.
    #[cfg(test)]
    pub(crate) fn validate(&self) -> Result<(), String> {
        let held = || self.slab.iter().flatten();
        let weight: u64 = held().map(|entry| entry.value.weight()).sum();
        if weight != self.weight || weight > self.capacity {
            return Err(format!("weight {weight}, counted {}", self.weight));
        }
        if held().count() != self.table.len() || held().count() + self.free.len() != self.slab.len()
        {
            return Err("the slab and the table differ".to_owned());
        }
        let mut known = self.policy.validate()?;
        let count = known.len();
        known.sort_unstable();
        known.dedup();
        if count != self.table.len()
            || known.len() != count
            || known.iter().any(|slot| self.at(*slot).is_none())
        {
            return Err(format!(
                "the policy knows {count} entries of {}",
                self.table.len()
            ));
        }
        for slot in known {
            let hash = self.slab[slot.index()]
                .as_ref()
                .map_or(0, |entry| entry.hash);
            if self.table.find(hash, |other| *other == slot).is_none() {
                return Err(format!("{slot:?} cannot be found"));
            }
        }
        let living = self
            .expiry
            .living(|slot, number| is_there(&self.slab, slot, number));
        if living != self.table.len() || self.expiry.len() > 2 * living + 65 {
            return Err(format!("{living} ends of {}", self.table.len()));
        }
        Ok(())
    }
}

/// More entries than this are not held.
const MAX_SLOTS: u32 = u32::MAX - 1;

fn is_there<K, V>(slab: &[Option<Entry<K, V>>], slot: Slot, number: u32) -> bool {
    let entry = slab.get(slot.index()).and_then(Option::as_ref);
    entry.is_some_and(|entry| entry.number == number)
}

/// A key as it is, for look-ups.
struct ByEq<'a, K>(&'a K);

impl<K: Eq> Equivalent<K> for ByEq<'_, K> {
    fn equivalent(&self, key: &K) -> bool {
        self.0 == key
    }
}
