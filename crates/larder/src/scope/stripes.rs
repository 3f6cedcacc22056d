//! A set of marks.

use parking_lot::Mutex;

use crate::load::Watch;

/// How many are listed before a bitmap takes less room.
const FEW: usize = 1 << 9;
const WORDS: usize = (1 << 16) / 64;

/// Which marks belong to the keys of a scope: up to a kilobyte as a list, then eight as a bitmap.
pub(super) enum Stripes {
    Few(Vec<u16>),
    Many(Box<[u64; WORDS]>),
}

impl Stripes {
    pub(super) fn new() -> Self {
        Self::Few(Vec::new())
    }

    pub(super) fn insert(&mut self, stripe: u16) {
        match self {
            Self::Few(list) => {
                let Err(at) = list.binary_search(&stripe) else {
                    return;
                };
                if list.len() < FEW {
                    list.insert(at, stripe);
                    return;
                }
                let mut bits = Box::new([0; WORDS]);
                for stripe in list.iter().chain([&stripe]) {
                    set(&mut bits, *stripe);
                }
                *self = Self::Many(bits);
            }
            Self::Many(bits) => set(bits, stripe),
        }
    }

    /// Hands all of them over, and is empty.
    pub(super) fn drain(&mut self, mut each: impl FnMut(u16)) {
        match std::mem::replace(self, Self::new()) {
            Self::Few(list) => list.into_iter().for_each(each),
            Self::Many(bits) => {
                for stripe in 0..=u16::MAX {
                    if bits[usize::from(stripe / 64)] >> (stripe % 64) & 1 == 1 {
                        each(stripe);
                    }
                }
            }
        }
    }
}

/// Sets all marks of a set, and leaves it empty.
pub(super) fn mark(stripes: &Mutex<Stripes>, watch: &Watch) {
    let mut all = Vec::new();
    stripes.lock().drain(|stripe| all.push(stripe));
    for stripe in all {
        watch.mark_at(stripe);
    }
}

fn set(bits: &mut [u64; WORDS], stripe: u16) {
    bits[usize::from(stripe / 64)] |= 1 << (stripe % 64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_in_comes_out_once_as_a_list_and_as_a_bitmap() {
        for count in [0, 1, FEW, FEW + 1, 5_000] {
            let mut stripes = Stripes::new();
            // Odd, so each comes once.
            let spread = |n: usize| u16::try_from(n * 40_503 % 65_536).unwrap();
            let mut all: Vec<u16> = (0..count).map(spread).collect();
            all.iter()
                .chain(&all)
                .for_each(|stripe| stripes.insert(*stripe));
            all.sort_unstable();
            let mut out = Vec::new();
            stripes.drain(|stripe| out.push(stripe));
            assert_eq!(out, all);
            stripes.drain(|_| panic!("it is empty now"));
        }
    }
}
