//! Frees the values of a range that are of no use any more.

use std::time::Duration;

use super::Looker;
use super::ledger::{Ledger, bearing};
use super::range::Range;
use super::run::Run;
use super::walk::Walk;
use crate::key::{Place, Prefix, Spot};
use crate::remote::{RemoteError, Sighting};
use crate::wire::{HEADER_LEN, Head};

/// Between two pages: others have the server to themselves for longer than the sweep has it.
const PAUSE: Duration = Duration::from_millis(1);
/// What a freed value costs beyond that, so that about 30,000 are freed a second. Each is told to all
/// processes, whose near entries of its mark have to be read once more: at this rate each of them once in
/// two seconds.
const PAUSE_A_VALUE: Duration = Duration::from_micros(16);

/// A sweep under way. Each step is a page; one that failed is done again.
pub(super) struct Freeing {
    range: Range,
    walk: Walk,
    ledger: Ledger,
}

/// A value that may be freed.
struct Candidate {
    sighting: Sighting,
    len: usize,
}

impl Freeing {
    pub(super) fn of(range: Range, prefix: &Prefix) -> Self {
        Self {
            walk: Walk::through([range.values(prefix)]),
            range,
            ledger: Ledger::default(),
        }
    }

    /// Frees what a page shows to be outdated; how long to leave the server in peace then, or `None` at
    /// the end.
    pub(super) async fn step(
        &mut self,
        looker: &Looker<'_>,
        run: &Run,
    ) -> Result<Option<Duration>, RemoteError> {
        let Some(page) = self.walk.page(looker).await? else {
            return Ok(None);
        };
        // Byte for byte, whatever the server took the pattern for (G10). Leases expire by themselves, and
        // stamps are what tells that a value is outdated.
        let spot = |key| match Place::of(looker.prefix, key) {
            Some(Place::Value(spot)) if self.range.covers(&spot) => Some(spot),
            _ => None,
        };
        let spots: Vec<Spot<'_>> = page.keys.iter().filter_map(|key| spot(key)).collect();
        let candidates = Self::candidates(&mut self.ledger, &spots, looker).await?;
        let lens: Vec<usize> = candidates.iter().map(|one| one.len).collect();
        let sightings: Vec<_> = candidates.into_iter().map(|one| one.sighting).collect();
        let gone = looker.discard(&sightings).await?;
        let freed = lens.iter().zip(gone).filter(|(_, gone)| *gone);
        let (mut values, mut bytes) = (0, 0);
        for (len, _) in freed {
            values += 1;
            bytes += *len as u64;
        }
        run.scanned(page.keys.len() as u64);
        run.freed(values, bytes);
        self.walk.advance(page);
        let values = u32::try_from(values).unwrap_or(u32::MAX);
        Ok(Some(PAUSE.max(PAUSE_A_VALUE.saturating_mul(values))))
    }

    async fn candidates(
        ledger: &mut Ledger,
        spots: &[Spot<'_>],
        looker: &Looker<'_>,
    ) -> Result<Vec<Candidate>, RemoteError> {
        let keys: Vec<&str> = spots.iter().map(|spot| spot.whole).collect();
        let heads = looker.heads(&keys).await?;
        let (mut candidates, mut bearings) = (Vec::new(), Vec::new());
        for (spot, head) in spots.iter().zip(heads) {
            let Some(head) = head else { continue };
            // What is not ours is left alone, and so is what a newer program wrote (G9, G10).
            let Head::Whole {
                stamps, tags, len, ..
            } = Head::read(&head)
            else {
                continue;
            };
            let Some(bearing) = bearing(spot, stamps, tags) else {
                continue;
            };
            bearings.push(bearing);
            candidates.push(Candidate {
                len: spot.whole.len() + len,
                sighting: Sighting {
                    key: spot.whole.to_owned(),
                    // With the fill's own id and the checksum, it is like no other value's.
                    seen: head.slice(..HEADER_LEN),
                },
            });
        }
        let outdated = ledger.outdated(&bearings, looker).await?;
        let mut outdated = outdated.into_iter();
        candidates.retain(|_| outdated.next() == Some(true));
        Ok(candidates)
    }
}
