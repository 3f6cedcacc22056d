//! Runs a subject: one `block_on` around all lookups of a turn, so that what is measured is the
//! lookup and not the runtime.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::subject::{Near, Payload};
use crate::Failure;
use crate::workload::{KEYS, Key};

/// Lookups between two looks at the clock.
const BATCH: usize = 1024;

/// What one turn brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    pub(super) ns_per_op: f64,
    pub(super) ops_per_s: f64,
    /// The share of lookups that found nothing in memory.
    pub(super) misses: f64,
}

/// A filled subject, whatever its type.
pub(super) trait Subject {
    fn name(&self) -> &'static str;

    /// Looks up for as long as `turn` in each of `threads`.
    fn turn(&self, sequence: &[u32], threads: usize, turn: Duration) -> Turn;

    /// Allocations in one lookup, on average over a pass of the sequence.
    fn allocs_per_op(&self, sequence: &[u32]) -> f64;
}

pub(super) struct Filled<'a, K, S> {
    subject: S,
    /// The keys to ask with: other allocations than those stored.
    keys: &'a [K],
    runtime: &'a Runtime,
}

impl<'a, K: Key, S: Near<K>> Filled<'a, K, S> {
    pub(super) fn new(
        keys: &'a [K],
        runtime: &'a Runtime,
        capacity: usize,
    ) -> Result<Self, Failure> {
        let subject = runtime.block_on(async {
            let subject = S::open(capacity).await?;
            for n in 0..KEYS {
                subject.put(K::number(n), Payload::number(n)).await?;
            }
            subject.settle().await?;
            Ok::<_, Failure>(subject)
        })?;
        Ok(Self {
            subject,
            keys,
            runtime,
        })
    }

    /// One thread's lookups: how many, how many missed, and how long it took.
    async fn look_up(
        &self,
        sequence: &[u32],
        start: usize,
        turn: Duration,
    ) -> (u64, u64, Duration) {
        let (mut lookups, mut misses, mut sum) = (0_u64, 0_u64, 0_u64);
        let begin = Instant::now();
        let mut batches = sequence.chunks_exact(BATCH).cycle().skip(start / BATCH);
        loop {
            let Some(batch) = batches.next() else {
                return (lookups, misses, begin.elapsed());
            };
            for &n in batch {
                match self.subject.get(&self.keys[n as usize]).await {
                    // The value is read, as by whoever asked for it.
                    Some(hit) => sum = sum.wrapping_add(hit.0[0]),
                    None => misses += 1,
                }
            }
            lookups += batch.len() as u64;
            let elapsed = begin.elapsed();
            if elapsed >= turn {
                black_box(sum);
                return (lookups, misses, elapsed);
            }
        }
    }
}

impl<K: Key, S: Near<K>> Subject for Filled<'_, K, S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn turn(&self, sequence: &[u32], threads: usize, turn: Duration) -> Turn {
        let warm_up = turn / 8;
        let barrier = Barrier::new(threads);
        let one = |thread: usize| {
            let start = sequence.len() / threads * thread;
            self.runtime.block_on(async {
                barrier.wait();
                // The subject before left the processor's caches full of its own.
                self.look_up(sequence, start, warm_up).await;
                self.look_up(sequence, start, turn).await
            })
        };
        let before = self.subject.asked_further();
        let results: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads)
                .map(|thread| scope.spawn(move || one(thread)))
                .collect();
            running
                .into_iter()
                .filter_map(|it| it.join().ok())
                .collect()
        });
        let lookups: u64 = results.iter().map(|result| result.0).sum();
        // Those of the warm-up are among them: rather too many than too few.
        let further = self.subject.asked_further() - before;
        let misses: u64 = results.iter().map(|it| it.1).sum::<u64>() + further;
        let nanos: f64 = results.iter().map(|it| it.2.as_nanos() as f64).sum();
        Turn {
            ns_per_op: nanos / lookups as f64,
            ops_per_s: results
                .iter()
                .map(|(lookups, _, took)| *lookups as f64 / took.as_secs_f64())
                .sum(),
            misses: misses as f64 / lookups as f64,
        }
    }

    fn allocs_per_op(&self, sequence: &[u32]) -> f64 {
        let mut lookups = 0;
        self.runtime.block_on(async {
            // What is allocated once, at first use, does not count: some subjects keep copies of keys
            // for each thread.
            self.look_up(sequence, 0, Duration::from_millis(100)).await;
        });
        let counted = allocation_counter::measure(|| {
            let turn = Duration::from_millis(10);
            (lookups, _, _) = self.runtime.block_on(self.look_up(sequence, 0, turn));
        });
        counted.count_total as f64 / lookups as f64
    }
}
