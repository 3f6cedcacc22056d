//! What the store holds as a scan sees it: values, and leases under keys of their own.

use bytes::Bytes;

use super::MemoryRemote;
use crate::key::StoredKey;
use crate::remote::{Cursor, Page, Sighting};

/// The stored key whose lease lies at `key`; `None` where no lease does.
fn leased(key: &str) -> Option<&str> {
    // Wherever its prefix may end: what is leased begins with the same.
    let mut ends = key.match_indices("lease:").map(|(at, _)| &key[..at]);
    ends.find_map(|prefix| {
        let of = StoredKey::of_lease_key(prefix, key)?;
        (!prefix.is_empty() && of.starts_with(prefix)).then_some(of)
    })
}

impl MemoryRemote {
    /// In the order of keys, so that the last one given is a place to go on from.
    pub(super) fn scan_now(&self, under: &str, cursor: Option<&Cursor>, count: usize) -> Page {
        let after = cursor.map(Cursor::as_bytes);
        let wanted =
            |key: &str| key.starts_with(under) && after.is_none_or(|after| key.as_bytes() > after);
        let now = self.0.clock.now();
        let live = self
            .0
            .entries
            .iter()
            .filter(|(_, entry)| now < entry.expires);
        let mut keys: Vec<String> = live.map(|(key, _)| key).filter(|key| wanted(key)).collect();
        for (_, held) in self.0.leases.lock().live(now) {
            if wanted(&held.key) {
                keys.push(held.key.to_string());
            }
        }
        keys.sort_unstable();
        let is_more = keys.len() > count.max(1);
        keys.truncate(count.max(1));
        let last = keys.last().filter(|_| is_more);
        let next = last.map(|key| Cursor::new(key.clone().into_bytes()));
        Page::new(keys, next)
    }

    pub(super) fn head_now(&self, key: &str, len: usize) -> Option<Bytes> {
        let now = self.0.clock.now();
        let there = if let Some(of) = leased(key) {
            let leases = self.0.leases.lock();
            Bytes::copy_from_slice(leases.of(of, now)?.0.as_bytes())
        } else {
            let entry = self.0.entries.get(key)?;
            (now < entry.expires).then_some(entry.value)?
        };
        Some(there.slice(..len.min(there.len())))
    }

    pub(super) fn discard_now(&self, sighting: &Sighting) -> bool {
        let now = self.0.clock.now();
        let Sighting { key, seen } = sighting;
        let mut leases = self.0.leases.lock();
        if let Some(of) = leased(key) {
            let held = leases.of(of, now);
            let is_seen = held.is_some_and(|(held, _)| held.as_bytes().starts_with(seen));
            if is_seen {
                leases.end(of);
                drop(leases);
                self.tell(|observer| observer.lease_changed(of), of);
            }
            return is_seen;
        }
        let there = self.0.entries.get(key.as_str());
        let is_seen =
            there.is_some_and(|there| now < there.expires && there.value.starts_with(seen));
        if is_seen {
            self.0.entries.remove(key.as_str());
            self.forget(key);
            drop(leases);
            self.tell(|observer| observer.changed(key), key);
        }
        is_seen
    }
}
