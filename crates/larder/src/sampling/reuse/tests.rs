use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use proptest::prelude::*;
use ruzstd::decoding::StreamingDecoder;

use super::*;
use crate::bounded::{Eviction, Request, Simulation};
use crate::near::NearCapacity;

fn size() -> Size {
    Size {
        capacity: 0,
        mean_weight: Some(1.0),
    }
}

/// The same in each run, so that a test that passes does so again.
fn hash(key: u64) -> u64 {
    let mut mixed = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The curve of a trace, whose requests come at so many a second.
fn sampled(keys: &[u64], a_second: u64) -> (Reuse, MissRatioCurve) {
    let mut reuse = Reuse::new(Tick(0));
    for (n, key) in keys.iter().enumerate() {
        let now = Tick(n as u64 * 1_000_000 / a_second);
        reuse.saw(hash(*key), now);
    }
    let curve = reuse.curve(keys.len() as u64, size());
    (reuse, curve)
}

/// The share of requests that a cache of the least recently used answers.
fn exact(keys: &[u64], capacity: u64) -> f64 {
    let mut cache = Simulation::new(Eviction::Lru, NearCapacity::Entries(capacity));
    let hits = keys
        .iter()
        .filter(|key| cache.request(&Request::new(**key)))
        .count();
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let rate = hits as f64 / keys.len() as f64;
    rate
}

/// The curve is nowhere farther from the exact one than this.
fn check(name: &str, keys: &[u64], a_second: u64, most: f64) -> MissRatioCurve {
    let (reuse, curve) = sampled(keys, a_second);
    assert!(reuse.long.places.len() <= KEYS && reuse.short.places.len() <= PLACES);
    for capacity in [250, 1_000, 2_000, 8_000, 32_000] {
        let (is, should) = (curve.hit_rate(capacity).unwrap(), exact(keys, capacity));
        assert!(
            (is - should).abs() <= most,
            "{name}: at {capacity} entries {is} instead of {should}, by {:?} of the keys",
            curve.shares()
        );
    }
    curve
}

/// The keys of a recorded trace; `None` where the traces are not beside the workspace.
fn recorded(name: &str) -> Option<Vec<u64>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/traces")
        .join(format!("{name}.keys.zst"));
    let lines = BufReader::new(StreamingDecoder::new(File::open(path).ok()?).unwrap()).lines();
    Some(lines.map(|line| line.unwrap().parse().unwrap()).collect())
}

/// Keys whose popularity falls with their rank, as many as there are requests.
fn skewed(requests: u64) -> Vec<u64> {
    let mut state = 1_u64;
    let random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = (state >> 11) as f64 / (1_u64 << 53) as f64;
        share
    };
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a key"
    )]
    let key = |share: f64| (requests as f64).powf(share) as u64;
    std::iter::repeat_with(random)
        .map(key)
        .take(usize::try_from(requests).unwrap())
        .collect()
}

#[test]
fn the_curve_of_recorded_traces_is_within_two_points() {
    for name in ["gli", "loop", "multi3", "web12", "oltp"] {
        if let Some(keys) = recorded(name) {
            check(name, &keys, 10_000, 0.02);
        }
    }
}

#[test]
fn the_curve_of_a_loop_is_exact() {
    let keys: Vec<u64> = (0..1_011).cycle().take(100_000).collect();
    check("loop", &keys, 10_000, 1e-9);
}

#[test]
fn many_keys_and_many_requests_are_followed_by_few() {
    let keys = skewed(300_000);
    check("skewed", &keys, 10_000, 0.02);
    let curve = check("skewed, in a rush", &keys, 1_000_000, 0.1);
    assert!(curve.shares()[0] <= 0.1, "{:?}", curve.shares());
    assert!(curve.samples() < 150_000, "{}", curve.samples());
}

proptest! {
    /// Beside a list of keys, the last used first.
    #[test]
    fn distances_are_those_of_a_list(keys in prop::collection::vec(0_u64..40, 0..400)) {
        let (_, curve) = sampled(&keys, 1_000);
        for capacity in [1, 2, 3, 7, 20, 40] {
            let mut list: Vec<u64> = Vec::new();
            let mut hits = 0_u32;
            for key in &keys {
                let at = list.iter().position(|known| known == key);
                hits += u32::from(at.is_some_and(|at| at < capacity));
                at.map(|at| list.remove(at));
                list.insert(0, *key);
            }
            let rate = (!keys.is_empty()).then(|| f64::from(hits) / f64::from(u32::try_from(keys.len()).unwrap()));
            let is = curve.hit_rate(capacity as u64);
            prop_assert_eq!(is.is_some(), rate.is_some());
            prop_assert!((is.unwrap_or(0.0) - rate.unwrap_or(0.0)).abs() < 1e-9);
        }
    }
}

#[test]
fn distances_survive_the_end_of_the_places() {
    for (step, round) in [(1, 10), (2, 5), (5, 2), (10, 1)] {
        let mut reuse = Reuse::new(Tick(0));
        for n in 0..(2 * PLACES as u64 + 500) {
            reuse.saw(hash(n * step % 10), Tick(n * 1_000));
        }
        let curve = reuse.curve(reuse.long.samples, size());
        assert!(curve.hit_rate(round).unwrap() > 0.999);
        assert!(round == 1 || curve.hit_rate(round - 1).unwrap() < 0.001);
    }
}
