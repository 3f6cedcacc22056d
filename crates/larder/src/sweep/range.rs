//! Which keys on the server are looked through.

use std::fmt;

use crate::key::{CacheName, Prefix, Spot, Tenant};

/// What a view covers, as what is under its keys.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Range {
    /// Everything under the prefix.
    Everything,
    /// What has no tenant.
    Untenanted,
    Tenant(Tenant),
    /// A cache, of one tenant, or of all and of none; whether it is bounded.
    Cache(Option<Tenant>, CacheName, bool),
}

impl Range {
    /// Whether a value, or the lease of one, is in it.
    pub(super) fn covers(&self, spot: &Spot<'_>) -> bool {
        match self {
            Self::Everything => true,
            Self::Untenanted => spot.tenant.is_none(),
            Self::Tenant(tenant) => spot.tenant == Some(tenant.escaped()),
            Self::Cache(tenant, name, is_bounded) => {
                let is_its = |tenant: &Tenant| spot.tenant == Some(tenant.escaped());
                tenant.as_ref().is_none_or(is_its)
                    && (spot.name, spot.is_bounded) == (name.escaped(), *is_bounded)
            }
        }
    }

    /// Whether all that `other` covers is in it.
    pub(super) fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everything, _) => true,
            (Self::Tenant(tenant), Self::Cache(Some(of), ..)) => tenant == of,
            (Self::Cache(None, name, a), Self::Cache(Some(_), of, b)) => (name, a) == (of, b),
            (one, other) => one == other,
        }
    }

    /// What all keys of its values begin with.
    pub(super) fn values(&self, prefix: &Prefix) -> String {
        let prefix = prefix.as_str();
        match self {
            // A cache's keys lie beside those of its tenants, and there is one scan for all of them.
            Self::Everything | Self::Untenanted | Self::Cache(None, ..) => prefix.to_owned(),
            Self::Tenant(tenant) => format!("{prefix}tenant:{}:", tenant.escaped()),
            Self::Cache(Some(tenant), name, is_bounded) => {
                let brace = if *is_bounded { "{" } else { "" };
                format!(
                    "{prefix}tenant:{}:{brace}{}:",
                    tenant.escaped(),
                    name.escaped()
                )
            }
        }
    }

    /// What all keys of its values and leases begin with, together or one after the other. Others begin
    /// like that too.
    pub(super) fn values_and_leases(&self, prefix: &Prefix) -> Vec<String> {
        let values = self.values(prefix);
        if values == prefix.as_str() {
            return vec![values];
        }
        let leases = match self {
            Self::Cache(.., true) => format!("{}lease:{values}", prefix.as_str()),
            Self::Cache(.., false) => format!("{}lease:{{{values}", prefix.as_str()),
            // Of caches with bounds and without.
            _ => format!("{}lease:", prefix.as_str()),
        };
        vec![leases, values]
    }

    /// Whether a key can only be that of a value or a lease in this range, whatever lies there.
    pub(super) fn owns(&self, prefix: &Prefix, key: &str) -> bool {
        let (prefix, values) = (prefix.as_str(), self.values(prefix));
        let leased = key.strip_prefix(prefix);
        let leased = leased.and_then(|rest| rest.strip_prefix("lease:"));
        let leased = leased.map(|of| of.strip_prefix('{').unwrap_or(of));
        key.starts_with(&values) || leased.is_some_and(|of| of.starts_with(&values))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Untenanted => f.write_str("what has no tenant"),
            Self::Tenant(tenant) => write!(f, "tenant {:?}", tenant.as_str()),
            Self::Cache(None, name, _) => write!(f, "cache {:?}", name.as_str()),
            Self::Cache(Some(tenant), name, _) => {
                write!(
                    f,
                    "cache {:?} of tenant {:?}",
                    name.as_str(),
                    tenant.as_str()
                )
            }
        }
    }
}
