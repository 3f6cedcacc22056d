//! Time, as a parameter: one clock per larder, which tests move by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The longest TTL, and the longest stale window: ten years of 365.25 days.
///
/// Longer ones are refused with an error.
pub const MAX_TTL: Duration = Duration::from_hours(10 * 8766);

/// A point in time of this process, in microseconds since an origin of no meaning.
///
/// It never leaves the process: no verdict compares it with another machine's clock (G7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(pub(crate) u64);

impl Tick {
    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    pub(crate) fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Where a larder reads the time.
///
/// The system's clock runs on while the process or the machine is suspended, so that what
/// expired meanwhile is not served on waking. Tests take [`Clock::manual`].
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<AtomicU64>),
    Tokio(tokio::time::Instant),
}

/// Where a manual clock starts: far enough from zero that an entry can be older than its clock.
const MANUAL_START: u64 = 1_000_000_000_000;

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still until [`advance`](Self::advance) moves it. Clones share it.
    pub fn manual() -> Self {
        Self(Source::Manual(Arc::new(AtomicU64::new(MANUAL_START))))
    }

    /// A clock that follows tokio's, which tests pause.
    pub fn tokio() -> Self {
        Self(Source::Tokio(tokio::time::Instant::now()))
    }

    /// Moves a manual clock on; another is left alone.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(now) = &self.0 {
            now.fetch_add(micros(by), Ordering::SeqCst);
        }
    }

    /// The exact time.
    pub(crate) fn now(&self) -> Tick {
        match &self.0 {
            Source::System => Tick(system::now()),
            Source::Manual(now) => Tick(now.load(Ordering::SeqCst)),
            Source::Tokio(origin) => Tick(MANUAL_START).plus(origin.elapsed()),
        }
    }

    /// Whether `deadline` lies ahead: exact, and on Linux at a fraction of the price of
    /// [`now`](Self::now) while the deadline is not near.
    #[inline]
    pub(crate) fn is_before(&self, deadline: Tick) -> bool {
        match &self.0 {
            Source::System => {
                system::coarse().saturating_add(system::COARSE_LAG) < deadline.0
                    || system::now() < deadline.0
            }
            Source::Manual(_) | Source::Tokio(_) => self.now() < deadline,
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    //! `CLOCK_BOOTTIME` is exact and counts suspension, but a read waits for all loads before it:
    //! within a lookup in a large table it cost 170 ns. The coarse clock is one that the kernel
    //! writes down at each of its own ticks, 1 to 10 ms apart: 14 ns in the same place. It goes on
    //! while the process is stopped. While the machine sleeps it stands still, so its distance to
    //! boot time is measured again after each kernel tick: on waking it is right within one.

    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::time::{ClockId, clock_gettime};

    /// The kernel ticks at least this often.
    const TICK: u64 = 10_000;
    /// How far [`coarse`] may lie behind [`now`]: by a tick, and by one more where two threads
    /// measure at once.
    pub(super) const COARSE_LAG: u64 = 2 * TICK;

    /// The coarse clock when [`AHEAD`] was measured.
    static MEASURED_AT: AtomicU64 = AtomicU64::new(0);
    /// How far boot time is ahead of monotonic time: the time that the machine slept.
    static AHEAD: AtomicU64 = AtomicU64::new(0);

    #[inline]
    fn read(clock: ClockId) -> u64 {
        let time = clock_gettime(clock);
        (time.tv_sec * 1_000_000 + time.tv_nsec / 1_000).unsigned_abs()
    }

    pub(super) fn now() -> u64 {
        read(ClockId::Boottime)
    }

    #[inline]
    pub(super) fn coarse() -> u64 {
        let coarse = read(ClockId::MonotonicCoarse);
        // Acquire pairs with the release below: a measurement that is seen comes with its result.
        if coarse == MEASURED_AT.load(Ordering::Acquire) {
            coarse + AHEAD.load(Ordering::Relaxed)
        } else {
            measure(coarse)
        }
    }

    #[cold]
    fn measure(coarse: u64) -> u64 {
        // In this order the difference errs to the lower side, by the time between the reads.
        let boot = now();
        let ahead = boot.saturating_sub(read(ClockId::Monotonic));
        AHEAD.store(ahead, Ordering::Relaxed);
        MEASURED_AT.store(coarse, Ordering::Release);
        coarse + ahead
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::sync::LazyLock;
    use std::time::Instant;

    pub(super) const COARSE_LAG: u64 = 0;
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub(super) fn now() -> u64 {
        // A century in microseconds fits; the origin lies a day back so that ages can be subtracted.
        86_400_000_000 + u64::try_from(ORIGIN.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn coarse() -> u64 {
        now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_judged_to_the_millisecond() {
        let clock = Clock::system();
        let deadline = clock.now().plus(Duration::from_millis(5));
        loop {
            // Read first: this thread may stand still between the two.
            let before = clock.now();
            if !clock.is_before(deadline) {
                break;
            }
            assert!(before.since(deadline) < Duration::from_millis(1));
        }
        assert!(clock.now() >= deadline, "expired {deadline:?} too early");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_coarse_clock_never_runs_ahead() {
        for _ in 0..10_000 {
            let coarse = system::coarse();
            let now = system::now();
            assert!(coarse <= now, "{coarse} > {now}");
            assert!(now - coarse <= system::COARSE_LAG + 50_000);
        }
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let clock = Clock::manual();
        let before = clock.now();
        clock.clone().advance(Duration::from_millis(7));
        assert_eq!(clock.now().since(before), Duration::from_millis(7));
    }
}
