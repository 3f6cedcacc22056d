use proptest::prelude::*;

use super::*;

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

#[test]
fn many_requests_are_followed_by_few() {
    let keys: Vec<u64> = (0..1_000).cycle().take(100_000).collect();
    let (_, calm) = sampled(&keys, 5_000);
    assert_eq!((calm.samples(), calm.shares()), (100_000, [1.0, 1.0]));
    let (_, rush) = sampled(&keys, 1_000_000);
    assert!(rush.shares()[0] <= 0.25, "{:?}", rush.shares());
    assert!(rush.samples() <= 60_000, "{}", rush.samples());
}

#[test]
fn many_keys_are_followed_by_few() {
    let keys: Vec<u64> = (0..100_000).collect();
    let (reuse, curve) = sampled(&keys, 5_000);
    assert!(reuse.long.places.len() <= KEYS && reuse.short.places.len() <= PLACES);
    assert!(curve.shares()[1] < 0.1, "{:?}", curve.shares());
    assert_eq!(
        curve.hit_rate(1 << 40),
        Some(0.0),
        "none of them came again"
    );
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

#[test]
fn what_was_sampled_before_a_rush_is_told_after_it() {
    let mut reuse = Reuse::new(Tick(0));
    let (calm, rush) = (360_000, 100_000);
    for n in 0..calm {
        reuse.saw(hash(n % 6_000), Tick(n * 200));
    }
    for n in 0..rush {
        reuse.saw(hash(10_000 + n % 500), Tick(calm * 200 + n));
    }
    let curve = reuse.curve(calm + rush, size());
    assert!(curve.shares()[0] <= 0.25, "{:?}", curve.shares());
    for capacity in [6_100, 8_000, 12_000, 20_000] {
        let rate = curve.hit_rate(capacity).unwrap();
        assert!(rate > 0.97, "{capacity}: {rate}");
    }
    assert!(curve.hit_rate(4_000).unwrap() < 0.3, "the rush alone");
}
