//! The names and labels of all metrics, in one place: they are part of the public API. The guide's page on metrics
//! has the same table, which a test compares with this.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// The label that says which cache.
pub(crate) const CACHE: &str = "cache";
pub(crate) const TIER: &str = "tier";
pub(crate) const FRESHNESS: &str = "freshness";
pub(crate) const CAUSE: &str = "cause";
pub(crate) const OUTCOME: &str = "outcome";
pub(crate) const SCOPE: &str = "scope";
pub(crate) const OPERATION: &str = "operation";

/// Declares the names with what they mean, so that none is without a description.
macro_rules! names {
    ($($kind:ident $constant:ident = $name:literal, $unit:ident, $meaning:literal;)+) => {
        $(pub(crate) const $constant: &str = $name;)+

        /// Tells the recorder what each of them means.
        pub(crate) fn describe() {
            $(names!(@$kind $name, $unit, $meaning);)+
        }

        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str, &str)] =
            &[$((stringify!($kind), $name, $meaning)),+];
    };
    (@counter $name:literal, $unit:ident, $meaning:literal) => {
        describe_counter!($name, Unit::$unit, $meaning)
    };
    (@gauge $name:literal, $unit:ident, $meaning:literal) => {
        describe_gauge!($name, Unit::$unit, $meaning)
    };
    (@histogram $name:literal, $unit:ident, $meaning:literal) => {
        describe_histogram!($name, Unit::$unit, $meaning)
    };
}

names! {
    counter HITS = "larder_hits_total", Count, "Lookups that a tier answered";
    counter MISSES = "larder_misses_total", Count, "Lookups that no tier answered, by cause";
    counter LOADS = "larder_loads_total", Count, "Loads begun";
    counter LOAD_FAILURES = "larder_load_failures_total", Count, "Loads that ended in an error or a panic";
    counter LOADS_JOINED = "larder_loads_joined_total", Count, "Callers that waited for another caller's load";
    counter REFRESHES = "larder_refreshes_total", Count, "Loads in the background, before the value expired";
    counter LEASES_AWAITED = "larder_leases_awaited_total", Count, "Waits for another process's load";
    counter OVERLOADS = "larder_overloads_total", Count, "Callers over the limit of loads or waiters";
    counter FILLS = "larder_fills_total", Count, "Loaded values offered to the server, by outcome";
    counter SETS = "larder_sets_total", Count, "Values set";
    counter REMOVES = "larder_removes_total", Count, "Keys and patterns removed";
    counter INVALIDATIONS = "larder_invalidations_total", Count, "Groups invalidated by this process, by scope";
    counter NEAR_EVICTED = "larder_near_evicted_total", Count, "Near entries that had to make room for others";
    counter NEAR_SWEPT = "larder_near_swept_total", Count, "Expired near entries that the sweep freed";
    counter NEAR_REFUSED = "larder_near_refused_total", Count, "Values not kept in the near tier";
    counter EVICTIONS_UNTOLD = "larder_evictions_untold_total", Count, "Near entries that left without a word to the listener";
    counter REMOTE_ERRORS = "larder_remote_errors_total", Count, "Requests to the server that failed, by operation and cause";
    gauge NEAR_ENTRIES = "larder_near_entries", Count, "Entries in the near tier";
    gauge NEAR_BYTES = "larder_near_bytes", Bytes, "Their weight, where the capacity is in bytes";
    gauge NEAR_CAPACITY_ENTRIES = "larder_near_capacity_entries", Count, "The near tier's capacity, where it is in entries";
    gauge NEAR_CAPACITY_BYTES = "larder_near_capacity_bytes", Bytes, "The near tier's capacity, where it is in bytes";
    gauge NEAR_UNTRUSTED = "larder_near_untrusted", Count, "Larders whose near entries may not be believed, so that each is asked for again";
    gauge PENDING_WRITES = "larder_pending_writes", Count, "Removals that wait for the server";
    histogram LOAD_DURATION = "larder_load_duration_seconds", Seconds, "How long loaders took";
    histogram REMOTE_DURATION = "larder_remote_duration_seconds", Seconds, "How long the server's answers took, by operation";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_has_each_name_with_its_meaning() {
        let page = include_str!("../../docs/guide/metrics.md");
        let of_names = |line: &&str| {
            let kind = line.split(" | ").nth(1);
            line.starts_with("| `larder_") && ALL.iter().any(|(known, ..)| kind == Some(*known))
        };
        let rows: Vec<_> = page.lines().filter(of_names).collect();
        assert_eq!(rows.len(), ALL.len());
        for (kind, name, meaning) in ALL {
            let begin = format!("| `{name}` | {kind} | ");
            let row = rows.iter().find(|row| row.starts_with(&begin));
            let row = row.unwrap_or_else(|| panic!("{begin} is missing"));
            assert!(row.contains(meaning), "{row} does not say: {meaning}");
            let unit = match *kind {
                "counter" => "_total",
                "histogram" => "_seconds",
                _ => "",
            };
            assert!(name.ends_with(unit), "{name}");
        }
    }
}
