//! A process's ways to the server: what is on them, and how they are cut.

use super::{Event, Push, State, Waiting};
use crate::groups::{Group, Slot};
use crate::rng::Rng;
use crate::server::{Reply, Request};

/// One answer to a question for the time, all in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) server: u64,
    pub(super) local: u64,
    pub(super) error: u64,
    pub(super) lineage: u64,
}

impl Sample {
    pub(super) fn error_at(&self, now: u64) -> u64 {
        self.error + now.saturating_sub(self.local) / 1_000
    }

    pub(super) fn server_at(&self, now: u64) -> u64 {
        self.server + now.saturating_sub(self.local)
    }

    /// As the library's own estimate does it.
    pub(super) fn or_older(self, older: Option<Self>) -> Self {
        let Some(older) = older else { return self };
        let now = self.local;
        let agree = older.lineage == self.lineage
            && older.server_at(now).abs_diff(self.server) <= older.error_at(now) + self.error;
        if agree && older.error_at(now) < self.error {
            older
        } else {
            self
        }
    }
}

impl State {
    pub(super) fn push(&mut self, push: &Push) {
        for process in 0..self.links.len() {
            if self.links[process].pushes.subscribed {
                self.push_to(process, push.clone());
            }
        }
    }

    pub(super) fn push_to(&mut self, process: usize, push: Push) {
        let delay = self.delay_now(process, 1);
        let now = self.now;
        let pushes = &mut self.links[process].pushes;
        pushes.sent.push_back(push);
        pushes.last_due = pushes.last_due.max(now + delay);
        let (due, epoch) = (pushes.last_due, pushes.epoch);
        self.enqueue(due, Event::Delivers { process, epoch });
    }

    pub(super) fn apply(&mut self, process: usize, slot: Slot, waiting: &Waiting) -> Reply {
        let key = match slot {
            Slot::Key(key) => key,
            Slot::Stamp(group) => return self.apply_to_stamp(process, group, waiting),
            Slot::Keys => return self.apply_to_keys(process, waiting),
        };
        let now = self.server_now();
        let (reply, changed) = self.store.apply(key, &waiting.request, now);
        self.note_applied(process, slot, &waiting.request, &reply);
        self.check
            .applied((process, key), &waiting.request, waiting.write, &reply);
        if changed.lease {
            self.push(&Push::LeaseChanged(key));
        }
        if changed.value {
            self.push(&Push::Changed(key, waiting.write));
        }
        reply
    }

    fn apply_to_keys(&mut self, process: usize, waiting: &Waiting) -> Reply {
        let now = self.server_now();
        let (reply, changes) = self.store.apply_to_keys(&waiting.request, now);
        self.note_applied(process, Slot::Keys, &waiting.request, &reply);
        for (key, changed) in changes {
            if changed.lease {
                self.check.lease_ended(key);
                self.push(&Push::LeaseChanged(key));
            }
            if changed.value {
                self.push(&Push::Changed(key, None));
            }
        }
        reply
    }

    fn apply_to_stamp(&mut self, process: usize, group: Group, waiting: &Waiting) -> Reply {
        let now = self.server_now();
        let request = &waiting.request;
        let (reply, change) = self.store.stamps.apply(group, request, now);
        self.note_applied(process, Slot::Stamp(group), request, &reply);
        if change.replaced_a_lost_one {
            self.check.stamp_lost(group);
        }
        let seq = self
            .check
            .applied_to_stamp(process, group, request, waiting.write);
        if change.changed {
            self.push(&Push::StampChanged(group, seq));
        }
        reply
    }

    fn note_applied(&mut self, process: usize, slot: Slot, request: &Request, reply: &Reply) {
        let what = self.describe(process, slot, request);
        let answer = self.describe_reply(reply);
        self.note_of(process, slot, || format!("    server: {what}: {answer}"));
    }

    /// Ends the connection of requests; of what is on its way the server takes a part, unless it is
    /// away itself.
    pub(super) fn cut_requests(&mut self, process: usize, reaches: bool) {
        self.check.troubled(process, self.now);
        let requests = &mut self.links[process].requests;
        requests.up = false;
        requests.epoch += 1;
        for ((slot, _), waiting) in std::mem::take(&mut requests.lanes) {
            let mut rng = self.rng_of(process, slot, ("cut", 2));
            let taken = if reaches {
                rng.index(waiting.len() + 1)
            } else {
                0
            };
            for waiting in waiting.into_iter().take(taken) {
                let _lost = self.apply(process, slot, &waiting);
            }
        }
    }

    pub(super) fn cut_pushes(&mut self, process: usize, noticed: bool) {
        let pushes = &mut self.links[process].pushes;
        let subscribed = pushes.subscribed;
        pushes.subscribed = false;
        pushes.epoch += 1;
        pushes.sent.clear();
        pushes.last_due = 0;
        if subscribed && noticed {
            let after = Rng::of(self.plan.seed, &[5, process as u64, self.now]).between(0, 1_200);
            self.after(after, Event::Noticed { process });
        }
    }

    /// Ends a process: its tasks, and all that it has sent.
    pub(super) fn kill(&mut self, process: usize) {
        self.check.killed(process);
        self.cut_requests(process, true);
        self.cut_pushes(process, false);
        let link = &mut self.links[process];
        link.dead = true;
        link.stopped_until = 0;
        for task in link.tasks.drain(..) {
            task.abort();
        }
        for waker in std::mem::take(&mut link.woken) {
            waker.wake();
        }
    }

    pub(super) fn connect_again(&mut self, process: usize) {
        let epoch = self.links[process].requests.epoch;
        let wait = self.rng.between(5, 700);
        self.after(wait, Event::Connect { process, epoch });
    }

    pub(super) fn stall_requests(&mut self, process: usize, until: u64) {
        let requests = &mut self.links[process].requests;
        requests.frozen_until = requests.frozen_until.max(until);
        self.check.troubled(process, until);
    }
}
