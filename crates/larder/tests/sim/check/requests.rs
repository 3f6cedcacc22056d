//! What reaches the server and what comes back: what it stores (G2), and who knows of what.

use larder::remote::Acquired;
use tokio::task;

use super::{Check, Claimed, From, Value};
use crate::groups::Slot;
use crate::plan::{CATCH_UP, TIMEOUT, TRUST};
use crate::server::{Reply, Request};

impl Check {
    /// A request is about to be sent: the write that it is, where it is one.
    pub(crate) fn sends(&mut self, process: usize, key: usize, request: &Request) -> Option<usize> {
        match request {
            Request::Acquire { lease, .. } => {
                self.owners.insert(lease.as_bytes().to_vec(), process);
                None
            }
            Request::Release { lease, .. } => {
                let claims = &mut self.place(process, key).claims;
                claims
                    .retain(|_, claim| !matches!(claim, Claimed::Granted(own, _) if own == lease));
                None
            }
            Request::Remove => self.place(process, key).removals.pop_front(),
            Request::Set { value, .. } => {
                let id = Value::read(value).id;
                match self.made[id].from {
                    From::Set { write } => {
                        let sets = &mut self.place(process, key).sets;
                        sets.retain(|(unsent, _)| *unsent != write);
                        Some(write)
                    }
                    From::Load { .. } => None,
                }
            }
            _ => None,
        }
    }

    pub(crate) fn flies(&mut self, process: usize, slot: Slot) {
        match slot {
            Slot::Key(key) => self.place(process, key).flying += 1,
            Slot::Stamp(_) => self.stamps_flying[process] += 1,
            Slot::Keys => {}
        }
    }

    pub(crate) fn landed(&mut self, process: usize, slot: Slot) {
        let now = self.now;
        let keys = match slot {
            Slot::Keys => return,
            Slot::Key(key) => {
                self.place(process, key).flying -= 1;
                key..key + 1
            }
            // For which keys it was is not known.
            Slot::Stamp(_) => {
                self.stamps_flying[process] -= 1;
                0..self.plan.keys
            }
        };
        for key in keys {
            self.place(process, key).last_active = now;
        }
    }

    /// An answer reached its caller.
    pub(crate) fn answered(
        &mut self,
        process: usize,
        key: usize,
        request: &Request,
        reply: Option<&Reply>,
    ) {
        let seq = self.seq;
        if reply.is_none() {
            self.troubled(process, self.now);
        }
        let granted = match request {
            Request::Acquire { lease, .. } => self.grants.get(lease.as_bytes()).copied(),
            _ => None,
        };
        let place = self.place(process, key);
        let task = task::try_id();
        match (request, reply) {
            (Request::Get | Request::Acquire { .. }, None) => {
                place.claims.insert(task, Claimed::Failed);
            }
            (Request::Acquire { lease, .. }, Some(Reply::Acquired(acquired))) => {
                let claimed = match acquired {
                    Acquired::Granted => Claimed::Granted(*lease, granted.unwrap_or(seq)),
                    Acquired::Held { by, .. } => Claimed::Held(*by),
                    Acquired::Value(_) => Claimed::Value,
                };
                place.claims.insert(task, claimed);
            }
            // Others may still hear of it later; who sent it knows now.
            (Request::Fill { .. } | Request::Set { .. } | Request::Remove, _) => {
                place.touched = seq;
            }
            _ => {}
        }
    }

    /// The server did what it was asked.
    pub(crate) fn applied(
        &mut self,
        (process, key): (usize, usize),
        request: &Request,
        write: Option<usize>,
        reply: &Reply,
    ) {
        let (seq, now) = (self.seq, self.now);
        if let Some(write) = write {
            self.writes[write].applied = Some((seq, now));
            if let Some(id) = self.writes[write].value {
                self.made[id].applied = Some(seq);
            }
        }
        if write.is_none() && matches!(request, Request::Remove) {
            // One that had to wait for the server: an invalidation whose call is long over.
            self.lease_ended(key);
        }
        if let (Request::Acquire { lease, .. }, Reply::Acquired(Acquired::Granted)) =
            (request, reply)
        {
            self.grants.insert(lease.as_bytes().to_vec(), seq);
        }
        if let (Request::Release { note: Some(_), .. }, Reply::Was(true)) = (request, reply)
            && self.may_leave_note(process, key)
        {
            self.note_left(key);
        }
        if let (Request::Fill { value, .. }, Reply::Was(true)) = (request, reply) {
            let id = Value::read(value).id;
            if self.made[id].applied.is_some() {
                return;
            }
            self.made[id].applied = Some(seq);
            let later = self.writes_of[key].iter().copied().find(|number| {
                let write = &self.writes[*number];
                // What is older than a group's invalidation bears a stamp that nobody takes.
                write.group.is_none() && write.applied.is_some() && self.is_older(id, write)
            });
            if let Some(number) = later {
                let write = &self.writes[number];
                let text = format!(
                    "G2: the server stores {} after {} {number}",
                    self.describe(id),
                    write.what
                );
                self.fail(key, text);
            }
        }
    }

    /// Whether a load may have ended with nothing stored although it went well: what its value bears
    /// was not to be known.
    fn may_leave_note(&self, process: usize, key: usize) -> bool {
        let since = self.now.saturating_sub(CATCH_UP + 2 * TIMEOUT);
        let late = self.places[process][key].late_load;
        self.had_trouble(process, since) || late.is_some_and(|at| at >= since)
    }

    /// A process hears of a change of `key`.
    pub(crate) fn heard(&mut self, process: usize, key: usize, write: Option<usize>) {
        let seq = self.seq;
        self.place(process, key).touched = seq;
        if let Some(write) = write {
            self.writes[write].delivered[process].get_or_insert(seq);
        }
    }

    /// A process hears that it missed something, or that all is gone.
    pub(crate) fn heard_all(&mut self, process: usize, writes: &[usize]) {
        for key in 0..self.plan.keys {
            self.heard(process, key, None);
        }
        for write in writes {
            self.writes[*write].delivered[process].get_or_insert(self.seq);
        }
    }

    /// The server answered what was asked then.
    pub(crate) fn trusts(&mut self, process: usize, asked_at: u64) {
        let until = &mut self.trusted_until[process];
        if *until <= self.now {
            self.lapsed_until[process] = self.now;
        }
        *until = (*until).max(asked_at + TRUST);
    }

    pub(crate) fn distrusts(&mut self, process: usize) {
        self.trusted_until[process] = 0;
    }

    /// Whether the process could not always believe what it heard since then.
    pub(super) fn lapsed_since(&self, process: usize, since: u64) -> bool {
        self.trusted_until[process] <= self.now || self.lapsed_until[process] >= since
    }
}
