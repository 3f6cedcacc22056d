//! Counters that any thread raises.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// A plain counter, for what happens beside a server or a loader.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter for near hits: a cell for each thread.
///
/// Threads that share a cache line pass it to and fro, and even a lone atomic addition keeps the
/// processor from beginning the next lookup. A cell that only one thread writes needs neither.
#[derive(Debug, Default)]
pub(crate) struct HitCounter {
    own: [Hits; OWN],
    /// For threads beyond that.
    shared: Hits,
}

/// How many threads have something of their own in a cache.
pub(crate) const OWN: usize = 32;

/// Alone on its pair of cache lines, which x86 fetches together.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Hits(AtomicU64);

impl HitCounter {
    #[inline]
    pub(crate) fn up(&self) {
        match self.own.get(thread_number()) {
            // No other thread has this number, so nothing comes between load and store.
            Some(Hits(own)) => own.store(own.load(Ordering::Relaxed) + 1, Ordering::Relaxed),
            None => {
                self.shared.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn get(&self) -> u64 {
        let cells = self.own.iter().chain([&self.shared]);
        cells.map(|cell| cell.0.load(Ordering::Relaxed)).sum()
    }
}

/// A number that no other living thread has, as small as can be; at least [`OWN`] for those that have
/// none of their own.
#[inline]
pub(crate) fn thread_number() -> usize {
    match NUMBER.get() {
        UNKNOWN => Number::of_this_thread(),
        number => number,
    }
}

const UNKNOWN: usize = usize::MAX;
const NONE: usize = usize::MAX - 1;

thread_local! {
    // Without a destructor, so that to read it is a single load, to the thread's end.
    static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
}

/// A thread's right to its number.
struct Number(usize);

/// Which numbers are taken. Its lock orders a number's old owner before its new one.
static TAKEN: Mutex<Vec<bool>> = Mutex::new(Vec::new());

impl Number {
    #[cold]
    fn of_this_thread() -> usize {
        thread_local! {
            static OWNED: Number = Number::take();
        }
        let number = OWNED.try_with(|number| number.0).unwrap_or(NONE);
        NUMBER.set(number);
        number
    }

    fn take() -> Self {
        let mut taken = TAKEN.lock();
        let number = taken.iter().position(|taken| !taken).unwrap_or(taken.len());
        match taken.get_mut(number) {
            Some(free) => *free = true,
            None => taken.push(true),
        }
        Self(number)
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        // First: what this thread does from here on, it does without a number.
        NUMBER.set(NONE);
        if let Some(taken) = TAKEN.lock().get_mut(self.0) {
            *taken = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn no_hit_is_lost_between_more_threads_than_cells() {
        let threads = OWN + 10;
        let (counter, together) = (HitCounter::default(), Barrier::new(threads));
        for _ in 0..2 {
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        together.wait();
                        (0..1_000).for_each(|_| counter.up());
                    });
                }
            });
        }
        assert_eq!(counter.get(), 2 * 1_000 * threads as u64);
    }
}
