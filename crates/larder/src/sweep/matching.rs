//! Removes what lies on the server under keys that look like a pattern.
//!
//! Twice, values and leases: what a load that was under way stored behind the first look is there for the
//! second, and by then its lease is gone, so it stores nothing more.

use bytes::Bytes;
use futures_util::future::join_all;

use super::look::Patience;
use super::pattern::Pattern;
use super::range::Range;
use super::walk::Walk;
use super::{Looker, Removed};
use crate::key::{Place, Spot, StoredKey, readable_of};
use crate::load::Watch;
use crate::remote::{LEASE_LEN, Lease, RemoteError, Sighting};
use crate::space::Shared;
use crate::wire::Head;

/// Rounds through values and leases.
const ROUNDS: usize = 2;
/// Values that are removed at once.
const AT_ONCE: usize = 64;

/// A removal under way.
pub(crate) struct Matching<'a> {
    pub(crate) range: &'a Range,
    pub(crate) pattern: &'a Pattern,
    pub(crate) watch: &'a Watch,
}

impl Matching<'_> {
    /// Removes all of it. A server that does not answer is asked again for as long as one call may take.
    pub(crate) async fn remove(&self, shared: &Shared) -> Result<Removed, RemoteError> {
        let looker = Looker::of(shared);
        let mut removed = Removed::default();
        for _ in 0..ROUNDS {
            let mut walk = Walk::through(self.range.values_and_leases(looker.prefix));
            let mut patience = Patience::of(shared);
            loop {
                let step = self.step(&mut walk, &looker, &mut removed).await;
                if patience.after(step).await? == Some(false) {
                    break;
                }
            }
        }
        Ok(removed)
    }

    /// One page; `false` at the end. Others have the server between its requests.
    async fn step(
        &self,
        walk: &mut Walk,
        looker: &Looker<'_>,
        removed: &mut Removed,
    ) -> Result<bool, RemoteError> {
        let Some(page) = walk.page(looker).await? else {
            return Ok(false);
        };
        let (mut values, mut leases, mut hashed) = (Vec::new(), Vec::new(), Vec::new());
        for key in &page.keys {
            match Place::of(looker.prefix, key) {
                Some(Place::Value(spot)) if self.range.covers(&spot) => match spot.readable() {
                    Some(text) if self.pattern.matches(&text) => values.push(spot),
                    Some(_) => {}
                    None => hashed.push(spot),
                },
                // What a hashed key reads its lease does not say: to end it voids a load, and no more.
                Some(Place::Lease(spot)) if self.range.covers(&spot) => {
                    let text = spot.readable();
                    if text.is_none_or(|text| self.pattern.matches(&text)) {
                        leases.push(key.as_str());
                    }
                }
                _ => {}
            }
        }
        // Only what larder wrote (G10), and of hashed keys what the envelope says that they read.
        let keys: Vec<&str> = values.iter().map(|spot| spot.whole).collect();
        let heads = looker.heads(&keys).await?;
        let mut heads = heads.into_iter();
        values.retain(|_| heads.next().flatten().is_some_and(|head| is_ours(&head)));
        values.extend(self.matching(&hashed, looker).await?);

        removed.loads += end(&leases, looker).await?;
        for piece in values.chunks(AT_ONCE) {
            removed.values += self.remove_values(piece, looker).await?;
        }
        walk.advance(page);
        Ok(true)
    }

    /// Those of which the envelope says that their key matches.
    async fn matching<'a>(
        &self,
        spots: &[Spot<'a>],
        looker: &Looker<'_>,
    ) -> Result<Vec<Spot<'a>>, RemoteError> {
        let keys: Vec<&str> = spots.iter().map(|spot| spot.whole).collect();
        let heads = looker.heads(&keys).await?;
        let matches = |head: &Bytes| match Head::read(head) {
            Head::Whole {
                original: Some(json),
                ..
            } => self.pattern.matches(&readable_of(json)),
            // A newer program's, say. Whether it matches cannot be known, so it goes.
            Head::Cut(_) | Head::Unreadable => true,
            Head::Whole { .. } | Head::Foreign => false,
        };
        let both = spots.iter().zip(heads);
        let matching = both.filter(|(_, head)| head.as_ref().is_some_and(matches));
        Ok(matching.map(|(spot, _)| *spot).collect())
    }

    /// Each with its lease, in one step: a load that read the old value must not store it anew.
    async fn remove_values(
        &self,
        spots: &[Spot<'_>],
        looker: &Looker<'_>,
    ) -> Result<u64, RemoteError> {
        let found = |spot: &Spot<'_>| StoredKey::found(looker.prefix, spot.whole);
        let keys: Vec<StoredKey> = spots.iter().map(found).collect();
        let removal = |key| looker.remote.remove(key, looker.deadline());
        let answers = join_all(keys.iter().map(removal)).await;
        for key in &keys {
            // What was read meanwhile may be what was there before.
            let _mark = self.watch.mark(key);
        }
        let mut removed = 0;
        for answer in answers {
            removed += u64::from(answer?);
        }
        Ok(removed)
    }
}

fn is_ours(head: &[u8]) -> bool {
    Head::read(head) != Head::Foreign
}

/// Ends leases, if larder wrote them; how many there were of loads.
pub(super) async fn end(keys: &[&str], looker: &Looker<'_>) -> Result<u64, RemoteError> {
    let heads = looker.remote.heads(keys, LEASE_LEN + 1, looker.deadline());
    let sightings: Vec<Sighting> = keys
        .iter()
        .zip(heads.await?)
        .filter_map(|(key, head)| {
            let seen = head.filter(|head| !Lease::read(head).is_foreign())?;
            let key = (*key).to_owned();
            Some(Sighting { key, seen })
        })
        .collect();
    let gone = looker.discard(&sightings).await?;
    let ended = sightings.iter().zip(gone).filter(|(_, gone)| *gone);
    let loads = ended.filter(|(sighting, _)| !Lease::read(&sighting.seen).is_note());
    Ok(loads.count() as u64)
}
