//! How requests and answers look in the trace.

use std::fmt::Write as _;

use larder::remote::{Acquired, Lease, RemoteError};

use super::{State, text};
use crate::server::{Reply, Request};

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

    pub(super) fn describe(&mut self, process: usize, key: usize, request: &Request) -> String {
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
        }
    }

    pub(super) fn describe_reply(&self, reply: &Reply) -> String {
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
        }
    }

    /// An answer, or none, reaches who asked.
    pub(crate) fn hears(
        &mut self,
        process: usize,
        key: usize,
        request: &Request,
        answer: Result<&Reply, &RemoteError>,
    ) {
        self.check.answered(process, key, request, answer.ok());
        let what = self.describe(process, key, request);
        let answer = match answer {
            Ok(reply) => self.describe_reply(reply),
            Err(RemoteError::Timeout { .. }) => "no answer in time".to_owned(),
            Err(_) => "not connected".to_owned(),
        };
        self.note(Some(process), Some(key), || {
            format!("hears {what}: {answer}")
        });
    }
}
