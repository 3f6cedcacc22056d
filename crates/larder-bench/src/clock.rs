//! A clock that all processes of the machine share.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::sleep;

/// `CLOCK_MONOTONIC`: since some moment that is the same for all processes of one machine.
pub(crate) fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        now.tv_sec.try_into().unwrap_or(0),
        now.tv_nsec.try_into().unwrap_or(0),
    )
}

pub(crate) async fn sleep_until(moment: Duration) {
    sleep(moment.saturating_sub(now())).await;
}

/// In milliseconds; negative where `to` came first.
pub(crate) fn ms_between(from: Duration, to: Duration) -> f64 {
    (to.as_secs_f64() - from.as_secs_f64()) * 1e3
}
