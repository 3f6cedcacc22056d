//! Faults, which excuse some things; and leases, which nothing excuses for long (G8).

use larder::remote::Lease;

use super::{Check, Value, Write};
use crate::plan::{CATCH_UP, TIMEOUT};
use crate::server::is_note;

impl Check {
    pub(crate) fn troubled(&mut self, process: usize, until: u64) {
        let trouble = &mut self.trouble[process];
        *trouble = (*trouble).max(until).max(self.now);
    }

    pub(crate) fn stopped(&mut self, process: usize, length: u64) {
        self.stopped[process] += length;
        self.troubled(process, self.now + length);
    }

    pub(crate) fn killed(&mut self, process: usize) {
        self.dead[process] = true;
    }

    pub(crate) fn is_dead(&self, process: usize) -> bool {
        self.dead[process]
    }

    pub(crate) fn lease_lost(&mut self, key: usize) {
        self.disturbed[key] = self.disturbed[key].max(self.now);
        self.leases_lost[key] = self.seq;
    }

    /// Returns what stands for the flush, one for each key.
    pub(crate) fn flushed(&mut self) -> Vec<usize> {
        let applied = Some((self.seq, self.now));
        (0..self.plan.keys)
            .map(|key| {
                self.lease_lost(key);
                let number = self.writes.len();
                let flush = Write {
                    applied,
                    ..self.new_write("flush", None)
                };
                self.writes.push(flush);
                self.writes_of[key].push(number);
                number
            })
            .collect()
    }

    pub(crate) fn jumped(&mut self) {
        self.jumps.push(self.now);
        for key in 0..self.plan.keys {
            self.lease_lost(key);
        }
    }

    /// The server is back, with these values; whether its clock went back.
    pub(crate) fn restarted<'a>(
        &mut self,
        values: impl Iterator<Item = &'a [u8]>,
        went_back: bool,
    ) {
        self.went_back |= went_back;
        self.restarts.push(self.now);
        for key in 0..self.plan.keys {
            self.lease_lost(key);
        }
        for value in values {
            let id = Value::read(value).id;
            self.made[id].restored = Some(self.seq);
        }
    }

    /// A lease stands: somebody must be at work (G8).
    pub(crate) fn lease_stands(&mut self, key: usize, lease: Lease) {
        if is_note(lease) {
            return;
        }
        let Some(&owner) = self.owners.get(lease.as_bytes()) else {
            return self.fail(key, "nobody asked for the lease".to_owned());
        };
        let place = &self.places[owner][key];
        let is_stored_late = place
            .late_load
            .is_some_and(|at| self.now <= at + CATCH_UP + TIMEOUT);
        let idle = place.open_calls == 0
            && place.running_loads.is_empty()
            && place.flying == 0
            && self.stamps_flying[owner] == 0
            && !is_stored_late;
        let grace = 4 * self.plan.latency.1 + 50;
        let troubled = self.had_trouble(owner, self.now.saturating_sub(TIMEOUT + 3_500));
        if idle && !self.dead[owner] && !troubled && self.now > place.last_active + grace {
            let since = place.last_active;
            self.fail(
                key,
                format!("G8: P{owner} left a lease behind; idle since {since} ms"),
            );
        }
    }
}
