//! One near entry: a value and its times.

use std::sync::Arc;
use std::time::Duration;

use crate::load::Proof;
use crate::time::Tick;

/// When a value was made, and until when it may be served as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    /// When it was loaded or set, never later than it was.
    pub(crate) born: Tick,
    /// Until when it is within its TTL.
    pub(crate) fresh_until: Tick,
    /// Until when it may be served as stale (G4).
    pub(crate) expires: Tick,
}

impl Life {
    pub(crate) fn new(born: Tick, ttl: Duration, stale: Duration) -> Self {
        let fresh_until = born.plus(ttl);
        Self {
            born,
            fresh_until,
            expires: fresh_until.plus(stale),
        }
    }
}

/// A value in the near tier.
///
/// Entries lie side by side in one large table, and most of a hit's time goes into fetching one
/// from memory, so its times are packed: 40 bytes in all.
#[derive(Debug)]
pub(crate) struct Stored<V> {
    pub(crate) value: Arc<V>,
    pub(crate) weight: u32,
    /// What was known of the server when the value was read.
    proof: [u8; 8],
    good_until: Millis,
    born: Millis,
    fresh_until: Millis,
    expires: Millis,
}

impl<V> Stored<V> {
    /// `good_until`: until when this process answers from the entry without asking, which is the
    /// end of its freshness, or of the trust in it, whichever comes first.
    pub(crate) fn new(
        value: Arc<V>,
        weight: u32,
        life: Life,
        good_until: Tick,
        proof: Proof,
    ) -> Self {
        Self {
            value,
            weight,
            proof: proof.to_bits().to_le_bytes(),
            good_until: Millis::at(good_until),
            born: Millis::at(life.born),
            fresh_until: Millis::at(life.fresh_until),
            expires: Millis::at(life.expires),
        }
    }

    #[inline]
    pub(crate) fn proof(&self) -> Proof {
        Proof::from_bits(u64::from_le_bytes(self.proof))
    }

    /// The one time that a hit compares.
    #[inline]
    pub(crate) fn good_until(&self) -> Tick {
        self.good_until.tick()
    }

    pub(crate) fn life(&self) -> Life {
        Life {
            born: self.born.tick(),
            fresh_until: self.fresh_until.tick(),
            expires: self.expires.tick(),
        }
    }
}

impl<V> Clone for Stored<V> {
    #[inline]
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            ..*self
        }
    }
}

/// A tick cut to whole milliseconds, which is never later: 40 bits, so 34 years from the clock's
/// origin. Twice [`MAX_TTL`](crate::MAX_TTL) fits beside ten years of running.
#[derive(Clone, Copy, Debug)]
struct Millis([u8; 5]);

impl Millis {
    fn at(tick: Tick) -> Self {
        let mut packed = [0; 5];
        packed.copy_from_slice(&(tick.0 / 1_000).min((1 << 40) - 1).to_le_bytes()[..5]);
        Self(packed)
    }

    #[inline]
    fn tick(self) -> Tick {
        let mut millis = [0; 8];
        millis[..5].copy_from_slice(&self.0);
        Tick(u64::from_le_bytes(millis) * 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MAX_TTL;

    #[test]
    fn an_entry_stays_small() {
        assert_eq!(size_of::<Stored<String>>(), 40);
    }

    #[test]
    fn times_survive_packing_to_the_millisecond() {
        let born = Tick(1_234_567_891);
        let life = Life::new(born, MAX_TTL, MAX_TTL);
        let packed = Stored::new(Arc::new(()), 1, life, life.fresh_until, Proof::LOCAL).life();
        assert_eq!(packed.born, Tick(1_234_567_000));
        assert_eq!(packed.expires.since(packed.born), MAX_TTL * 2);
    }
}
