//! Answers: nothing outdated (G2), nothing past its time (G4).

use larder::{Coherence, Freshness, Outcome, Source, StaleReason, Strength};

use super::{Call, Check, Kind};
use crate::plan::{CATCH_UP, TIMEOUT, TRUST};

fn slack(age: u64) -> u64 {
    // Whole milliseconds, and clocks that run at different rates.
    3 + age / 1_000
}

impl Check {
    pub(super) fn serve(&mut self, call: usize, id: usize, outcome: Option<Outcome>) {
        self.served += 1;
        self.check_age(call, id, outcome);
        let Call {
            process,
            key,
            kind,
            began,
            began_at,
            ..
        } = self.calls[call];
        if self.made[id].key != key {
            self.fail(key, format!("G5: call {call} got {}", self.describe(id)));
        }
        let stale = match outcome {
            Some(outcome) => !outcome.freshness.is_fresh(),
            None => kind != Kind::Get,
        };
        let near = outcome.is_none_or(|outcome| outcome.source == Source::Near);
        let mut wrong = None;
        for &number in &self.writes_of[key] {
            let write = &self.writes[number];
            let returned =
                write.process == Some(process) && write.ended.is_some_and(|end| end < began);
            let done = write.applied.filter(|(applied, _)| *applied <= began);
            // A group's invalidation that waits for the server binds its own process at once.
            if done.is_none() && !(returned && write.group.is_some()) || !self.is_older(id, write) {
                continue;
            }
            let heard = write.delivered[process].is_some_and(|heard| heard < began);
            let late = done.is_some_and(|(_, at)| began_at > at + self.bound());
            let known = returned || heard;
            if !known && !late {
                continue;
            }
            let restored = self.made[id]
                .restored
                .is_some_and(|at| done.is_some_and(|(applied, _)| at > applied));
            // What is only expired is stale at best, and so is what came back with the server; what
            // nobody vouches for is served as stale where the server is away.
            let expired = write.strength == Strength::Expire;
            if stale && (expired || restored || (near && !known)) {
                continue;
            }
            let why = if returned {
                "which had returned"
            } else if heard {
                "which its process had heard of"
            } else {
                "which its process could not trust to know of"
            };
            wrong = Some(format!(
                "G2: call {call} of P{process}, begun at {began_at} ms, got {} as {outcome:?} after \
                 {} {number} of {:?} by {}, done at {:?} ms, {why}",
                self.describe(id),
                write.what,
                write.group,
                write
                    .process
                    .map_or("the server".to_owned(), |process| format!("P{process}")),
                done.map(|(_, at)| at),
            ));
            break;
        }
        if let Some(wrong) = wrong {
            self.fail(key, wrong);
        }
    }

    /// How long after a write another process may serve what was before.
    pub(super) fn bound(&self) -> u64 {
        match self.plan.coherence {
            Coherence::Pushed if self.plan.pushes => TRUST + 2,
            // Without pushes nothing tells of changes during a read or a load, and trust counts from
            // their end.
            Coherence::Ttl(trust) => {
                u64::try_from(trust.as_millis()).unwrap() + TIMEOUT + self.plan.load
            }
            _ => TRUST + TIMEOUT + self.plan.load,
        }
    }

    /// Nothing past its time, and no age understated (G4, G7).
    pub(super) fn check_age(&mut self, call: usize, id: usize, outcome: Option<Outcome>) {
        let Call {
            process,
            key,
            kind,
            began_at,
            stopped,
            ..
        } = self.calls[call];
        let made = &self.made[id];
        let Some(landed) = made.landed_at else {
            return self.fail(key, format!("call {call} got v{id} before its load ended"));
        };
        let source = outcome.map(|outcome| outcome.source);
        let read = kind == Kind::Get
            || source.is_some_and(|source| matches!(source, Source::Near | Source::Remote));
        // A load's own callers wait for more than its value; and a process may be stopped between
        // its verdict and its answer.
        let judged = if read && self.stopped[process] == stopped {
            self.now
        } else {
            began_at
        };
        let age = judged.saturating_sub(landed);
        let slack = slack(age);
        // Until each process has asked for the time again, it takes what others write after a jump
        // for newer than it is. They may have asked for stamps before they wrote.
        let written = landed + TIMEOUT + CATCH_UP;
        let jumped = self
            .jumps
            .iter()
            .any(|at| landed < at + 8_000 && *at <= written);
        let fresh = match outcome {
            Some(outcome) => outcome.freshness.is_fresh(),
            None => kind == Kind::Get,
        };
        let (ttl, stale) = (self.plan.ttl, self.plan.stale);
        let restarted = self.restarts.iter().any(|at| *at >= landed);
        // A value from before a restart is of unknown age: the server held it when it was read, and
        // it may be served as stale for the whole window after that.
        let unknown = if !restarted {
            0
        } else if self.went_back {
            u64::MAX / 2
        } else {
            stale + TIMEOUT
        };
        let past = |limit: u64| age > limit + slack;
        // Of what came back with the server nobody knows the age.
        let returned = source == Some(Source::Remote)
            && made.restored.is_some_and(|at| at < self.calls[call].began);
        let text = if fresh && returned {
            "fresh, which a restarted server brought back,"
        } else if fresh && past(ttl) && !jumped {
            "fresh past its ttl"
        } else if past(ttl + stale + unknown) && !jumped {
            "past its stale window"
        } else if let Some(outcome) = outcome
            && read
            && !jumped
            && u64::try_from(outcome.age.as_millis()).unwrap() + slack < age
            && outcome.freshness != Freshness::Stale(StaleReason::UnknownLineage)
            && !restarted
        {
            "as younger than it is"
        } else {
            return;
        };
        let text = format!(
            "G4: call {call} of P{process}, begun at {began_at} ms, got {} {text}: landed at {landed} \
             ms, {outcome:?}",
            self.describe(id)
        );
        self.fail(key, text);
    }
}
