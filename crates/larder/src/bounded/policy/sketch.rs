//! How often keys were asked for of late, by their hashes, in a byte or two for each entry.

/// Counters of four bits, sixteen in a word. A key has four of them, shared with others by chance; the
/// least is the nearest to the truth.
#[derive(Debug)]
pub(super) struct Sketch {
    words: Vec<u64>,
    added: usize,
}

const ROWS: [u64; 4] = [
    0x9e37_79b9_7f4a_7c15,
    0xc2b2_ae3d_27d4_eb4f,
    0x1656_67b1_9e37_79f9,
    0xd6e8_feb8_6659_fd93,
];
/// Counters end here.
const MOST: u64 = 15;
/// After so many counts for each word all are halved, so that what was popular is forgotten.
const AGE: usize = 10;
/// All bits but the highest of each counter.
const HALVES: u64 = 0x7777_7777_7777_7777;

impl Sketch {
    pub(super) fn new() -> Self {
        Self {
            words: vec![0; 64],
            added: 0,
        }
    }

    /// Makes room for so many keys. What was counted stays.
    pub(super) fn reserve(&mut self, keys: usize) {
        while self.words.len() < keys {
            // A key's word has the same bits of its hash in a table of double size, and one more.
            self.words.extend_from_within(..);
        }
    }

    fn places(&self, hash: u64) -> [(usize, u64); 4] {
        ROWS.map(|row| {
            let mixed = (hash ^ (hash >> 32)).wrapping_mul(row);
            let word = (mixed >> 24) as usize & (self.words.len() - 1);
            (word, (mixed >> 60) * 4)
        })
    }

    pub(super) fn add(&mut self, hash: u64) {
        for (word, shift) in self.places(hash) {
            if (self.words[word] >> shift) & MOST < MOST {
                self.words[word] += 1 << shift;
            }
        }
        self.added += 1;
        if self.added >= AGE * self.words.len() {
            self.added /= 2;
            for word in &mut self.words {
                *word = (*word >> 1) & HALVES;
            }
        }
    }

    pub(super) fn count(&self, hash: u64) -> u64 {
        let counts = self.places(hash);
        let counts = counts.map(|(word, shift)| (self.words[word] >> shift) & MOST);
        counts.into_iter().min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(key: u64) -> u64 {
        key.wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(29)
    }

    #[test]
    fn counts_are_never_too_small_and_seldom_too_large() {
        let mut sketch = Sketch::new();
        sketch.reserve(1_000);
        let times = |key: u64| key % 7;
        for key in 0..1_000 {
            (0..times(key)).for_each(|_| sketch.add(hash(key)));
        }
        let count = |sketch: &Sketch, key| sketch.count(hash(key));
        assert!((0..1_000).all(|key| count(&sketch, key) >= times(key)));
        let wrong = (0..1_000).filter(|key| count(&sketch, *key) > times(*key));
        let wrong = wrong.count();
        assert!(wrong < 20, "{wrong}");
        // Grown, it knows the same.
        let before: Vec<_> = (0..1_000).map(|key| count(&sketch, key)).collect();
        sketch.reserve(5_000);
        let after: Vec<_> = (0..1_000).map(|key| count(&sketch, key)).collect();
        assert_eq!(before, after);
    }

    #[test]
    fn what_was_popular_is_forgotten() {
        let mut sketch = Sketch::new();
        (0..20).for_each(|_| sketch.add(hash(1)));
        assert_eq!(sketch.count(hash(1)), 15);
        (0..5_000).for_each(|key| sketch.add(hash(key + 2)));
        assert!(sketch.count(hash(1)) < 15);
    }
}
