//! Groups: what their invalidations make wrong, who knows of them, and which of them still wait.

use larder::Strength;

use super::{Check, End, Seq, Write};
use crate::groups::{Group, Tag};
use crate::plan::TIMEOUT;
use crate::server::{Reply, Request};

/// What a value has in common with others.
#[derive(Debug)]
pub(crate) struct Tagged {
    pub(crate) groups: Vec<Group>,
    /// Those whose tags only the load revealed.
    pub(crate) late: Vec<Group>,
}

impl Tagged {
    pub(crate) fn new(key: usize, tags: &[Tag], late: &[Tag]) -> Self {
        let known = Group::of_value(key, tags);
        let mut late = Group::of_value(key, late);
        late.retain(|group| !known.contains(group));
        Self {
            groups: [&known[..], &late[..]].concat(),
            late,
        }
    }
}

/// A call that invalidates groups.
#[derive(Debug)]
pub(super) struct GroupCall {
    process: usize,
    writes: Vec<usize>,
    began_at: u64,
    /// How long its process had been stopped by then.
    stopped: u64,
}

/// What one process did with one group.
#[derive(Debug, Default)]
pub(super) struct Invalidations {
    /// Those whose request was not sent yet.
    unsent: Vec<usize>,
    /// Whether one was not confirmed, so that the process believes no stamp of the group.
    pending: bool,
}

impl Check {
    pub(crate) fn begin_group(
        &mut self,
        process: usize,
        groups: &[Group],
        strength: Strength,
    ) -> usize {
        let call = self.group_calls.len();
        let mut writes = Vec::new();
        for group in groups {
            let write = Write {
                process: Some(process),
                strength,
                ..self.new_write("invalidation", Some(*group))
            };
            let number = self.add_group_write(*group, write);
            self.invalidations(process, *group).unsent.push(number);
            self.touch(process, *group);
            writes.push(number);
        }
        self.group_calls.push(GroupCall {
            process,
            writes,
            began_at: self.now,
            stopped: self.stopped[process],
        });
        call
    }

    pub(crate) fn end_group(&mut self, call: usize, end: &End) {
        let GroupCall {
            process,
            ref writes,
            began_at,
            stopped,
        } = self.group_calls[call];
        // One that is dropped goes on; its end is not seen.
        if self.dead[process] || !matches!(end, End::Wrote | End::Refused) {
            return;
        }
        let writes = writes.clone();
        let took = self.now - began_at - (self.stopped[process] - stopped);
        if took > writes.len() as u64 * TIMEOUT + 50 {
            self.fail(None, format!("G3: an invalidation took {took} ms"));
        }
        for number in writes {
            self.writes[number].ended = Some(self.seq);
            if let Some(group) = self.writes[number].group {
                self.touch(process, group);
            }
        }
    }

    /// A request about a stamp is about to be sent: the invalidation that it is, where it is one's
    /// first attempt.
    pub(crate) fn sends_stamp(
        &mut self,
        process: usize,
        group: Group,
        request: &Request,
    ) -> Option<usize> {
        let Request::Splice { kept, .. } = request else {
            return None;
        };
        let strength = if *kept == 0 {
            Strength::Remove
        } else {
            Strength::Expire
        };
        let writes = &self.writes;
        let unsent = &self.invalidations.get(&(process, group))?.unsent;
        let at = unsent
            .iter()
            .position(|number| writes[*number].strength == strength)?;
        Some(self.invalidations(process, group).unsent.remove(at))
    }

    /// The server did what it was asked; the number of that event.
    pub(crate) fn applied_to_stamp(
        &mut self,
        process: usize,
        group: Group,
        request: &Request,
        write: Option<usize>,
    ) -> Seq {
        let applied = Some((self.seq, self.now));
        match (request, write) {
            (_, Some(write)) => {
                let write = &mut self.writes[write];
                write.applied = write.applied.or(applied);
            }
            // One that had to wait: it stands for all that were not confirmed.
            (Request::Splice { .. } | Request::Remove, None) => {
                for write in &mut self.writes {
                    if write.process == Some(process)
                        && write.group == Some(group)
                        && write.ended.is_some()
                    {
                        write.applied = write.applied.or(applied);
                    }
                }
            }
            _ => {}
        }
        self.seq
    }

    /// An answer reached its caller.
    pub(crate) fn answered_of_stamp(
        &mut self,
        process: usize,
        group: Group,
        request: &Request,
        reply: Option<&Reply>,
    ) {
        if reply.is_none() {
            self.troubled(process, self.now);
        }
        self.touch_unsent_sets(process);
        if let Request::Splice { .. } | Request::Remove = request {
            self.touch(process, group);
            let invalidations = self.invalidations(process, group);
            let was = std::mem::replace(&mut invalidations.pending, reply.is_none());
            if was {
                self.troubled(process, self.now);
            }
        }
    }

    /// A `set` that asked for its stamps may end here, and not be sent at all.
    fn touch_unsent_sets(&mut self, process: usize) {
        let (seq, now) = (self.seq, self.now - self.stopped[process].min(self.now));
        for place in &mut self.places[process] {
            place
                .sets
                .retain(|(_, began_at)| now <= began_at + TIMEOUT + 50);
            if !place.sets.is_empty() {
                place.touched = seq;
            }
        }
    }

    /// A process hears that a stamp is another since that event.
    pub(crate) fn heard_stamp(&mut self, process: usize, group: Group, changed: Seq) {
        let seq = self.seq;
        self.touch(process, group);
        for write in &mut self.writes {
            let applied = write.applied.is_some_and(|(applied, _)| applied <= changed);
            if write.group == Some(group) && applied {
                write.delivered[process].get_or_insert(seq);
            }
        }
    }

    /// The server lost a stamp: what bore it is of no use. Returns the number of that event.
    pub(crate) fn stamp_lost(&mut self, group: Group) -> Seq {
        let write = Write {
            applied: Some((self.seq, self.now)),
            ..self.new_write("loss of the stamp", Some(group))
        };
        self.add_group_write(group, write);
        self.seq
    }

    /// Whether a value of a group must not outlive this write of it.
    pub(super) fn bears(&self, id: usize, write: &Write) -> bool {
        let tagged = &self.made[id].tagged;
        write.group.is_none_or(|group| {
            // The stamps of late tags are read once the load is over.
            let may_be_newer = write.process.is_none() && tagged.late.contains(&group);
            let is_stored = || {
                let applied = self.made[id].applied;
                applied.is_some_and(|applied| applied < write.began)
            };
            tagged.groups.contains(&group) && (!may_be_newer || is_stored())
        })
    }

    /// Whether the process had trouble with the server since then, or has writes that wait for it.
    pub(super) fn had_trouble(&self, process: usize, since: u64) -> bool {
        self.trouble[process] >= since
            || self
                .invalidations
                .iter()
                .any(|((of, _), invalidations)| *of == process && invalidations.pending)
    }

    fn add_group_write(&mut self, group: Group, write: Write) -> usize {
        let number = self.writes.len();
        self.writes.push(write);
        for key in (0..self.plan.keys).filter(|key| group.may_be_of(*key)) {
            self.writes_of[key].push(number);
        }
        number
    }

    fn invalidations(&mut self, process: usize, group: Group) -> &mut Invalidations {
        self.invalidations.entry((process, group)).or_default()
    }

    /// The process learns of a change of a stamp.
    pub(super) fn touch(&mut self, process: usize, group: Group) {
        let seq = self.seq;
        for key in (0..self.plan.keys).filter(|key| group.concerns(*key)) {
            self.place(process, key).touched = seq;
        }
    }
}
