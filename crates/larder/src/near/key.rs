//! What near entries are found by: tenant and key, compared in full, nothing encoded.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

use quick_cache::Equivalent;

use crate::key::Tenant;

/// The owned form, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NearKey<K> {
    pub(crate) tenant: Option<Tenant>,
    pub(crate) key: K,
}

/// The borrowed form, for lookups.
#[derive(Debug)]
pub(crate) struct NearRef<'a, Q: ?Sized> {
    pub(crate) tenant: Option<&'a Tenant>,
    pub(crate) key: &'a Q,
}

impl<Q: ?Sized> Clone for NearRef<'_, Q> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Q: ?Sized> Copy for NearRef<'_, Q> {}

impl<Q: ToOwned + ?Sized> NearRef<'_, Q> {
    pub(crate) fn to_key(self) -> NearKey<Q::Owned> {
        NearKey {
            tenant: self.tenant.cloned(),
            key: self.key.to_owned(),
        }
    }
}

impl<K> NearKey<K> {
    pub(crate) fn as_ref(&self) -> NearRef<'_, K> {
        NearRef {
            tenant: self.tenant.as_ref(),
            key: &self.key,
        }
    }
}

// Both forms hash alike, which `K: Borrow<Q>` promises for the key itself.
impl<K: Hash> Hash for NearKey<K> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

impl<Q: Hash + ?Sized> Hash for NearRef<'_, Q> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(tenant) = self.tenant {
            tenant.hash(state);
        }
        self.key.hash(state);
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
