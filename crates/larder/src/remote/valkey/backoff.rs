//! How long to wait before the next attempt to connect.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(25);
pub(super) const LONGEST: Duration = Duration::from_secs(2);

/// Doubles from 25 ms to a limit, 2 s for most, each wait shortened by chance to between half and all of it, so
/// that the processes of a fleet do not come back at the same moment.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
}

impl Backoff {
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The next wait, of at most `longest`; `chance` is any random number.
    pub(super) fn next(&mut self, longest: Duration, chance: u32) -> Duration {
        let longest = FIRST
            .saturating_mul(1 << self.attempts.min(16))
            .min(longest);
        self.attempts = self.attempts.saturating_add(1);
        longest / 2 + longest.mul_f64(f64::from(chance) / f64::from(u32::MAX)) / 2
    }
}

/// A random number from the system's generator.
pub(super) fn chance() -> u32 {
    // Without the generator the waits are whole, and nothing else changes.
    getrandom::u32().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_start_over() {
        let mut backoff = Backoff::default();
        let longest: Vec<_> = (0..9)
            .map(|_| backoff.next(LONGEST, u32::MAX).as_millis())
            .collect();
        assert_eq!(longest, [25, 50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
        backoff.reset();
        assert_eq!(backoff.next(LONGEST, 0), FIRST / 2);
        (0..100).for_each(|_| assert!(backoff.next(LONGEST, 0) >= FIRST / 2));
    }
}
