//! Passes on what a larder counts to the `metrics` facade, once a second.
//!
//! What is passed on are differences, so that several larders of one process add up. Handles are made once for
//! each cache.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};

use super::{Inner, Larder, View};
use crate::health::NearTrust;
use crate::telemetry::{CacheStats, Invalidated, names};

const PERIOD: Duration = Duration::from_secs(1);

impl Larder {
    /// Begins to pass on, until the larder is closed or gone.
    pub(super) fn export(&self) {
        names::describe();
        let inner = Arc::downgrade(&self.inner);
        let mut exported = Exported::new();
        self.inner.shared.runtime.spawn(async move {
            let mut ticks = tokio::time::interval(PERIOD);
            loop {
                ticks.tick().await;
                let Some(inner) = inner.upgrade() else { return };
                // Looked at first, so that the last round has all.
                let is_last = inner.shared.gate.has_ended();
                exported.round(&inner);
                if is_last {
                    return;
                }
            }
        });
    }
}

/// What was passed on so far.
struct Exported {
    caches: HashMap<String, OfCache>,
    invalidations: Vec<(Invalidated, OneCounter)>,
    untrusted: OneGauge,
    pending: OneGauge,
}

impl Exported {
    fn new() -> Self {
        let invalidations = Invalidated::ALL.map(|(what, name)| {
            let labels = [(names::SCOPE, name)];
            (
                what,
                OneCounter::new(counter!(names::INVALIDATIONS, &labels)),
            )
        });
        Self {
            caches: HashMap::new(),
            invalidations: invalidations.into(),
            untrusted: OneGauge::new(gauge!(names::NEAR_UNTRUSTED)),
            pending: OneGauge::new(gauge!(names::PENDING_WRITES)),
        }
    }

    fn round(&mut self, inner: &Inner) {
        let shared = &inner.shared;
        for (what, counter) in &mut self.invalidations {
            counter.reach(shared.invalidations.of(*what));
        }
        let trust = match &shared.recovery {
            Some(_) => shared.watch.health(),
            None => NearTrust::Alone,
        };
        let is_untrusted = matches!(trust, NearTrust::Untrusted { .. });
        self.untrusted.reach(is_untrusted.into());
        let pending = shared
            .recovery
            .as_ref()
            .map_or(0, |recovery| recovery.len());
        self.pending.reach(pending as u64);

        let open = inner.open.lock();
        let views = open.iter();
        let views: Vec<_> = views
            .map(|(name, open)| (name.clone(), Arc::clone(&open.view)))
            .collect();
        drop(open);
        for (name, view) in views {
            let cache = self.caches.entry(name);
            let new = |name: &String| OfCache::new(name, view.weighs_bytes());
            cache.or_insert_with_key(new).round(view.as_ref());
        }
    }
}

/// One of the figures that a cache counts.
type Figure = fn(&CacheStats) -> u64;

/// The handles of one cache.
struct OfCache {
    counters: Vec<(Figure, OneCounter)>,
    entries: OneGauge,
    /// Where the capacity is in bytes.
    bytes: Option<OneGauge>,
    capacity: OneGauge,
}

impl OfCache {
    fn new(cache: &str, is_bytes: bool) -> Self {
        let labelled = |name: &'static str, labels: &[(&'static str, &'static str)]| {
            let mut labels: Vec<metrics::Label> = labels.iter().map(metrics::Label::from).collect();
            labels.push(metrics::Label::new(names::CACHE, cache.to_owned()));
            OneCounter::new(counter!(name, labels))
        };
        let hits = |tier, freshness| {
            labelled(
                names::HITS,
                &[(names::TIER, tier), (names::FRESHNESS, freshness)],
            )
        };
        let missed = |cause| labelled(names::MISSES, &[(names::CAUSE, cause)]);
        let filled = |outcome| labelled(names::FILLS, &[(names::OUTCOME, outcome)]);
        let plain = |name| labelled(name, &[]);
        let counters: Vec<(Figure, OneCounter)> = vec![
            (|of| of.near_hits, hits("near", "fresh")),
            (|of| of.near_stale_hits, hits("near", "stale")),
            (|of| of.remote_hits, hits("remote", "fresh")),
            (|of| of.remote_stale_hits, hits("remote", "stale")),
            (|of| of.misses_absent, missed("absent")),
            (|of| of.misses_expired, missed("expired")),
            (|of| of.misses_invalidated, missed("invalidated")),
            (
                |of| of.misses_remote_unavailable,
                missed("remote_unavailable"),
            ),
            (|of| of.misses_unreadable, missed("unreadable")),
            (|of| of.misses_invalid_key, missed("invalid_key")),
            (|of| of.misses_in_async_task, missed("async_task")),
            (|of| of.loads, plain(names::LOADS)),
            (|of| of.load_failures, plain(names::LOAD_FAILURES)),
            (|of| of.loads_joined, plain(names::LOADS_JOINED)),
            (|of| of.refreshes, plain(names::REFRESHES)),
            (|of| of.leases_awaited, plain(names::LEASES_AWAITED)),
            (|of| of.overloads, plain(names::OVERLOADS)),
            (|of| of.fills, filled("stored")),
            (|of| of.fills_refused, filled("refused")),
            (|of| of.fills_failed, filled("failed")),
            (|of| of.sets, plain(names::SETS)),
            (|of| of.removes, plain(names::REMOVES)),
            (|of| of.near_evicted, plain(names::NEAR_EVICTED)),
            (|of| of.near_swept, plain(names::NEAR_SWEPT)),
            (|of| of.near_refused, plain(names::NEAR_REFUSED)),
            (|of| of.evictions_untold, plain(names::EVICTIONS_UNTOLD)),
        ];
        let held =
            |name: &'static str| OneGauge::new(gauge!(name, names::CACHE => cache.to_owned()));
        Self {
            counters,
            entries: held(names::NEAR_ENTRIES),
            bytes: is_bytes.then(|| held(names::NEAR_BYTES)),
            capacity: held(if is_bytes {
                names::NEAR_CAPACITY_BYTES
            } else {
                names::NEAR_CAPACITY_ENTRIES
            }),
        }
    }

    fn round(&mut self, view: &dyn View) {
        let (stats, usage) = (view.stats(), view.usage());
        for (of, counter) in &mut self.counters {
            counter.reach(of(&stats));
        }
        self.entries.reach(usage.entries);
        if let Some(bytes) = &mut self.bytes {
            bytes.reach(usage.weight);
        }
        self.capacity.reach(usage.capacity);
    }
}

struct OneCounter {
    counter: Counter,
    told: u64,
}

impl OneCounter {
    fn new(counter: Counter) -> Self {
        // So that it is there from the start, as zero.
        counter.increment(0);
        Self { counter, told: 0 }
    }

    fn reach(&mut self, now: u64) {
        self.counter.increment(now.saturating_sub(self.told));
        self.told = now;
    }
}

struct OneGauge {
    gauge: Gauge,
    told: u64,
}

impl OneGauge {
    fn new(gauge: Gauge) -> Self {
        gauge.increment(0.0);
        Self { gauge, told: 0 }
    }

    fn reach(&mut self, now: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        self.gauge.increment(now as f64 - self.told as f64);
        self.told = now;
    }
}

/// What this larder holds is held no more.
impl Drop for OneGauge {
    fn drop(&mut self) {
        self.reach(0);
    }
}
