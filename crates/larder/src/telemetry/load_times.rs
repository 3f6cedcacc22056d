//! How long loaders take.

use std::time::Duration;

use crate::key::CacheName;

/// Of one cache. Without the feature `metrics` it does nothing.
pub(crate) struct LoadTimes {
    #[cfg(feature = "metrics")]
    times: metrics::Histogram,
}

#[cfg(feature = "metrics")]
impl LoadTimes {
    pub(crate) fn of(cache: &CacheName) -> Self {
        let cache = cache.as_str().to_owned();
        let times = metrics::histogram!(super::names::LOAD_DURATION, super::names::CACHE => cache);
        Self { times }
    }

    pub(crate) fn record(&self, took: Duration) {
        self.times.record(took);
    }
}

#[cfg(not(feature = "metrics"))]
impl LoadTimes {
    pub(crate) fn of(_: &CacheName) -> Self {
        Self {}
    }

    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(crate) fn record(&self, _: Duration) {}
}
