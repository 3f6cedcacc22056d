//! Removals by pattern: of several keys at once, each at some moment between the call's begin and its
//! end. Only by its end it is known that all are removed.

use super::{Check, End, Write};
use crate::groups::Group;
use crate::plan::TRUST;
use crate::server::Reply;

/// A call that removes by a pattern.
#[derive(Debug)]
pub(super) struct PatternCall {
    process: usize,
    /// The removal of each key.
    writes: Vec<(usize, usize)>,
}

impl Check {
    pub(crate) fn begin_pattern(&mut self, process: usize, keys: &[usize]) -> usize {
        let call = self.pattern_calls.len();
        let mut writes = Vec::new();
        for key in keys.iter().copied() {
            // The source changes first.
            self.sources[key] += 1;
            let number = self.writes.len();
            self.writes.push(Write {
                process: Some(process),
                by_pattern: true,
                ..self.new_write("removal by pattern", None)
            });
            self.writes_of[key].push(number);
            writes.push((key, number));
        }
        self.touch(process, Group::Patterns);
        self.pattern_calls.push(PatternCall { process, writes });
        call
    }

    pub(crate) fn end_pattern(&mut self, call: usize, end: &End) {
        let PatternCall {
            process,
            ref writes,
        } = self.pattern_calls[call];
        // One that is dropped goes on; its end is not seen.
        if self.dead[process] || !matches!(end, End::Wrote | End::Refused) {
            return;
        }
        for (key, number) in writes.clone() {
            let write = &mut self.writes[number];
            write.ended = Some(self.seq);
            if matches!(end, End::Wrote) {
                write.applied = Some((self.seq, self.now));
            }
            self.disturb(key);
        }
        self.touch(process, Group::Patterns);
    }

    /// The server ended a lease, since somebody asked it to go through all of them.
    pub(crate) fn lease_ended(&mut self, key: usize) {
        self.lease_lost(key);
        self.disturb(key);
    }

    pub(super) fn disturb(&mut self, key: usize) {
        self.disturbed[key] = self.disturbed[key].max(self.now + TRUST);
    }

    /// An answer about all keys reached its caller.
    pub(crate) fn answered_of_keys(&mut self, process: usize, reply: Option<&Reply>) {
        if reply.is_none() {
            self.troubled(process, self.now);
        }
        // A call that was dropped goes on, and may end here.
        self.touch(process, Group::Patterns);
    }
}
