//! How requests and answers look in the trace.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use larder::remote::{Acquired, Lease, RemoteError};

use super::{State, text};
use crate::groups::Slot;
use crate::server::{Reply, Request};

/// How the ids of stamps are called in the trace: by the order in which they were seen.
#[derive(Default)]
pub(super) struct StampNames(BTreeMap<Vec<u8>, usize>);

impl StampNames {
    fn name(&mut self, stamp: &[u8]) -> String {
        let mut number = |id: &[u8]| {
            let next = self.0.len() + 1;
            *self.0.entry(id.to_vec()).or_insert(next)
        };
        let (remove, expire) = stamp.split_at(stamp.len() / 2);
        format!("r{}e{}", number(remove), number(expire))
    }
}

fn describe_of_stamp(request: &Request) -> String {
    match request {
        Request::GetMany(groups) => format!("get {groups:?}"),
        Request::Keep { .. } => "keep".to_owned(),
        Request::Splice { kept: 0, .. } => "replace".to_owned(),
        Request::Splice { .. } => "replace the expire id".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn describe_of_keys(request: &Request) -> String {
    match request {
        Request::Scan { under, behind } => format!("scan {under} behind {behind:?}"),
        Request::Heads(keys, _) => format!("heads of {keys:?}"),
        Request::Discard(sightings) => {
            let keys = sightings.iter().map(|sighting| &sighting.key);
            format!("discard {:?}", keys.collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}

impl State {
    pub(super) fn name(&mut self, process: usize, key: usize, lease: &Lease) -> String {
        let link = &mut self.links[process];
        let counted = &mut link.leases[key];
        link.names
            .entry(lease.as_bytes().to_vec())
            .or_insert_with(|| {
                *counted += 1;
                format!("P{process}k{key}#{counted}")
            })
            .clone()
    }

    pub(super) fn describe(&mut self, process: usize, slot: Slot, request: &Request) -> String {
        let key = match slot {
            Slot::Key(key) => key,
            Slot::Stamp(_) => return describe_of_stamp(request),
            Slot::Keys => return describe_of_keys(request),
        };
        match request {
            Request::Get => "get".to_owned(),
            Request::Set { value, .. } => format!("set {}", text(value)),
            Request::Remove => "remove".to_owned(),
            Request::Acquire { lease, .. } => {
                format!("acquire {}", self.name(process, key, lease))
            }
            Request::Renew { lease, .. } => format!("renew {}", self.name(process, key, lease)),
            Request::Fill { lease, value, .. } => {
                let lease = self.name(process, key, lease);
                format!("fill {} under {lease}", text(value))
            }
            Request::Release { lease, note } => {
                let mut what = format!("release {}", self.name(process, key, lease));
                if note.is_some() {
                    let _ = write!(what, " with a note");
                }
                what
            }
            Request::GetMany(_) | Request::Keep { .. } | Request::Splice { .. } => {
                describe_of_stamp(request)
            }
            Request::Scan { .. } | Request::Heads(..) | Request::Discard(_) => {
                describe_of_keys(request)
            }
        }
    }

    pub(super) fn describe_reply(&mut self, reply: &Reply) -> String {
        match reply {
            Reply::Value(None) => "nothing".to_owned(),
            Reply::Done => "done".to_owned(),
            Reply::Was(was) => was.to_string(),
            Reply::Acquired(Acquired::Granted) => "granted".to_owned(),
            Reply::Value(Some(value)) | Reply::Acquired(Acquired::Value(value)) => text(value),
            Reply::Acquired(Acquired::Held { by, left }) => {
                let bytes = by.as_bytes();
                let name = self.links.iter().find_map(|link| link.names.get(bytes));
                let name = name.map_or("a note", |name| name);
                format!("held by {name} for {left:?}")
            }
            Reply::Page(page) => format!("{:?}", page.keys),
            Reply::Heads(heads) => {
                let are_there = heads.iter().map(Option::is_some);
                format!("{:?}", are_there.collect::<Vec<_>>())
            }
            Reply::Gone(gone) => format!("{gone:?}"),
            Reply::Stamp(stamp) => self.stamps.name(stamp),
            Reply::Stamps(stamps) => {
                let stamps = stamps.iter().map(|stamp| match stamp {
                    Some(stamp) => self.stamps.name(stamp),
                    None => "none".to_owned(),
                });
                stamps.collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// An answer, or none, reaches who asked.
    pub(crate) fn hears(
        &mut self,
        process: usize,
        slot: Slot,
        request: &Request,
        answer: Result<&Reply, &RemoteError>,
    ) {
        match slot {
            Slot::Key(key) => self.check.answered(process, key, request, answer.ok()),
            Slot::Stamp(group) => {
                self.check
                    .answered_of_stamp(process, group, request, answer.ok());
            }
            Slot::Keys => self.check.answered_of_keys(process, answer.ok()),
        }
        let what = self.describe(process, slot, request);
        let answer = match answer {
            Ok(reply) => self.describe_reply(reply),
            Err(RemoteError::Timeout { .. }) => "no answer in time".to_owned(),
            Err(_) => "not connected".to_owned(),
        };
        self.note_of(process, slot, || format!("hears {what}: {answer}"));
    }
}
