//! Estimates a server's time from its answers to `TIME`.
//!
//! An answer that arrives a round trip after its question was made at some moment between the
//! two: taken as the middle, it is off by half a round trip at most. The local clock may drift
//! meanwhile, so an estimate grows less certain with age.

use std::time::Duration;

use crate::remote::ServerTime;
use crate::time::Tick;

/// How far two clocks may part: a thousandth, far more than any quartz.
const DRIFT: u64 = 1_000;
/// What the cut to whole milliseconds may cost.
const ROUNDING_MS: u64 = 1;

/// One answer to `TIME`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// The server's time, in microseconds since its epoch.
    server: u64,
    /// The middle of the round trip, here.
    local: Tick,
    /// Half of the round trip.
    error: Duration,
    lineage: u64,
}

impl Sample {
    pub(super) fn new(asked: Tick, answered: Tick, server_micros: u64, lineage: u64) -> Self {
        let error = answered.since(asked) / 2;
        Self {
            server: server_micros,
            local: asked.plus(error),
            error,
            lineage,
        }
    }

    fn error_at(&self, now: Tick) -> Duration {
        let age = now.since(self.local);
        self.error + age / u32::try_from(DRIFT).unwrap_or(u32::MAX)
    }

    fn server_at(&self, now: Tick) -> u64 {
        self.server
            .saturating_add(u64::try_from(now.since(self.local).as_micros()).unwrap_or(u64::MAX))
    }

    /// The better of an older sample and this one: the older only while it is more exact and
    /// agrees. A server whose clock jumped does not agree with its past.
    pub(super) fn or_older(self, older: Option<Self>) -> Self {
        let Some(older) = older else { return self };
        let now = self.local;
        let agree = older.lineage == self.lineage
            && Duration::from_micros(older.server_at(now).abs_diff(self.server))
                <= older.error_at(now) + self.error;
        if agree && older.error_at(now) < self.error {
            older
        } else {
            self
        }
    }

    pub(super) fn at(&self, now: Tick) -> ServerTime {
        let error_ms = u64::try_from(self.error_at(now).as_millis()).unwrap_or(u64::MAX);
        ServerTime {
            now_ms: self.server_at(now) / 1_000,
            error_ms: error_ms.saturating_add(ROUNDING_MS),
            lineage: self.lineage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Tick = Tick(1_000_000_000);

    fn sample(at_ms: u64, round_trip_ms: u64, server_ms: u64) -> Sample {
        let asked = START.plus(Duration::from_millis(at_ms));
        Sample::new(
            asked,
            asked.plus(Duration::from_millis(round_trip_ms)),
            server_ms * 1_000,
            7,
        )
    }

    #[test]
    fn the_true_time_lies_within_the_error() {
        // The server's clock shows 500,000 ms at START, and answers at once on arrival.
        for arrival in [0, 3, 10] {
            let sample = sample(0, 10, 500_000 + arrival);
            let now = START.plus(Duration::from_mins(1));
            let estimate = sample.at(now);
            assert!(
                estimate.now_ms.abs_diff(560_000) <= estimate.error_ms,
                "{estimate:?}"
            );
        }
    }

    #[test]
    fn an_exact_sample_outlives_a_vague_one_until_they_disagree() {
        let exact = sample(0, 1, 500_000);
        let vague = sample(1_000, 400, 501_200);
        assert_eq!(vague.or_older(Some(exact)).error, exact.error);
        let jumped = sample(2_000, 400, 900_000);
        assert_eq!(jumped.or_older(Some(exact)).server, jumped.server);
    }
}
