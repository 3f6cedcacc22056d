//! What goes wrong.

use std::collections::BTreeMap;

use super::{Event, Push, State, text};
use crate::groups::Group;
use crate::plan::Fault;
use crate::server::Store;
use crate::stamps::Stamps;

impl State {
    pub(super) fn strikes(&mut self, fault: Fault) {
        if self.healed {
            return;
        }
        let now = self.now;
        let process = self.rng.index(self.links.len());
        let long = self.rng.between(100, 5_000);
        self.note(Some(process), None, || {
            format!("FAULT {fault:?} ({long} ms)")
        });
        match fault {
            Fault::StallRequests => self.stall_requests(process, now + long),
            Fault::StallPushes => {
                let pushes = &mut self.links[process].pushes;
                pushes.frozen_until = pushes.frozen_until.max(now + long);
            }
            Fault::StallBoth => {
                self.stall_requests(process, now + long);
                let pushes = &mut self.links[process].pushes;
                pushes.frozen_until = pushes.frozen_until.max(now + long);
            }
            Fault::Stop => {
                if self.links[process].stopped_until > now {
                    return;
                }
                self.stall_requests(process, now + long);
                let link = &mut self.links[process];
                link.pushes.frozen_until = link.pushes.frozen_until.max(now + long);
                link.stopped_until = now + long;
                self.check.stopped(process, long);
                self.after(long, Event::Resume { process });
            }
            Fault::CutRequests => {
                self.cut_requests(process, true);
                self.connect_again(process);
            }
            Fault::CutPushes => self.cut_pushes(process, true),
            Fault::CutBoth => {
                self.cut_requests(process, true);
                self.connect_again(process);
                self.cut_pushes(process, true);
            }
            Fault::Restart => {
                if !self.up {
                    return;
                }
                self.up = false;
                for process in 0..self.links.len() {
                    self.cut_requests(process, true);
                    self.cut_pushes(process, true);
                }
                self.after(long / 2, Event::Returns);
            }
            Fault::Flush => {
                if !self.up {
                    return;
                }
                self.store.values.clear();
                self.store.leases.clear();
                self.store.stamps = Stamps::default();
                let writes = self.check.flushed();
                self.push(&Push::Flushed(writes));
            }
            Fault::Evict => {
                let key = self.rng.index(self.plan.keys);
                if self.store.values.remove(&key).is_some() {
                    self.note(None, Some(key), || "    server: drops the value".to_owned());
                    if self.rng.percent(50) {
                        self.push(&Push::Changed(key, None));
                    }
                }
            }
            Fault::EvictLease => {
                let key = self.rng.index(self.plan.keys);
                if self.store.leases.remove(&key).is_some() {
                    self.note(None, Some(key), || "    server: drops the lease".to_owned());
                    self.check.lease_lost(key);
                    self.push(&Push::LeaseChanged(key));
                }
            }
            Fault::EvictStamp => self.evicts_stamp(),
            Fault::Jump => {
                self.ahead += self.rng.pick(&[50, 2_000, 3_600_000]) * 1_000;
                self.check.jumped();
            }
            Fault::Kill => {
                let living = self.links.iter().filter(|link| !link.dead).count();
                if living > 1 && !self.links[process].dead {
                    self.kill(process);
                }
            }
        }
    }

    /// The server drops a stamp, and tells of it or does not.
    fn evicts_stamp(&mut self) {
        let every: Vec<_> = Group::every().collect();
        let group = self.rng.pick(&every);
        let told = self.rng.percent(50);
        if !self.store.stamps.lose(group, told) {
            return;
        }
        self.note(None, None, || format!("    server: drops {group:?}"));
        if told {
            let seq = self.check.stamp_lost(group);
            self.push(&Push::StampChanged(group, seq));
        }
    }

    /// The server is back after a restart: with everything, with what it had saved, or with nothing.
    pub(super) fn returns(&mut self) {
        self.up = true;
        self.lineage += 1;
        let wrong = self.store.wrong;
        let (values, mut stamps) = match self.rng.index(3) {
            0 => (
                std::mem::take(&mut self.store.values),
                std::mem::take(&mut self.store.stamps),
            ),
            1 if !self.saved.is_empty() => {
                let at = self.rng.index(self.saved.len());
                let saved = &self.saved[at];
                (saved.values.clone(), saved.stamps.clone())
            }
            _ => <_>::default(),
        };
        // Some of the stamps may be gone all the same.
        let share = self.rng.pick(&[0, 0, 0, 30, 100]);
        let mut lost: Vec<_> = Group::every().collect();
        lost.retain(|group| self.rng.percent(share) && stamps.lose(*group, true));
        self.store = Store {
            values,
            leases: BTreeMap::new(),
            stamps,
            wrong,
        };
        let back = self.rng.percent(20);
        if back {
            self.ahead = self.ahead.saturating_sub(self.rng.between(1, 30_000_000));
        } else {
            self.ahead += self.rng.between(0, 2_000_000);
        }
        for process in 0..self.links.len() {
            self.check.troubled(process, self.now);
            if !self.links[process].dead {
                self.connect_again(process);
            }
        }
        let values: Vec<_> = self.store.values.values().map(|(v, _)| v.clone()).collect();
        self.check
            .restarted(values.iter().map(|value| &value[..]), back);
        for group in &lost {
            self.check.stamp_lost(*group);
        }
        let held: Vec<_> = values.iter().map(|value| text(value)).collect();
        self.note(None, None, || {
            format!("server: back with {held:?} and without {lost:?}")
        });
    }
}
