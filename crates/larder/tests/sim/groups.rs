//! The groups of the histories: what may be invalidated at once, and which keys' values may bear it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use larder::key::{Prefix, StoredKey};

use crate::world::NAME;

/// Whose every second key is.
pub(crate) const TENANT: &str = "acme";

pub(crate) fn tenant_of(key: usize) -> Option<&'static str> {
    (key % 2 == 1).then_some(TENANT)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tag {
    Red,
    Green,
    Blue,
}

impl Tag {
    const ALL: [Self; 3] = [Self::Red, Self::Green, Self::Blue];

    /// Those that values of a key may have: not all, so that some keys have nothing in common.
    pub(crate) fn of_key(key: usize) -> [Self; 2] {
        [Self::ALL[key % 3], Self::ALL[(key + 1) % 3]]
    }
}

impl AsRef<str> for Tag {
    fn as_ref(&self) -> &str {
        match self {
            Self::Red => "red",
            Self::Green => "green",
            Self::Blue => "blue",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Group {
    All,
    Untenanted,
    Tenant,
    Cache,
    CacheOfTenant,
    Tag(Tag),
    TagOfTenant(Tag),
    /// No values bear these: where removals by pattern are told.
    Patterns,
    PatternsOfTenant,
}

static BY_STAMP: LazyLock<BTreeMap<String, Group>> =
    LazyLock::new(|| Group::every().map(|group| (group.stamp(), group)).collect());

impl Group {
    pub(crate) fn every() -> impl Iterator<Item = Self> {
        let few = [
            Self::All,
            Self::Untenanted,
            Self::Tenant,
            Self::Cache,
            Self::CacheOfTenant,
            Self::Patterns,
            Self::PatternsOfTenant,
        ];
        let tags = Tag::ALL
            .into_iter()
            .flat_map(|tag| [Self::Tag(tag), Self::TagOfTenant(tag)]);
        few.into_iter().chain(tags)
    }

    /// What a value of `key` bears that has these tags.
    pub(crate) fn of_value(key: usize, tags: &[Tag]) -> Vec<Self> {
        let is_tenants = tenant_of(key).is_some();
        let mut groups = vec![Self::All, Self::Cache];
        if is_tenants {
            groups.extend([Self::Tenant, Self::CacheOfTenant]);
        } else {
            groups.push(Self::Untenanted);
        }
        for tag in tags {
            groups.push(Self::Tag(*tag));
            if is_tenants {
                groups.push(Self::TagOfTenant(*tag));
            }
        }
        groups
    }

    pub(crate) fn may_be_of(self, key: usize) -> bool {
        Self::of_value(key, &Tag::of_key(key)).contains(&self)
    }

    /// Whether its changes make a process ask the server again for `key`. There are few of the first
    /// kinds, so these make it ask for everything.
    pub(crate) fn concerns(self, key: usize) -> bool {
        let are_few = matches!(
            self,
            Self::All | Self::Untenanted | Self::Cache | Self::Patterns | Self::PatternsOfTenant
        );
        are_few || self.may_be_of(key)
    }

    /// Where its stamp lies.
    pub(crate) fn stamp(self) -> String {
        let name = match self {
            Self::All => "all".to_owned(),
            Self::Untenanted => "untenanted".to_owned(),
            Self::Tenant => format!("tenant:{TENANT}"),
            Self::Cache => format!("name:{NAME}"),
            Self::CacheOfTenant => format!("tenant:{TENANT}:name:{NAME}"),
            Self::Tag(tag) => format!("tag:{}", tag.as_ref()),
            Self::TagOfTenant(tag) => format!("tenant:{TENANT}:tag:{}", tag.as_ref()),
            Self::Patterns => format!("pattern:name:{NAME}"),
            Self::PatternsOfTenant => format!("pattern:tenant:{TENANT}:name:{NAME}"),
        };
        format!("{}stamp:{name}", Prefix::default().as_str())
    }
}

/// What lies on the server under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Slot {
    /// A value and its lease.
    Key(usize),
    Stamp(Group),
    /// All keys at once, for who goes through them.
    Keys,
}

impl Slot {
    pub(crate) fn of(stored: &StoredKey) -> Self {
        match BY_STAMP.get(stored.as_str()) {
            Some(group) => Self::Stamp(*group),
            None => Self::Key(stored.as_str().rsplit(':').next().unwrap().parse().unwrap()),
        }
    }
}
