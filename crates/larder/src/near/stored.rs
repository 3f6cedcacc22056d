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
/// from memory, so its label is packed: 40 bytes in all.
#[derive(Debug)]
pub(crate) struct Stored<V> {
    pub(crate) value: Arc<V>,
    pub(super) label: Label,
}

/// What is written on a value: all that is known of it, without itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    weight: Weight,
    /// What was known of the server when the value was read.
    proof: [u8; 8],
    /// How long the load took: see [`cost`](Self::cost).
    cost: u8,
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
        cost: Duration,
    ) -> Self {
        Self {
            value,
            label: Label {
                weight: Weight::of(weight),
                cost: log(cost),
                proof: proof.to_bits().to_le_bytes(),
                good_until: Millis::at(good_until),
                born: Millis::at(life.born),
                fresh_until: Millis::at(life.fresh_until),
                expires: Millis::at(life.expires),
            },
        }
    }

    #[inline]
    pub(crate) fn weight(&self) -> u32 {
        self.label.weight.get()
    }

    #[inline]
    pub(crate) fn proof(&self) -> Proof {
        Proof::from_bits(u64::from_le_bytes(self.label.proof))
    }

    /// How long the load took, to within a fifth; zero where it was set.
    pub(crate) fn cost(&self) -> Duration {
        match self.label.cost {
            0 => Duration::ZERO,
            log => Duration::from_micros(1).mul_f64((f64::from(log) / LOG_STEPS).exp2()),
        }
    }

    /// The one time that a hit compares.
    #[inline]
    pub(crate) fn good_until(&self) -> Tick {
        self.label.good_until.tick()
    }

    pub(crate) fn life(&self) -> Life {
        Life {
            born: self.label.born.tick(),
            fresh_until: self.label.fresh_until.tick(),
            expires: self.label.expires.tick(),
        }
    }
}

impl<V> Clone for Stored<V> {
    #[inline]
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            label: self.label,
        }
    }
}

/// A weight in three bytes: exact below 512 Ki, and above rounded up by less than 1 in 250,000.
#[derive(Clone, Copy, Debug)]
struct Weight([u8; 3]);

/// The bits of a weight that are kept; the other five say how far they are shifted.
const WEIGHT_BITS: u32 = 19;

impl Weight {
    fn of(weight: u32) -> Self {
        let mut shift = (32 - weight.leading_zeros()).saturating_sub(WEIGHT_BITS);
        let mut kept = u64::from(weight).div_ceil(1 << shift);
        if kept >> WEIGHT_BITS > 0 {
            shift += 1;
            kept = u64::from(weight).div_ceil(1 << shift);
        }
        let [a, b, c, ..] = (kept | u64::from(shift) << WEIGHT_BITS).to_le_bytes();
        Self([a, b, c])
    }

    #[inline]
    fn get(self) -> u32 {
        let [a, b, c] = self.0;
        let packed = u64::from(u32::from_le_bytes([a, b, c, 0]));
        let (kept, shift) = (packed & ((1 << WEIGHT_BITS) - 1), packed >> WEIGHT_BITS);
        u32::try_from(kept << shift).unwrap_or(u32::MAX)
    }
}

/// Steps for each doubling: 255 of them reach from a microsecond to three centuries.
const LOG_STEPS: f64 = 5.0;

/// The logarithm of a time, in a byte.
fn log(time: Duration) -> u8 {
    let log = (time.as_secs_f64() * 1e6).log2() * LOG_STEPS;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "cut to the range before; of zero time the logarithm is below it"
    )]
    let log = log.round().clamp(0.0, 255.0) as u8;
    log
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
    fn a_weight_is_never_understated_and_exact_where_it_is_small() {
        for weight in (0..32)
            .map(|bit| 1_u32 << bit)
            .flat_map(|power| [power - 1, power, power + 1, power | power >> 18 | 1])
            .chain([u32::MAX])
        {
            let kept = Weight::of(weight).get();
            assert!(kept >= weight, "{kept} < {weight}");
            assert!(kept - weight <= weight / 250_000, "{kept} for {weight}");
        }
    }

    #[test]
    fn a_cost_survives_packing_to_a_fifth() {
        for micros in [0, 1, 50, 1_000, 123_456, 60_000_000, 86_400_000_000] {
            let cost = Duration::from_micros(micros);
            let life = Life::new(Tick(0), MAX_TTL, MAX_TTL);
            let packed = Stored::new(Arc::new(()), 1, life, life.expires, Proof::LOCAL, cost);
            let error = packed.cost().abs_diff(cost);
            assert!(
                error <= (cost / 5).max(Duration::from_micros(1)),
                "{cost:?} off by {error:?}"
            );
        }
    }

    #[test]
    fn times_survive_packing_to_the_millisecond() {
        let born = Tick(1_234_567_891);
        let life = Life::new(born, MAX_TTL, MAX_TTL);
        let packed = Stored::new(
            Arc::new(()),
            1,
            life,
            life.fresh_until,
            Proof::LOCAL,
            Duration::ZERO,
        )
        .life();
        assert_eq!(packed.born, Tick(1_234_567_000));
        assert_eq!(packed.expires.since(packed.born), MAX_TTL * 2);
    }
}
