//! Loads: one in a process, and one in the fleet, between invalidations (G1).

use tokio::task;

use super::{Call, Check, Claimed, From, Made, Seq, Tagged, Write};
use crate::groups::Tag;
use crate::plan::LOAD_TIMEOUT;
use crate::server::is_note;

/// Between two attempts of a write that waits, and some time for the attempt.
const WRITE_WAITS: u64 = 3_000;
/// How long the note of a load that stored nothing stands.
const NOTE: u64 = 1_000;

fn seq_index(seq: Seq) -> usize {
    usize::try_from(seq).unwrap()
}

impl Check {
    pub(crate) fn load_began(&mut self, call: usize, tags: &[Tag], late: &[Tag]) -> usize {
        let (seq, now, id) = (self.seq, self.now, self.made.len());
        let Call {
            process,
            key,
            began,
            ..
        } = self.calls[call];
        let place = self.place(process, key);
        let claim = place.claims.get(&task::try_id()).copied();
        let granted = match claim {
            Some(Claimed::Granted(_, at)) if place.dropped < began => Some(at),
            _ => None,
        };
        if !self.dead[process] {
            self.check_one_load(call, claim);
        }
        let place = self.place(process, key);
        place.running_loads.push(id);
        self.made.push(Made {
            process,
            key,
            tagged: Tagged::new(key, tags, late),
            began: seq,
            began_at: now,
            version: 0,
            landed_at: None,
            from: From::Load {
                call,
                running: true,
                granted,
                ended: None,
                failed: false,
            },
            applied: None,
            restored: None,
        });
        id
    }

    fn check_one_load(&mut self, call: usize, claim: Option<Claimed>) {
        let Call {
            process,
            key,
            began,
            began_at,
            ..
        } = self.calls[call];
        let place = &self.places[process][key];
        let mut wrong = None;
        for &running in &place.running_loads {
            let From::Load { call: leader, .. } = self.made[running].from else {
                continue;
            };
            // Since one of the two callers came, something must have changed.
            if place.touched <= self.calls[leader].began.min(began)
                && !self.lapsed_since(process, began_at)
            {
                wrong = Some(format!(
                    "G1: P{process} loads for call {call} beside its own {}",
                    self.describe(running)
                ));
            }
        }
        // A process whose write waits for the server does not ask it about the key.
        let waits = self.troubles(process, self.now);
        if let Some(Claimed::Held(by)) = claim
            && !waits
            && !is_note(by)
            && place.dropped < began
            && self.now < began_at + LOAD_TIMEOUT
        {
            wrong = Some(format!(
                "G1: P{process} loads for call {call} though P{:?} holds the lease",
                self.owners.get(by.as_bytes())
            ));
        }
        for (other, places) in self.places.iter().enumerate() {
            // Two that were granted at once: the first one's was not renewed.
            let Some(Claimed::Granted(_, own)) = claim else {
                break;
            };
            if other == process || self.dead[other] || place.dropped > began {
                continue;
            }
            for &running in &places[key].running_loads {
                let From::Load {
                    granted: Some(granted),
                    call: leader,
                    ..
                } = self.made[running].from
                else {
                    continue;
                };
                let lost = own < granted
                    || self.leases_lost[key] >= granted
                    || self.troubles(other, self.calls[leader].began_at)
                    || self.troubles(process, began_at)
                    || self.writes_of[key].iter().any(|number| {
                        let Write { applied, group, .. } = self.writes[*number];
                        group.is_none() && applied.is_some_and(|(applied, _)| applied > granted)
                    });
                if !lost {
                    wrong = Some(format!(
                        "G1: P{process} loads for call {call} beside P{other}, which loads {} \
                         under a lease that nothing ended",
                        self.describe(running)
                    ));
                }
            }
        }
        if wrong.is_none() {
            wrong = self.second_load(call);
        }
        if let Some(wrong) = wrong {
            self.fail(key, wrong);
        }
    }

    /// Whether a load begins in a fleet that has one already, without a reason: no write and no
    /// failure since both callers came, and no trouble with the server.
    pub(super) fn second_load(&self, call: usize) -> Option<String> {
        let Call {
            process,
            key,
            began_at,
            ..
        } = self.calls[call];
        for (other, places) in self.places.iter().enumerate() {
            for &running in &places[key].running_loads {
                let From::Load { call: leader, .. } = self.made[running].from else {
                    continue;
                };
                let since = began_at.min(self.calls[leader].began_at);
                let disturbed = self.disturbed[key] >= since
                    || (process == other && self.lapsed_since(process, since))
                    || self.troubles(process, since)
                    || self.troubles(other, since)
                    // A group's invalidation ends no lease.
                    || self.writes_of[key].iter().any(|number| {
                        let write = &self.writes[*number];
                        write.group.is_none() && !self.is_over(write, since)
                    });
                if !disturbed && !self.dead[other] {
                    return Some(format!(
                        "G1: P{process} loads for call {call} beside {}, and nothing happened \
                         since {since} ms",
                        self.describe(running)
                    ));
                }
            }
        }
        None
    }

    /// Whether the process had trouble with the server, or what follows from it, since then.
    fn troubles(&self, process: usize, since: u64) -> bool {
        self.had_trouble(process, since.saturating_sub(WRITE_WAITS))
    }

    /// A note stands for a second, and loads that it lets begin may follow each other.
    pub(super) fn note_left(&mut self, key: usize) {
        self.disturbed[key] = self.disturbed[key].max(self.now + NOTE + LOAD_TIMEOUT);
    }

    /// Whether everybody knew of `write` before `since`.
    pub(super) fn is_over(&self, write: &Write, since: u64) -> bool {
        let over = |seq: Option<Seq>| seq.is_some_and(|seq| self.times[seq_index(seq)] < since);
        // Who hears of one by a pattern is not noted; its end disturbs for a while instead.
        over(write.ended.or(write.applied.map(|(seq, _)| seq)))
            && (write.by_pattern
                || (0..self.plan.processes)
                    .all(|process| self.dead[process] || over(write.delivered[process])))
    }

    pub(crate) fn source_read(&mut self, id: usize) {
        self.made[id].version = self.sources[self.made[id].key];
    }

    /// `failed` is `None` where the load was dropped.
    pub(crate) fn load_ended(&mut self, id: usize, with_error: Option<bool>) {
        let (seq, now) = (self.seq, self.now);
        let made = &mut self.made[id];
        if with_error == Some(false) {
            made.landed_at = Some(now);
        }
        let (process, key) = (made.process, made.key);
        let has_late = !made.tagged.late.is_empty();
        if let From::Load {
            running,
            ended,
            failed,
            ..
        } = &mut made.from
        {
            *running = false;
            *ended = Some(seq);
            *failed = with_error == Some(true);
        }
        if with_error != Some(false) {
            self.note_left(key);
        }
        let place = self.place(process, key);
        place.running_loads.retain(|running| *running != id);
        if with_error.is_none() {
            place.dropped = seq;
        }
        if has_late && with_error == Some(false) {
            place.late_load = Some(now);
        }
        place.last_active = now;
    }
}
