//! The hit rate as a function of the size.

use std::fmt;

/// Distances below this have a bucket each.
const EXACT: usize = 128;
/// Buckets between a power of two and the next.
const PARTS: usize = 32;
/// Distances up to two to this power are told apart.
const OCTAVES: usize = 40;

/// How often a key was asked for again after so many others.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Histogram {
    /// How many requests; the last is for all that is farther.
    weights: Vec<f64>,
    /// For keys that were not asked for before.
    first: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            weights: vec![0.0; bucket(f64::MAX) + 1],
            first: 0.0,
        }
    }
}

impl Histogram {
    pub(super) fn add(&mut self, distance: f64, weight: f64) {
        self.weights[bucket(distance)] += weight;
    }

    pub(super) fn add_first(&mut self, weight: f64) {
        self.first += weight;
    }

    /// How many requests a cache of so many entries has no answer for.
    fn misses(&self, entries: f64) -> f64 {
        let last = bucket(entries);
        let (from, to) = (start(last), start(last + 1));
        let part = ((to - entries) / (to - from)).clamp(0.0, 1.0);
        let farther: f64 = self.weights[last + 1..].iter().sum();
        self.first + farther + self.weights[last] * part
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "not negative, and cut to a small number first"
)]
fn bucket(distance: f64) -> usize {
    if distance < EXACT as f64 {
        return distance as usize;
    }
    let octave = distance.log2().floor().min(OCTAVES as f64);
    let part = ((distance / octave.exp2() - 1.0) * PARTS as f64).min(PARTS as f64 - 1.0);
    EXACT + (octave as usize - EXACT.ilog2() as usize) * PARTS + part as usize
}

/// The least distance that a bucket is for.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn start(bucket: usize) -> f64 {
    if bucket < EXACT {
        return bucket as f64;
    }
    let (octave, part) = ((bucket - EXACT) / PARTS, (bucket - EXACT) % PARTS);
    let octave = (octave as f64).exp2() * EXACT as f64;
    octave * (1.0 + part as f64 / PARTS as f64)
}

/// What a cache's hit rate in memory would be with another capacity. From
/// [`Cache::miss_ratio_curve`](crate::Cache::miss_ratio_curve).
///
/// It is the curve of a near tier that evicts the least recently used, as if nothing expired and nothing were
/// removed. The default engine does as well or better on most workloads; what is asked for only once, or is
/// invalidated before it is asked for again, no size helps. Compare the curve with itself, at two sizes, more than
/// with the rate that is counted.
///
/// Shown by `{}` it is a table of a quarter to four times the present capacity.
#[derive(Clone, Debug, PartialEq)]
pub struct MissRatioCurve {
    /// For short distances, and for long ones.
    histograms: [Histogram; 2],
    /// Up to how many entries the first one tells: of all requests, and of those since fewer keys are
    /// looked at.
    reach: [f64; 2],
    lookups: u64,
    samples: [u64; 2],
    shares: [f64; 2],
    size: Size,
}

/// What the near tier's capacity is, and for how many entries it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Size {
    pub(crate) capacity: u64,
    /// What an entry weighs; `None` where none is there to tell.
    pub(crate) mean_weight: Option<f64>,
}

impl MissRatioCurve {
    pub(super) fn new(
        histograms: [Histogram; 2],
        reach: [f64; 2],
        lookups: u64,
        samples: [u64; 2],
        shares: [f64; 2],
        size: Size,
    ) -> Self {
        Self {
            histograms,
            reach,
            lookups,
            samples,
            shares,
            size,
        }
    }

    /// The share of lookups that a near tier of this capacity would answer, 0 to 1; `None` before the first.
    ///
    /// The capacity is in the cache's own unit, entries or bytes. Bytes are taken for entries of the present mean
    /// weight, so there has to be an entry.
    pub fn hit_rate(&self, capacity: u64) -> Option<f64> {
        let mean = self.size.mean_weight.filter(|_| self.lookups > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "ratios")]
        let (entries, lookups) = (capacity as f64 / mean, self.lookups as f64);
        // What was looked at tells the misses, and what is no miss is a hit. The sampled hits would tell too little:
        // few keys have most of them, and may be sampled or not (SHARDS-adj, in the same paper).
        let [short, long] = &self.histograms;
        let hits = |misses: f64| (1.0 - misses / lookups).clamp(0.0, 1.0);
        let [of_all, farthest] = self.reach;
        let rate = hits(short.misses(entries.min(farthest)));
        // Beyond the first reach, what came before counts there as a miss, however near it was.
        Some(if entries <= of_all {
            rate
        } else {
            rate.max(hits(long.misses(entries)))
        })
    }

    /// One less the [`hit_rate`](Self::hit_rate).
    pub fn miss_ratio(&self, capacity: u64) -> Option<f64> {
        self.hit_rate(capacity).map(|hits| 1.0 - hits)
    }

    /// The present capacity of the near tier, in the cache's own unit: entries or bytes.
    pub fn capacity(&self) -> u64 {
        self.size.capacity
    }

    /// Requests that were looked at.
    pub fn samples(&self) -> u64 {
        self.samples[0].max(self.samples[1])
    }

    /// The share of the keys that is looked at now, 0 to 1: for small capacities, and for large ones. A capacity that
    /// holds fewer than some 50 of these keys is guessed at.
    pub fn shares(&self) -> [f64; 2] {
        self.shares
    }
}

impl fmt::Display for MissRatioCurve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>16}  {:>8}", "capacity", "hit rate")?;
        let now = self.size.capacity;
        let sizes = [
            now / 4,
            now / 2,
            now,
            now.saturating_mul(2),
            now.saturating_mul(4),
        ];
        for capacity in sizes {
            write!(f, "\n{capacity:>16}  ")?;
            match self.hit_rate(capacity) {
                Some(rate) => write!(f, "{:>6.1} %", rate * 100.0)?,
                None => write!(f, "{:>8}", "unknown")?,
            }
            if capacity == now {
                write!(f, "  now")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for bucket_of in 0..bucket(f64::MAX) {
            assert_eq!(bucket(start(bucket_of)), bucket_of);
            assert!(start(bucket_of) < start(bucket_of + 1));
        }
        for (distance, expected) in [
            (0.0, 0),
            (0.9, 0),
            (127.5, 127),
            (128.0, 128),
            (1e300, 1215),
        ] {
            assert_eq!(bucket(distance), expected, "{distance}");
        }
    }

    #[test]
    fn the_table_marks_the_present_capacity() {
        let mut histogram = Histogram::default();
        for distance in 0..100 {
            histogram.add(f64::from(distance), 1.0);
        }
        let size = Size {
            capacity: 40,
            mean_weight: Some(1.0),
        };
        let curve = |histogram: Histogram, lookups| {
            let histograms = [histogram.clone(), histogram];
            MissRatioCurve::new(histograms, [50.0; 2], lookups, [lookups; 2], [1.0; 2], size)
        };
        let expected = "        capacity  hit rate
              10    10.0 %
              20    20.0 %
              40    40.0 %  now
              80    80.0 %
             160   100.0 %";
        assert_eq!(curve(histogram, 100).to_string(), expected);
        let none = curve(Histogram::default(), 0);
        assert_eq!(none.hit_rate(40), None);
        assert!(none.to_string().contains("unknown"));
    }
}
