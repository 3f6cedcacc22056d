//! A cache's counters, and the snapshot of them that a user reads.

use std::sync::Arc;

use super::{Counter, HitCounter};
use crate::outcome::{Freshness, Outcome, Source};

/// Declares the live counters and their public snapshot from one list, so that none is forgotten.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident: $counter:ty,)+) => {
        /// What a cache has counted since it was opened, in this process.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct CacheStats {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: $counter,)+
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> CacheStats {
                CacheStats { $($name: self.$name.get(),)+ }
            }
        }

        impl CacheStats {
            /// Each counter by its name.
            #[cfg(feature = "testing")]
            pub(crate) fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }

            /// What was counted between an earlier snapshot and this one. Never less than zero,
            /// also where the snapshots are of two caches or the wrong way round.
            ///
            /// ```
            /// # #[tokio::main]
            /// # async fn main() -> Result<(), larder::Error> {
            /// # let larder = larder::Larder::in_memory().await?;
            /// # let cache: larder::Cache<u32, u32> = larder.cache("numbers").build()?;
            /// cache.set(&1, 1).await?;
            /// let before = cache.stats();
            /// cache.get(&1).await;
            /// let during = cache.stats().since(&before);
            /// assert_eq!((during.hits(), during.sets), (1, 0));
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($name: self.$name.saturating_sub(earlier.$name),)+ }
            }
        }
    };
}

counters! {
    /// Fresh answers from the memory of this process.
    near_hits: HitCounter,
    /// Fresh answers from the server.
    remote_hits: Counter,
    /// Answers from memory that were past their TTL, or not known to be current.
    near_stale_hits: Counter,
    /// The same from the server.
    remote_stale_hits: Counter,
    /// Lookups that found nothing stored.
    misses_absent: Counter,
    /// Lookups that found a value past its TTL, within its stale window: one that a load replaced, or that the
    /// call did not take.
    misses_expired: Counter,
    /// Lookups that found a value whose tenant, cache or tag was invalidated.
    misses_invalidated: Counter,
    /// Lookups that missed because the server could not be asked.
    misses_remote_unavailable: Counter,
    /// Lookups that missed because this program cannot read what the server holds: another
    /// schema or codec, a newer version, truncated or corrupt bytes, what is not ours.
    misses_unreadable: Counter,
    /// Lookups that missed because the key, or the tenant's name, cannot be stored.
    misses_invalid_key: Counter,
    /// Lookups of the blocking API that missed because they were made within an async task, where
    /// nothing may wait.
    misses_in_async_task: Counter,
    /// Loads begun.
    loads: Counter,
    /// Of these, those in the background before the value expired.
    refreshes: Counter,
    /// Loads that ended in an error or a panic.
    load_failures: Counter,
    /// Callers that waited for a load that another caller began.
    loads_joined: Counter,
    /// Times that a load waited for another process's load of the key.
    leases_awaited: Counter,
    /// Callers over the limit of loads or waiters, who got a stale value or an error.
    overloads: Counter,
    /// Loaded values written to the server.
    fills: Counter,
    /// Loaded values not written to the server: invalidated meanwhile, too large, because a newer
    /// program's value or what is not ours holds the key, because no lease could be had or the call
    /// was not to fill it, or because the larder was closed.
    fills_refused: Counter,
    /// Loaded values that the server did not take.
    fills_failed: Counter,
    /// Values set.
    sets: Counter,
    /// Keys removed.
    removes: Counter,
    /// Values not kept in the near tier: too large, or their weigher panicked.
    near_refused: Counter,
    /// Near entries that had to make room for others.
    near_evicted: Arc<Counter>,
    /// Expired near entries that the sweep freed.
    near_swept: Counter,
    /// Near entries that left without a word to [`on_evicted`](crate::CacheBuilder::on_evicted), since
    /// its queue was full.
    evictions_untold: Arc<Counter>,
}

/// Why a lookup missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    Absent,
    Expired,
    Invalidated,
    RemoteUnavailable,
    Unreadable,
    InvalidKey,
}

impl Counters {
    pub(crate) fn missed(&self, why: Miss) {
        match why {
            Miss::Absent => &self.misses_absent,
            Miss::Expired => &self.misses_expired,
            Miss::Invalidated => &self.misses_invalidated,
            Miss::RemoteUnavailable => &self.misses_remote_unavailable,
            Miss::Unreadable => &self.misses_unreadable,
            Miss::InvalidKey => &self.misses_invalid_key,
        }
        .up();
    }

    /// A lookup was answered from a tier.
    pub(crate) fn answered(&self, outcome: &Outcome) {
        match (outcome.source, outcome.freshness) {
            (Source::Remote, Freshness::Fresh) => self.remote_hits.up(),
            (_, Freshness::Fresh) => self.near_hits.up(),
            (Source::Remote, Freshness::Stale(_)) => self.remote_stale_hits.up(),
            (_, Freshness::Stale(_)) => self.near_stale_hits.up(),
        }
    }
}

impl CacheStats {
    /// Lookups that were answered from a tier.
    pub fn hits(&self) -> u64 {
        self.near_hits + self.remote_hits + self.stale_hits()
    }

    /// Answers past their TTL, or not known to be current, from either tier.
    pub fn stale_hits(&self) -> u64 {
        self.near_stale_hits + self.remote_stale_hits
    }

    /// Lookups that were not.
    pub fn misses(&self) -> u64 {
        self.misses_absent
            + self.misses_expired
            + self.misses_invalidated
            + self.misses_remote_unavailable
            + self.misses_unreadable
            + self.misses_invalid_key
            + self.misses_in_async_task
    }

    /// The share of lookups that were answered from a tier, 0 to 1; `None` before the first.
    pub fn hit_rate(&self) -> Option<f64> {
        let lookups = self.hits() + self.misses();
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        (lookups > 0).then(|| self.hits() as f64 / lookups as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_that_of_each_counter_and_never_below_zero() {
        let counters = Counters::default();
        counters.near_hits.up();
        let before = counters.snapshot();
        counters.near_hits.up();
        counters.near_hits.up();
        counters.loads.up();
        let during = counters.snapshot().since(&before);
        let expected = CacheStats {
            near_hits: 2,
            loads: 1,
            ..CacheStats::default()
        };
        assert_eq!(during, expected);
        assert_eq!(before.since(&counters.snapshot()), CacheStats::default());
    }
}
