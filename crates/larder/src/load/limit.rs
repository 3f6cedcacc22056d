//! How many of something there are, and may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Limit {
    taken: AtomicUsize,
    max: AtomicUsize,
}

/// One of them, given back when it is dropped.
#[must_use]
pub(crate) struct Taken(Arc<Limit>);

impl Limit {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicUsize::new(0),
            max: AtomicUsize::new(max),
        })
    }

    /// `None` where there are as many as there may be.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Taken> {
        let taken = Taken(Arc::clone(self));
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        (before < self.max.load(Ordering::Relaxed)).then_some(taken)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.taken() >= self.max.load(Ordering::Relaxed)
    }

    /// Those that are taken already stay.
    pub(crate) fn allow(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
