//! The stamps of groups, as the server keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::groups::Group;
use crate::server::{Reply, Request, micros};

#[derive(Clone, Debug, Default)]
pub(crate) struct Stamps {
    /// With the server's time of their end, in microseconds.
    held: BTreeMap<Group, (Bytes, u64)>,
    /// Those that were lost without a word.
    missing: BTreeSet<Group>,
}

/// What a request did to a stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StampChange {
    pub(crate) changed: bool,
    /// It took the place of one that was lost without a word.
    pub(crate) replaced_a_lost_one: bool,
}

fn ends(ttl: Option<Duration>, now: u64) -> u64 {
    ttl.map_or(u64::MAX, |ttl| now + micros(ttl))
}

impl Stamps {
    fn of(&self, group: Group, now: u64) -> Option<&Bytes> {
        let (stamp, ends) = self.held.get(&group)?;
        (now < *ends).then_some(stamp)
    }

    /// Loses one; whether it was there. If nobody is told, the next one takes its place unseen.
    pub(crate) fn lose(&mut self, group: Group, told: bool) -> bool {
        let was = self.held.remove(&group).is_some();
        if was && !told {
            self.missing.insert(group);
        }
        was
    }

    pub(crate) fn apply(
        &mut self,
        group: Group,
        request: &Request,
        now: u64,
    ) -> (Reply, StampChange) {
        let there = self.of(group, now).cloned();
        let (stamp, ttl) = match request {
            Request::GetMany(groups) => {
                let stamps = groups.iter().map(|group| self.of(*group, now).cloned());
                return (Reply::Stamps(stamps.collect()), StampChange::default());
            }
            Request::Keep { stamp, ttl } => {
                if let Some(there) = there {
                    let (_, until) = self.held.get_mut(&group).unwrap();
                    *until = (*until).max(ends(*ttl, now));
                    return (Reply::Stamp(there), StampChange::default());
                }
                (stamp.clone(), *ttl)
            }
            Request::Splice { kept, stamp, ttl } => {
                let mut stamp = stamp.to_vec();
                if let Some(there) = there {
                    stamp[..*kept].copy_from_slice(&there[..*kept]);
                }
                (stamp.into(), *ttl)
            }
            Request::Remove => {
                self.held.remove(&group);
                let change = StampChange {
                    changed: true,
                    replaced_a_lost_one: self.missing.remove(&group),
                };
                return (Reply::Was(there.is_some()), change);
            }
            other => unreachable!("of a stamp: {other:?}"),
        };
        self.held.insert(group, (stamp.clone(), ends(ttl, now)));
        let change = StampChange {
            changed: true,
            replaced_a_lost_one: self.missing.remove(&group),
        };
        (Reply::Stamp(stamp), change)
    }
}
