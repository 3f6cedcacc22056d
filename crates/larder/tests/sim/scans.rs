//! What goes through all keys of the server: by the keys' whole text.

use bytes::Bytes;
use larder::key::{CacheName, Prefix, StoredKey, Tenant};
use larder::remote::{Cursor, Page};

use crate::groups::tenant_of;
use crate::server::{Changed, Reply, Request, Store};
use crate::world::NAME;

/// Where the caches of the histories store a key.
pub(crate) fn stored(key: usize) -> StoredKey {
    let name = CacheName::new(NAME).unwrap();
    let tenant = tenant_of(key).map(|tenant| Tenant::new(tenant).unwrap());
    StoredKey::new(&Prefix::default(), tenant.as_ref(), &name, &key).unwrap()
}

/// What lies under one text: a key's value, or its lease.
#[derive(Clone, Copy, Debug)]
enum Under {
    Value(usize),
    Lease(usize),
}

impl Store {
    /// The keys that something lies under, in their order.
    fn texts(&self, now: u64) -> Vec<(String, Under)> {
        let values = self
            .values
            .keys()
            .filter(|key| self.value(**key, now).is_some());
        let values = values.map(|key| (stored(*key).as_str().to_owned(), Under::Value(*key)));
        let leases = self
            .leases
            .keys()
            .filter(|key| self.lease(**key, now).is_some());
        let leases = leases.map(|key| (stored(*key).lease_key(), Under::Lease(*key)));
        let mut texts: Vec<_> = values.chain(leases).collect();
        texts.sort_by(|(one, _), (other, _)| one.cmp(other));
        texts
    }

    fn bytes(&self, under: Under, now: u64) -> Option<Bytes> {
        match under {
            Under::Value(key) => self.value(key, now),
            Under::Lease(key) => {
                let (lease, _) = self.lease(key, now)?;
                Some(Bytes::copy_from_slice(lease.as_bytes()))
            }
        }
    }

    /// What is answered, and what it changed of which keys.
    pub(crate) fn apply_to_keys(
        &mut self,
        request: &Request,
        now: u64,
    ) -> (Reply, Vec<(usize, Changed)>) {
        let texts = self.texts(now);
        let found = |text: &str| {
            let of = texts.iter().find(|(key, _)| key == text);
            of.map(|(_, under)| *under)
        };
        let reply = match request {
            // One by one, so that much happens between two of them.
            Request::Scan { under, behind } => {
                let mut left = texts.iter().map(|(key, _)| key).filter(|key| {
                    key.starts_with(under) && behind.as_ref().is_none_or(|behind| *key > behind)
                });
                let keys: Vec<_> = left.next().cloned().into_iter().collect();
                let next = left.next().and(keys.first());
                let next = next.map(|key| Cursor::new(key.clone().into_bytes()));
                Reply::Page(Page::new(keys, next))
            }
            Request::Heads(keys, len) => {
                let heads = keys.iter().map(|key| {
                    let bytes = self.bytes(found(key)?, now)?;
                    Some(bytes.slice(..bytes.len().min(*len)))
                });
                Reply::Heads(heads.collect())
            }
            Request::Discard(sightings) => {
                let mut of_keys = Vec::new();
                let gone = sightings.iter().map(|sighting| {
                    let Some(under) = found(&sighting.key) else {
                        return false;
                    };
                    let bytes = self.bytes(under, now);
                    if !bytes.is_some_and(|bytes| bytes.starts_with(&sighting.seen)) {
                        return false;
                    }
                    let mut changed = Changed::default();
                    let key = match under {
                        Under::Value(key) => {
                            self.values.remove(&key);
                            changed.value = true;
                            key
                        }
                        Under::Lease(key) => {
                            self.leases.remove(&key);
                            changed.lease = true;
                            key
                        }
                    };
                    of_keys.push((key, changed));
                    true
                });
                return (Reply::Gone(gone.collect()), of_keys);
            }
            other => unreachable!("of all keys: {other:?}"),
        };
        (reply, Vec::new())
    }
}
