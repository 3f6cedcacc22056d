//! What is particular about a tenant's calls.

use std::hash::Hash;

use super::Space;
use crate::key::Tenant;
use crate::options::{Lifetime, Options};
use crate::telemetry::Counters;
use crate::tenant::Account;

impl<K: Hash + Eq, V> Space<K, V> {
    /// Counts what was done for a tenant, in the cache's numbers and in the tenant's.
    #[inline]
    pub(crate) fn count(&self, tenant: Option<&Tenant>, raise: impl Fn(&Counters)) {
        raise(&self.counters);
        if let Some(account) = self.account(tenant) {
            raise(&account.counters);
        }
    }

    /// How long a tenant's values live, where a call does not say otherwise.
    pub(crate) fn lifetime_of(&self, tenant: Option<&Tenant>) -> Lifetime {
        let Options {
            lifetime,
            own_ttl,
            own_stale,
            ..
        } = self.options;
        match self.account(tenant).map(Account::options) {
            Some(options) => lifetime.with(
                options.ttl.filter(|_| !own_ttl),
                options.stale.filter(|_| !own_stale),
            ),
            None => lifetime,
        }
    }

    pub(crate) fn account(&self, tenant: Option<&Tenant>) -> Option<&Account> {
        Some(self.shared.accounts.of(tenant?))
    }
}
