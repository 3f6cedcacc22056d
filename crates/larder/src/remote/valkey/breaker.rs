//! Stops asking a server that takes requests and does not answer them.
//!
//! ```text
//!            5 timeouts in a row                heartbeat answered
//!  ┌────────┐ ────────────────► ┌──────┐ ──────────────────► ┌───────────┐
//!  │ Closed │                   │ Open │                     │ Half open │
//!  └────────┘ ◄───┐             └──────┘ ◄────────────────── └───────────┘
//!                 │                        the trial timed out   │
//!                 └──────────────────────────────────────────────┘
//!                                 the trial was answered
//! ```
//!
//! While open, operations fail at once. The heartbeat goes on by itself, so no caller pays for
//! probing; once it is answered, a single operation is let through as a trial. A lost connection
//! needs no breaker: without one, operations fail at once anyway.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Timeouts in a row that open the breaker.
pub(super) const THRESHOLD: u32 = 5;

#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Timeouts since the last answer: the fast path reads only this.
    failures: AtomicU32,
    open: Mutex<Gate>,
}

#[derive(Debug, Default, PartialEq)]
enum Gate {
    /// Nothing gets through.
    #[default]
    Shut,
    /// One operation may.
    Trial,
}

impl Breaker {
    /// Whether an operation may be sent; otherwise, how many failures in a row there were.
    #[inline]
    pub(super) fn admit(&self) -> Result<(), u32> {
        let failures = self.failures.load(Ordering::Relaxed);
        if failures < THRESHOLD {
            return Ok(());
        }
        let mut gate = self.open.lock();
        if *gate == Gate::Trial {
            *gate = Gate::Shut;
            return Ok(());
        }
        Err(failures)
    }

    /// The server answered an operation, an error included.
    #[inline]
    pub(super) fn answered(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// The server let an operation's time pass.
    pub(super) fn timed_out(&self) {
        // Saturates, so that it cannot wrap to closed.
        let _ = self
            .failures
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1));
    }

    /// The server answered a heartbeat.
    pub(super) fn heartbeat_answered(&self) {
        if self.failures.load(Ordering::Relaxed) >= THRESHOLD {
            *self.open.lock() = Gate::Trial;
        }
    }

    /// There is a new connection.
    pub(super) fn reset(&self) {
        self.failures.store(0, Ordering::Relaxed);
        *self.open.lock() = Gate::Shut;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Breaker {
        let breaker = Breaker::default();
        for _ in 0..THRESHOLD {
            assert_eq!(breaker.admit(), Ok(()));
            breaker.timed_out();
        }
        breaker
    }

    #[test]
    fn opens_after_timeouts_in_a_row_and_not_before() {
        let breaker = Breaker::default();
        for _ in 0..10 {
            (1..THRESHOLD).for_each(|_| breaker.timed_out());
            assert_eq!(breaker.admit(), Ok(()));
            breaker.answered();
        }
        assert_eq!(opened().admit(), Err(THRESHOLD));
    }

    #[test]
    fn an_answered_heartbeat_lets_one_trial_through() {
        let breaker = opened();
        breaker.heartbeat_answered();
        assert_eq!(breaker.admit(), Ok(()));
        assert!(breaker.admit().is_err(), "only one");
        breaker.timed_out();
        assert!(breaker.admit().is_err(), "the trial failed");
        breaker.heartbeat_answered();
        assert_eq!(breaker.admit(), Ok(()));
        breaker.answered();
        assert_eq!(breaker.admit(), Ok(()));
        assert_eq!(breaker.admit(), Ok(()), "closed again");
    }

    #[test]
    fn a_heartbeat_leaves_no_trial_behind_for_later() {
        let breaker = Breaker::default();
        breaker.heartbeat_answered();
        (0..THRESHOLD).for_each(|_| breaker.timed_out());
        assert!(breaker.admit().is_err());
    }
}
