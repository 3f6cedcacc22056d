//! Which values are of no use any more: a group that they bear was removed since.

use std::collections::{HashMap, HashSet};

use crate::key::{Spot, StoredKey, Tag};
use crate::remote::RemoteError;
use crate::scope::names;
use crate::wire::{Stamp, Stamps, Tags};

use super::Looker;
use super::walk::COUNT;

/// Stamps that are remembered at once.
const MAX_KNOWN: usize = 1 << 14;

/// What a value bears: scopes, by the names of their stamps, and the id of their removals from before
/// its load.
pub(super) type Bearing = Vec<(String, u64)>;

/// What is known of stamps.
///
/// A value is taken for outdated only where a stamp that was read *after* the value differs from the one
/// that it bears: one that was read before may be older than the value. Ids are random and never come
/// back, so what has been outdated once is so for ever.
#[derive(Default)]
pub(super) struct Ledger {
    /// The ids of now, or of a while ago; `None` where there was no stamp. Without a stamp nothing can be
    /// current: whoever misses it makes one with fresh ids.
    current: HashMap<String, Option<u64>>,
    /// Ids that a scope had before.
    outdated: HashMap<String, HashSet<u64>>,
    ids: usize,
}

/// What a value at `spot` bears; `None` where its stamps do not fit, as those of a newer program may not.
pub(super) fn bearing(spot: &Spot<'_>, stamps: Stamps<'_>, tags: Tags<'_>) -> Option<Bearing> {
    let tags: Vec<Tag> = tags
        .iter()
        .map(|tag| Tag::new(tag?).ok())
        .collect::<Option<_>>()?;
    let borne = names::borne(spot.tenant, spot.name, tags.iter().map(Tag::escaped));
    let ids = stamps.iter().map(|stamp| stamp.remove);
    (borne.len() == stamps.len()).then(|| borne.into_iter().zip(ids).collect())
}

impl Ledger {
    /// Which of these values, all of them read before now, are outdated.
    pub(super) async fn outdated(
        &mut self,
        values: &[Bearing],
        looker: &Looker<'_>,
    ) -> Result<Vec<bool>, RemoteError> {
        if self.current.len() + self.ids > MAX_KNOWN {
            // Before anything is decided by what is forgotten here.
            *self = Self::default();
        }
        let all = || values.iter().flatten();
        let unknown = all().filter(|(scope, id)| self.verdict(scope, *id).is_none());
        let mut unknown: Vec<&str> = unknown.map(|(scope, _)| &**scope).collect();
        unknown.sort_unstable();
        unknown.dedup();
        for piece in unknown.chunks(COUNT) {
            self.read(piece, looker).await?;
        }
        for (scope, id) in all() {
            if self.current.get(scope) != Some(&Some(*id)) && self.verdict(scope, *id).is_none() {
                // It was read just now, and is another.
                self.outdated.entry(scope.clone()).or_default().insert(*id);
                self.ids += 1;
            }
        }
        let is_outdated = |(scope, id): &(String, u64)| self.verdict(scope, *id) == Some(true);
        Ok(values
            .iter()
            .map(|value| value.iter().any(is_outdated))
            .collect())
    }

    /// Whether a value that bears this is outdated; `None` where the stamp has to be read.
    fn verdict(&self, scope: &str, id: u64) -> Option<bool> {
        if self.current.get(scope) == Some(&Some(id)) {
            return Some(false);
        }
        let ids = self.outdated.get(scope)?;
        ids.contains(&id).then_some(true)
    }

    async fn read(&mut self, scopes: &[&str], looker: &Looker<'_>) -> Result<(), RemoteError> {
        let stamp = |scope: &&str| StoredKey::stamp(looker.prefix, scope);
        let keys: Vec<StoredKey> = scopes.iter().map(stamp).collect();
        let keys: Vec<&StoredKey> = keys.iter().collect();
        let found = looker.remote.get_many(&keys, looker.deadline()).await?;
        for (scope, bytes) in scopes.iter().zip(found) {
            let stamp = bytes.as_deref().and_then(Stamp::from_bytes);
            let id = stamp.map(|stamp| stamp.remove);
            self.current.insert((*scope).to_owned(), id);
        }
        Ok(())
    }
}
