//! What is left of scopes that are not remembered any more: the marks of their keys.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use quick_cache::DefaultHashBuilder;

use super::stripes::{self, Stripes};
use crate::load::Watch;

/// How many sets of marks they share: half a megabyte at most.
const SHARES: usize = 64;

/// The marks of forgotten scopes. Several scopes have a share in common, so a change of one costs the
/// others' keys a read of the server, and none is missed (G2).
pub(super) struct Forgotten {
    shares: Box<[Share]>,
    hasher: DefaultHashBuilder,
}

pub(super) struct Share {
    /// The last change of any of its scopes.
    changed: AtomicU64,
    stripes: Mutex<Stripes>,
}

impl Forgotten {
    pub(super) fn new() -> Self {
        let share = |_| Share {
            changed: AtomicU64::new(0),
            stripes: Mutex::new(Stripes::new()),
        };
        Self {
            shares: (0..SHARES).map(share).collect(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// The share of the scope whose stamp lies under `key`.
    pub(super) fn of(&self, key: &str) -> &Share {
        &self.shares[(self.hasher.hash_one(key) >> 32) as usize % SHARES]
    }
}

impl Share {
    /// Takes over what a scope knows that is forgotten now.
    pub(super) fn take(&self, stripes: &mut Stripes, changed: u64) {
        self.note(changed);
        let mut own = self.stripes.lock();
        stripes.drain(|stripe| own.insert(stripe));
    }

    /// Takes note of a change of one of its scopes.
    pub(super) fn note(&self, seq: u64) {
        self.changed.fetch_max(seq, Ordering::SeqCst);
    }

    pub(super) fn changed(&self) -> u64 {
        self.changed.load(Ordering::SeqCst)
    }

    /// Sets all of its marks.
    pub(super) fn mark(&self, watch: &Watch) {
        stripes::mark(&self.stripes, watch);
    }
}
