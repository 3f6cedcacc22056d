//! The accounts of a larder's tenants.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use super::TenantOptions;
use crate::error::Error;
use crate::key::{NameError, Tenant};
use crate::load::{Limit, Taken};
use crate::telemetry::Counters;

/// Tenants with an account that nobody configured.
pub(crate) const MAX_SEEN: usize = 1_000;
/// The numbers that there are: zero, and one for each tenant with an account.
pub(crate) const MAX_ACCOUNTS: usize = 4_096;

/// What one tenant may have, and what it did; or all that have no account of their own.
pub(crate) struct Account {
    options: RwLock<TenantOptions>,
    pub(crate) counters: Counters,
    loads: Arc<Limit>,
}

impl Account {
    fn new(options: TenantOptions) -> Self {
        Self {
            loads: Limit::new(options.max_loads.unwrap_or(usize::MAX)),
            counters: Counters::default(),
            options: RwLock::new(options),
        }
    }

    pub(crate) fn options(&self) -> TenantOptions {
        *self.options.read()
    }

    /// The right to run a loader; `None` where as many run as may.
    pub(crate) fn load(&self) -> Option<Taken> {
        self.loads.take()
    }

    /// Whether [`load`](Self::load) has nothing to give for now.
    pub(crate) fn is_full(&self) -> bool {
        self.loads.is_full()
    }

    pub(crate) fn loading(&self) -> usize {
        self.loads.taken()
    }
}

pub(crate) struct Accounts {
    each: TenantOptions,
    numbers: RwLock<Numbers>,
    /// By number.
    own: Box<[OnceLock<Box<Account>>]>,
    /// Of all that have none of their own.
    others: Account,
}

#[derive(Default)]
struct Numbers {
    by_name: HashMap<Box<str>, Tenant>,
    /// How many of these nobody configured when they came.
    seen: usize,
    /// Whether a tenant went without an account. Then who has none cannot get one any more: its entries
    /// may lie where those of all others do.
    is_full: bool,
}

impl Accounts {
    pub(crate) fn new(each: TenantOptions) -> Self {
        // They have no common limit, and no share: one of them would take it all.
        let others = TenantOptions {
            ttl: each.ttl,
            stale: each.stale,
            ..TenantOptions::default()
        };
        Self {
            each,
            numbers: RwLock::default(),
            own: (0..MAX_ACCOUNTS).map(|_| OnceLock::new()).collect(),
            others: Account::new(others),
        }
    }

    /// The tenant of this name, with its number.
    pub(crate) fn tenant(&self, name: &str) -> Result<Tenant, NameError> {
        {
            let numbers = self.numbers.read();
            if let Some(tenant) = numbers.by_name.get(name) {
                return Ok(tenant.clone());
            }
            if numbers.is_full {
                return Tenant::new(name);
            }
        }
        let unknown = Tenant::new(name)?;
        let mut numbers = self.numbers.write();
        if let Some(tenant) = numbers.by_name.get(name) {
            return Ok(tenant.clone());
        }
        if numbers.is_full || numbers.seen == MAX_SEEN || numbers.by_name.len() + 1 == MAX_ACCOUNTS
        {
            numbers.is_full = true;
            return Ok(unknown);
        }
        numbers.seen += 1;
        Ok(self.add(&mut numbers, name, &unknown, self.each))
    }

    /// Gives the tenant of this name these options.
    pub(crate) fn configure(&self, name: &str, options: TenantOptions) -> Result<Tenant, Error> {
        options.check(Some(name))?;
        let unknown = Tenant::new(name)?;
        let mut numbers = self.numbers.write();
        if let Some(tenant) = numbers.by_name.get(name) {
            let account = self.of(tenant);
            account.loads.allow(options.max_loads.unwrap_or(usize::MAX));
            *account.options.write() = options;
            return Ok(tenant.clone());
        }
        if numbers.is_full || numbers.by_name.len() + 1 == MAX_ACCOUNTS {
            return Err(Error::TooManyTenants {
                tenant: name.to_owned(),
                seen: MAX_SEEN,
                max: MAX_ACCOUNTS - 1,
            });
        }
        Ok(self.add(&mut numbers, name, &unknown, options))
    }

    fn add(
        &self,
        numbers: &mut Numbers,
        name: &str,
        tenant: &Tenant,
        options: TenantOptions,
    ) -> Tenant {
        // Zero is that of tenants without an account.
        let number = numbers.by_name.len() + 1;
        // Before anybody has the number.
        self.own[number].get_or_init(|| Box::new(Account::new(options)));
        let tenant = tenant.numbered(number);
        numbers.by_name.insert(name.into(), tenant.clone());
        tenant
    }

    /// Its own account, or the one of all others.
    pub(crate) fn of(&self, tenant: &Tenant) -> &Account {
        let own = self.own.get(tenant.number()).and_then(OnceLock::get);
        own.map_or(&self.others, |account| account)
    }

    /// All accounts, by name; that of all others is the last.
    pub(crate) fn list(&self) -> Vec<(Option<Tenant>, &Account)> {
        let mut known: Vec<_> = self.numbers.read().by_name.values().cloned().collect();
        known.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        let mut all: Vec<_> = known
            .into_iter()
            .map(|tenant| (Some(tenant.clone()), self.of(&tenant)))
            .collect();
        if self.numbers.read().is_full {
            all.push((None, &self.others));
        }
        all
    }
}
