//! What an entry costs beyond its key and value.

use tokio::runtime::Runtime;

use super::subject::{Near, Payload};
use crate::Failure;
use crate::workload::{KEYS, Key};

/// How much goes in before the bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// As many as there is room for.
    Filled,
    /// Three times as many, so that everything that a cache keeps about what it evicted is there:
    /// the steady state of a cache at its capacity.
    Full,
}

impl Fill {
    pub(super) const ALL: [Self; 2] = [Self::Filled, Self::Full];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Filled => "filled",
            Self::Full => "full",
        }
    }

    fn keys(self) -> usize {
        match self {
            Self::Filled => KEYS,
            Self::Full => 3 * KEYS,
        }
    }
}

/// Live bytes of a cache with room for 100,000 entries, less keys and values, for each entry that
/// it holds. The header of the value's `Arc` counts as the cache's.
pub(super) fn bytes_per_entry<K: Key, S: Near<K>>(
    runtime: &Runtime,
    fill: Fill,
) -> Result<f64, Failure> {
    let mut filled = None;
    let counted = allocation_counter::measure(|| {
        filled = Some(runtime.block_on(async {
            let subject = S::open(KEYS).await?;
            for n in 0..fill.keys() {
                subject.put(K::number(n), Payload::number(n)).await?;
            }
            let entries = subject.settle().await?;
            Ok::<_, Failure>((subject, entries))
        }));
    });
    let (subject, entries) = filled.ok_or("nothing was measured")??;
    drop(subject);
    let payload = (K::number(0).bytes() + size_of::<Payload>()) * entries;
    Ok((counted.bytes_current as f64 - payload as f64) / entries as f64)
}
