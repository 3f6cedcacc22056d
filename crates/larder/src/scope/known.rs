//! A stamp as it was last read: looked at by every read of the server, and seldom written.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use parking_lot::Mutex;

use crate::load::Proof;
use crate::wire::Stamp;

/// Readers write nothing, so threads that look at once do not pass it to and fro between their cores.
#[derive(Default)]
pub(super) struct Known {
    writing: Mutex<()>,
    /// Odd while it is written. Zero: nothing is known.
    version: AtomicU64,
    remove: AtomicU64,
    expire: AtomicU64,
    proof: AtomicU64,
}

impl Known {
    pub(super) fn get(&self) -> Option<(Stamp, Proof)> {
        loop {
            let before = self.version.load(Ordering::Acquire);
            if before == 0 {
                return None;
            }
            let stamp = Stamp {
                remove: self.remove.load(Ordering::Relaxed),
                expire: self.expire.load(Ordering::Relaxed),
            };
            let proof = Proof::from_bits(self.proof.load(Ordering::Relaxed));
            // What was read above was read before the version is read again.
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before {
                return Some((stamp, proof));
            }
            std::hint::spin_loop();
        }
    }

    /// Takes note of a stamp, unless one that was asked for later is known.
    pub(super) fn learn(&self, stamp: Stamp, proof: Proof) {
        let _writing = self.writing.lock();
        if self
            .get()
            .is_some_and(|(_, known)| known.seq() > proof.seq())
        {
            return;
        }
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        // Who sees any of what follows sees the odd version too.
        fence(Ordering::Release);
        self.remove.store(stamp.remove, Ordering::Relaxed);
        self.expire.store(stamp.expire, Ordering::Relaxed);
        self.proof.store(proof.to_bits(), Ordering::Relaxed);
        self.version.store(version + 2, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn stamp(of: u64) -> Stamp {
        Stamp {
            remove: of,
            expire: of.wrapping_mul(3),
        }
    }

    /// The count of a proof lies above its sixteen bits of stripe.
    fn proof(seq: u64) -> Proof {
        Proof::from_bits(seq << 16)
    }

    #[test]
    fn a_later_read_stays_and_an_equal_one_replaces() {
        let known = Known::default();
        assert_eq!(known.get(), None);
        known.learn(stamp(2), proof(2));
        known.learn(stamp(1), proof(1));
        assert_eq!(known.get(), Some((stamp(2), proof(2))));
        known.learn(stamp(3), proof(2));
        assert_eq!(known.get(), Some((stamp(3), proof(2))));
    }

    #[test]
    fn what_is_read_is_of_one_piece() {
        let (known, over) = (Known::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 1..200_000 {
                    known.learn(stamp(n), proof(n));
                }
                over.store(true, Ordering::Release);
            });
            let mut last = 0;
            while !over.load(Ordering::Acquire) {
                if let Some((read, of)) = known.get() {
                    assert_eq!(read, stamp(of.seq()));
                    assert!(of.seq() >= last, "it goes back");
                    last = of.seq();
                }
            }
        });
    }
}
