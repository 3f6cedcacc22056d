//! A counter that many threads raise without sharing a cache line.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const STRIPES: usize = 16;

/// One stripe, alone on its pair of cache lines (x86 prefetches two).
#[repr(align(128))]
#[derive(Debug, Default)]
struct Stripe(AtomicU64);

/// Counts events from any thread; reading it is a sum over the stripes.
#[derive(Debug, Default)]
pub(crate) struct Counter([Stripe; STRIPES]);

/// This thread's number, given out in turn, so that few threads share no stripe.
#[inline]
pub(crate) fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    NUMBER.with(|number| {
        if number.get() == usize::MAX {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}

impl Counter {
    #[inline]
    pub(crate) fn up(&self) {
        self.0[thread_number() % STRIPES]
            .0
            .fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0
            .iter()
            .map(|stripe| stripe.0.load(Ordering::Relaxed))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_count_is_lost_between_threads() {
        let counter = Counter::default();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| (0..1_000).for_each(|_| counter.up()));
            }
        });
        assert_eq!(counter.get(), 20_000);
    }
}
