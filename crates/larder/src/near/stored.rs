//! One near entry: a value and its times.

use std::sync::Arc;
use std::time::Duration;

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
#[derive(Debug)]
pub(crate) struct Stored<V> {
    pub(crate) value: Arc<V>,
    pub(crate) life: Life,
    /// Until when this process answers from the entry without asking: the end of its freshness,
    /// or of the trust in it, whichever comes first. The one time that a hit compares.
    pub(crate) good_until: Tick,
    pub(crate) weight: u32,
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
