//! What a share of the keys tells: curves and recordings.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::Duration;

use larder::bounded::{Eviction, Request, Simulation};
use larder::{Cache, NearCapacity, RecordingError};
use ruzstd::decoding::StreamingDecoder;

use super::in_memory;

const CAPACITY: NearCapacity = NearCapacity::Entries(100);

/// Keys and times of a recording, as it is written.
fn lines(recording: &larder::Recording) -> Vec<String> {
    let mut text = Vec::new();
    recording.write(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn each_lookup_counts_once_however_it_is_made() {
    let (larder, _) = in_memory().await;
    let numbers = larder.cache("numbers").near(CAPACITY);
    let numbers: Cache<u64, u64> = numbers.miss_ratio_curve().build().unwrap();
    let load = async || Ok::<_, Infallible>(7_u64);
    for _ in 0..2 {
        numbers.get(&1).await;
        numbers.lookup(&2).await;
        numbers.get_or_load(&3, load).await.unwrap();
        numbers
            .get_or_spawn(&4, || async { Ok::<_, Infallible>(7_u64) })
            .await
            .unwrap();
        numbers.get_many(&[5, 6]).await;
        let batch = |missing: Vec<u64>| async {
            let found = missing.into_iter().map(|key| (key, key));
            Ok::<_, Infallible>(found.collect::<HashMap<_, u64>>())
        };
        numbers.get_or_load_many(&[7, 8], batch).await.unwrap();
    }
    let (curve, stats) = (numbers.miss_ratio_curve().unwrap(), numbers.stats());
    assert_eq!(curve.samples(), 16);
    assert_eq!(stats.hits() + stats.misses(), 16);
    assert_eq!(curve.hit_rate(7), Some(0.0));
    assert_eq!(curve.hit_rate(8), Some(0.5));
}

#[tokio::test]
async fn a_cache_that_was_not_asked_to_has_no_curve() {
    let (larder, _) = in_memory().await;
    let numbers: Cache<u64, u64> = larder.cache("numbers").build().unwrap();
    assert!(numbers.miss_ratio_curve().is_none());
    let asked = larder
        .cache::<u64, u64>("numbers")
        .miss_ratio_curve()
        .build();
    let error = asked.unwrap_err().to_string();
    assert!(error.contains("a miss ratio curve"), "{error}");
}

#[tokio::test]
async fn bytes_are_taken_for_entries_of_the_mean_weight() {
    let (larder, _) = in_memory().await;
    let texts = larder.cache("texts").near(NearCapacity::Bytes(1 << 20));
    let texts: Cache<u64, String> = texts.miss_ratio_curve().build().unwrap();
    texts.get(&99).await;
    let curve = texts.miss_ratio_curve().unwrap();
    assert_eq!(
        curve.hit_rate(1 << 20),
        None,
        "no entry tells what one weighs"
    );
    for key in 0..10 {
        texts.set(&key, "x".repeat(100)).await.unwrap();
    }
    for key in (0..10).cycle().take(100) {
        texts.get(&key).await;
    }
    let (curve, usage) = (texts.miss_ratio_curve().unwrap(), texts.near_usage());
    let each = usage.weight / usage.entries;
    assert_eq!(curve.capacity(), 1 << 20);
    assert_eq!(curve.hit_rate(5 * each), Some(0.0));
    assert!(curve.hit_rate(12 * each).unwrap() > 0.89);
}

#[tokio::test]
async fn a_recording_has_each_request_in_its_order_and_ends_where_it_is_full() {
    let (larder, clock) = in_memory().await;
    let numbers: Cache<u64, u64> = larder.cache("numbers").near(CAPACITY).build().unwrap();
    let recording = numbers.record(1.0, 5).unwrap();
    assert!(recording.is_empty());
    for key in [1, 2, 1, 1, 3, 4] {
        numbers.get(&key).await;
        clock.advance(Duration::from_millis(1_500));
    }
    assert!(recording.is_full());
    let lines = lines(&recording);
    assert_eq!(lines[0], "# larder recording: share 1");
    assert_eq!(lines[1], "key,time");
    let (keys, times): (Vec<_>, Vec<_>) = lines[2..]
        .iter()
        .map(|line| line.split_once(',').unwrap())
        .unzip();
    assert_eq!(times, ["0.000", "1.500", "3.000", "4.500", "6.000"]);
    assert_eq!((keys[0], keys[0]), (keys[2], keys[3]));
    assert!(keys[0] != keys[1] && keys[1] != keys[4] && keys[0] != keys[4]);
}

#[tokio::test]
async fn a_share_of_the_keys_is_recorded_with_all_of_their_requests() {
    let (larder, _) = in_memory().await;
    let numbers: Cache<u64, u64> = larder.cache("numbers").near(CAPACITY).build().unwrap();
    let recording = numbers.record(0.25, 100_000).unwrap();
    for key in (0..1_000).cycle().take(3_000) {
        numbers.get(&key).await;
    }
    assert!(
        (450..1_050).contains(&recording.len()),
        "{}",
        recording.len()
    );
    assert_eq!(
        recording.len() % 3,
        0,
        "a key is in all of its requests or in none"
    );
    assert!(lines(&recording)[0].starts_with("# larder recording: share 0.25"));
}

#[tokio::test]
async fn one_recording_at_a_time_and_numbers_within_their_range() {
    let (larder, _) = in_memory().await;
    let numbers: Cache<u64, u64> = larder.cache("numbers").near(CAPACITY).build().unwrap();
    for share in [0.0, -1.0, 1.1, f64::NAN] {
        let error = numbers.record(share, 1).unwrap_err();
        assert!(matches!(error, RecordingError::Share { .. }), "{error}");
    }
    let error = numbers.record(1.0, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a recording holds 1 to 100000000 requests, not 0"
    );
    let recording = numbers.record(1.0, 10).unwrap();
    assert_eq!(
        numbers.record(1.0, 10).unwrap_err(),
        RecordingError::Records
    );
    drop(recording);
    let again = numbers.record(1.0, 10).unwrap();
    numbers.get(&1).await;
    assert_eq!(again.len(), 1);
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

/// Asks for the keys, some thousands a second, and compares the curve with the exact one.
async fn check(name: &str, keys: &[u64], capacities: [u64; 3]) {
    let (larder, clock) = in_memory().await;
    let cache = larder.cache(name).near(CAPACITY).miss_ratio_curve();
    let cache: Cache<u64, u64> = cache.build().unwrap();
    for keys in keys.chunks(500) {
        for key in keys {
            cache.get(key).await;
        }
        clock.advance(Duration::from_millis(100));
    }
    let curve = cache.miss_ratio_curve().unwrap();
    for capacity in capacities {
        let (is, should) = (curve.hit_rate(capacity).unwrap(), exact(keys, capacity));
        assert!(
            (is - should).abs() <= 0.02,
            "{name}: at {capacity} entries {is} instead of {should}, by {:?} of the keys",
            curve.shares()
        );
    }
}

/// The keys of a recorded trace; `None` where the traces are not beside the workspace.
fn recorded(name: &str) -> Option<Vec<u64>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/traces")
        .join(format!("{name}.keys.zst"));
    let lines = BufReader::new(StreamingDecoder::new(File::open(path).ok()?).unwrap()).lines();
    Some(lines.map(|line| line.unwrap().parse().unwrap()).collect())
}

#[tokio::test]
async fn the_curve_of_recorded_traces_is_within_two_points() {
    // Half, all and twice of what they are usually compared at; and what only a share of the keys can tell.
    for (name, capacities) in [
        ("gli", [500, 1_000, 2_000]),
        ("loop", [256, 512, 1_024]),
        ("multi3", [1_000, 2_000, 4_000]),
        ("web12", [1_000, 2_000, 8_000]),
        ("oltp", [500, 2_000, 16_000]),
    ] {
        if let Some(keys) = recorded(name) {
            check(name, &keys, capacities).await;
        }
    }
}

#[tokio::test]
async fn the_curve_of_a_made_trace_is_within_two_points() {
    // Keys whose popularity falls with their rank, of which a few thousand come once.
    let mut state = 1_u64;
    let keys = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let share = f64::from(u32::try_from(state >> 32).unwrap()) / f64::from(u32::MAX);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a key"
        )]
        let key = 100_000_f64.powf(share) as u64;
        key
    });
    let keys: Vec<u64> = keys.take(200_000).collect();
    check("made", &keys, [500, 4_000, 20_000]).await;
}
