//! What scopes are called where their stamps lie: `<prefix>stamp:<scope>`. Tenants, caches and tags come
//! as they stand in stored keys.

pub(crate) const EVERYTHING: &str = "all";
pub(crate) const UNTENANTED: &str = "untenanted";

pub(crate) fn tenant(tenant: &str) -> String {
    format!("tenant:{tenant}")
}

/// A cache, of all tenants or of one.
pub(crate) fn cache(of: Option<&str>, name: &str) -> String {
    match of {
        None => format!("name:{name}"),
        Some(owner) => format!("tenant:{owner}:name:{name}"),
    }
}

/// A tag, of all tenants or of one.
pub(crate) fn tag(of: Option<&str>, tag: &str) -> String {
    match of {
        None => format!("tag:{tag}"),
        Some(owner) => format!("tenant:{owner}:tag:{tag}"),
    }
}

/// What is told of where keys of this cache were removed by a pattern. It is no scope, nothing bears it,
/// and nothing lies there.
pub(crate) fn patterns(cache: &str) -> String {
    format!("{PATTERNS}{cache}")
}

const PATTERNS: &str = "pattern:";

/// The cache whose keys were removed by a pattern, where that is what is told.
pub(super) fn of_patterns(name: &str) -> Option<&str> {
    name.strip_prefix(PATTERNS)
}

/// What a value bears that lies in this cache, tenant and name as in its stored key, in the order of
/// its stamps.
pub(crate) fn borne<'a>(
    of: Option<&str>,
    name: &str,
    tags: impl IntoIterator<Item = &'a str>,
) -> Vec<String> {
    let mut borne = vec![EVERYTHING.to_owned()];
    match of {
        None => borne.push(UNTENANTED.to_owned()),
        Some(owner) => {
            borne.push(tenant(owner));
            borne.push(cache(of, name));
        }
    }
    borne.push(cache(None, name));
    for tagged in tags {
        borne.push(tag(None, tagged));
        if of.is_some() {
            borne.push(tag(of, tagged));
        }
    }
    borne
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::key::{CacheName, Prefix, StoredKey, Tag, Tenant};
    use crate::load::Watch;
    use crate::scope::Scopes;
    use crate::time::Clock;

    #[test]
    fn what_a_value_bears_is_the_same_by_its_names_and_by_the_registry() {
        let prefix = Prefix::new("p").unwrap();
        let scopes = Scopes::new(prefix.clone(), Arc::new(Watch::local(Clock::manual())));
        let (name, tag) = (CacheName::new("a:b").unwrap(), Tag::new("t{1}").unwrap());
        for owner in [None, Some(Tenant::new("acme: eu").unwrap())] {
            let base = scopes.base(owner.as_ref(), &name);
            let known = scopes.with_tags(&base, owner.as_ref(), std::slice::from_ref(&tag));
            let known: Vec<&str> = known.iter().map(|scope| scope.key.as_str()).collect();
            let owner = owner.as_ref().map(Tenant::escaped);
            let named = borne(owner, name.escaped(), [tag.escaped()]);
            let named: Vec<_> = named
                .iter()
                .map(|of| StoredKey::stamp(&prefix, of))
                .collect();
            assert_eq!(
                named.iter().map(StoredKey::as_str).collect::<Vec<_>>(),
                known
            );
        }
    }
}
