//! Which keys the two tenants ask for.

use super::CAPACITY;
use super::subject::VALUE;
use crate::workload::Random;

/// The quiet tenant's keys, all equally likely: they have no hot ones that an engine could prefer.
const QUIET_KEYS: usize = 900;
/// The noisy one's lookups for each of the quiet one's.
const NOISY: u32 = 10;

/// How the noisy tenant behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noise {
    /// It asks for each key once: an export, a crawler.
    Scan,
    /// It asks for each key three times in a short while: as most users do.
    Bursts,
}

impl Noise {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Bursts => "bursts",
        }
    }
}

pub(super) struct Mix {
    noise: Noise,
    random: Random,
    next: u32,
}

impl Mix {
    pub(super) fn new(noise: Noise) -> Self {
        Self {
            noise,
            random: Random(0x7e9a_4751),
            next: 0,
        }
    }

    pub(super) fn quiet(&mut self) -> u32 {
        self.random.below(QUIET_KEYS) as u32
    }

    /// Over ten times as many keys as fit.
    pub(super) fn noisy(&mut self) -> Vec<u32> {
        let all = (10 * CAPACITY / VALUE as u64) as u32;
        let keys = (0..NOISY).map(|_| {
            let turn = self.next;
            self.next += 1;
            match self.noise {
                Noise::Scan => turn % all,
                // Groups of ten, each gone through three times.
                Noise::Bursts => (turn / 30 * 10 + turn % 10) % all,
            }
        });
        keys.collect()
    }
}
