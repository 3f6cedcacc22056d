//! What is asked for: the keys, and the order in which they come.

/// Different keys in each case.
pub(crate) const KEYS: usize = 100_000;
/// Lookups in a sequence; a longer measurement goes through it again.
const LOOKUPS: usize = 1 << 20;
const ZIPF: f64 = 0.99;
/// All subjects and all runs see the same sequence.
const SEED: u64 = 0x5eed_1a2d_e200_0001;

/// A key as a peer stores it.
pub(crate) trait Key:
    larder::CacheKey + Clone + Ord + std::hash::Hash + Send + Sync + 'static
{
    const NAME: &'static str;

    fn number(n: usize) -> Self;

    /// What it occupies: its own size and what it has allocated.
    fn bytes(&self) -> usize;

    /// Reads it from memory to its end.
    fn read(&self) -> u64;
}

impl Key for String {
    const NAME: &'static str = "string";

    /// 30 bytes that differ at the end and in the middle, as identifiers do.
    fn number(n: usize) -> Self {
        let spread = Random(n as u64).next() as u32;
        let mut key = format!("user:{spread:08x}:profile:{n:08}");
        key.shrink_to_fit();
        key
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.capacity()
    }

    fn read(&self) -> u64 {
        let bytes = self.as_bytes();
        u64::from(bytes[0]) + u64::from(bytes[bytes.len() - 1])
    }
}

impl Key for u64 {
    const NAME: &'static str = "int";

    fn number(n: usize) -> Self {
        n as u64
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
    }

    fn read(&self) -> u64 {
        *self
    }
}

/// The order of lookups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Zipf with exponent 0.99 over all keys, ranks shuffled.
    Zipf,
    /// One key, again and again.
    Hot,
}

impl Pattern {
    pub(crate) const ALL: [Self; 2] = [Self::Zipf, Self::Hot];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zipf => "zipf",
            Self::Hot => "hot",
        }
    }

    /// Numbers of keys, in the order in which they are looked up.
    pub(crate) fn sequence(self) -> Vec<u32> {
        let mut random = Random(SEED);
        if self == Self::Hot {
            return vec![random.below(KEYS) as u32; LOOKUPS];
        }
        let mut key_of_rank: Vec<u32> = (0..KEYS as u32).collect();
        for last in (1..KEYS).rev() {
            key_of_rank.swap(last, random.below(last + 1));
        }
        let mut total = 0.0;
        let cumulative: Vec<f64> = (1..=KEYS)
            .map(|rank| {
                total += (rank as f64).powf(-ZIPF);
                total
            })
            .collect();
        (0..LOOKUPS)
            .map(|_| {
                let point = random.unit() * total;
                let rank = cumulative.partition_point(|&sum| sum <= point);
                key_of_rank[rank.min(KEYS - 1)]
            })
            .collect()
    }
}

/// `SplitMix64`: small, and the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.unit() * limit as f64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_keys_are_30_bytes_and_different() {
        let mut keys: Vec<_> = (0..KEYS).map(String::number).collect();
        assert!(keys.iter().all(|key| key.bytes() == 24 + 30));
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), KEYS);
    }

    #[test]
    fn the_sequence_is_zipf_and_shuffled() {
        let mut counts = vec![0_u32; KEYS];
        for key in Pattern::Zipf.sequence() {
            counts[key as usize] += 1;
        }
        assert!(
            counts[..10].iter().sum::<u32>() < 10_000,
            "ranks are in order"
        );
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let share = |n: usize| f64::from(counts[..n].iter().sum::<u32>()) / LOOKUPS as f64;
        // The harmonic sums of 0.99 over 100,000 ranks.
        assert!((share(1) - 0.078).abs() < 0.003, "{}", share(1));
        assert!((share(1000) - 0.600).abs() < 0.02, "{}", share(1000));
    }

    #[test]
    fn the_hot_key_is_one() {
        let sequence = Pattern::Hot.sequence();
        assert!(sequence.iter().all(|key| *key == sequence[0]));
    }
}
