//! What near entries are found by: tenant and key, compared in full, nothing encoded.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::LazyLock;

use quick_cache::{DefaultHashBuilder, Equivalent};

use crate::key::Tenant;

/// The owned form, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NearKey<K> {
    pub(crate) tenant: Option<Tenant>,
    pub(crate) key: K,
}

/// The borrowed form, for lookups. It is hashed once, for all tables that a call looks into.
#[derive(Debug)]
pub(crate) struct NearRef<'a, Q: ?Sized> {
    pub(crate) tenant: Option<&'a Tenant>,
    pub(crate) key: &'a Q,
    hash: u64,
}

impl<Q: ?Sized> Clone for NearRef<'_, Q> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Q: ?Sized> Copy for NearRef<'_, Q> {}

impl<'a, Q: Hash + ?Sized> NearRef<'a, Q> {
    #[inline]
    pub(crate) fn new(tenant: Option<&'a Tenant>, key: &'a Q) -> Self {
        Self {
            tenant,
            key,
            hash: hash_of(tenant, key),
        }
    }
}

impl<Q: ?Sized> NearRef<'_, Q> {
    /// The same for all that is equal, in this process.
    #[inline]
    pub(crate) fn hash64(&self) -> u64 {
        self.hash
    }
}

impl<Q: ToOwned + ?Sized> NearRef<'_, Q> {
    pub(crate) fn to_key(self) -> NearKey<Q::Owned> {
        NearKey {
            tenant: self.tenant.cloned(),
            key: self.key.to_owned(),
        }
    }
}

impl<K: Hash> NearKey<K> {
    pub(crate) fn as_ref(&self) -> NearRef<'_, K> {
        NearRef::new(self.tenant.as_ref(), &self.key)
    }
}

/// Seeded at random, so that nobody can choose keys that hash alike.
static HASHER: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

#[inline]
fn hash_of<Q: Hash + ?Sized>(tenant: Option<&Tenant>, key: &Q) -> u64 {
    let hash = HASHER.hash_one(key);
    match tenant {
        None => hash,
        Some(tenant) => HASHER.hash_one((tenant, hash)),
    }
}

// Both forms hash alike, which `K: Borrow<Q>` promises for the key itself.
impl<K: Hash> Hash for NearKey<K> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(hash_of(self.tenant.as_ref(), &self.key));
    }
}

impl<Q: ?Sized> Hash for NearRef<'_, Q> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl<K, Q> Equivalent<NearKey<K>> for NearRef<'_, Q>
where
    K: Borrow<Q>,
    Q: Eq + ?Sized,
{
    #[inline]
    fn equivalent(&self, other: &NearKey<K>) -> bool {
        self.key == other.key.borrow() && self.tenant == other.tenant.as_ref()
    }
}

/// Takes the hash of near keys as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AsHashed(u64);

impl BuildHasher for AsHashed {
    type Hasher = Self;

    #[inline]
    fn build_hasher(&self) -> Self {
        Self::default()
    }
}

impl Hasher for AsHashed {
    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    /// Near keys write nothing else.
    fn write(&mut self, bytes: &[u8]) {
        self.0 = HASHER.hash_one((self.0, bytes));
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_hash_alike_and_tenants_apart() {
        let acme = Tenant::new("acme").unwrap();
        let again = Tenant::new("acme").unwrap();
        let owned = |tenant: Option<&Tenant>| NearKey {
            tenant: tenant.cloned(),
            key: "ann".to_owned(),
        };
        for tenant in [None, Some(&acme)] {
            let hash = NearRef::new(tenant, "ann").hash64();
            assert_eq!(owned(tenant).as_ref().hash64(), hash);
            assert_eq!(AsHashed::default().hash_one(owned(tenant)), hash);
            assert_eq!(
                AsHashed::default().hash_one(NearRef::new(tenant, "ann")),
                hash
            );
        }
        let hash = |tenant, key| NearRef::new(tenant, key).hash64();
        assert_eq!(hash(Some(&acme), "ann"), hash(Some(&again), "ann"));
        assert_ne!(hash(Some(&acme), "ann"), hash(None, "ann"));
        assert_ne!(hash(Some(&acme), "ann"), hash(Some(&acme), "bob"));
    }
}
