//! Counters that any thread raises.

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
    own: [Cell; OWN],
    /// For threads beyond that.
    shared: Cell,
}

const OWN: usize = 32;

/// Alone on its pair of cache lines, which x86 fetches together.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Cell(AtomicU64);

impl HitCounter {
    #[inline]
    pub(crate) fn up(&self) {
        match self.own.get(thread_number()) {
            // No other thread has this number, so nothing comes between load and store.
            Some(Cell(own)) => own.store(own.load(Ordering::Relaxed) + 1, Ordering::Relaxed),
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

/// A number that no other living thread has, as small as can be.
struct Number(usize);

/// Which numbers are taken. Its lock orders a number's old owner before its new one.
static TAKEN: Mutex<Vec<bool>> = Mutex::new(Vec::new());

impl Number {
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
        if let Some(taken) = TAKEN.lock().get_mut(self.0) {
            *taken = false;
        }
    }
}

#[inline]
fn thread_number() -> usize {
    thread_local! {
        static NUMBER: Number = Number::take();
    }
    // A thread that is ending may have given its number back already.
    NUMBER.try_with(|number| number.0).unwrap_or(usize::MAX)
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
