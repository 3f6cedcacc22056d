//! Reads at a steady rate, whatever becomes of earlier ones.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, interval_at};

use super::reader::{Keys, Reader, Sample};
use crate::Failure;
use crate::clock;
use crate::workload::Random;

/// From one read to the next.
const EVERY: Duration = Duration::from_millis(2);
/// Different hot keys, and as many shared ones.
const HOT: usize = 64;

/// A subject that is being read from.
pub(super) trait Driven {
    /// Waits for the reads that are under way. The subject's name, and its samples.
    fn stop(self: Box<Self>) -> Result<(&'static str, Vec<Sample>), Failure>;
}

struct Driving {
    name: &'static str,
    runtime: Runtime,
    end: oneshot::Sender<()>,
    reading: JoinHandle<Result<Vec<Sample>, Failure>>,
}

pub(super) fn drive<R: Reader>(runtime: Runtime, url: &str) -> Result<Box<dyn Driven>, Failure> {
    let reader = Arc::new(runtime.block_on(R::open(url))?);
    let (end, ended) = oneshot::channel();
    let reading = runtime.spawn(read(reader, ended));
    Ok(Box::new(Driving {
        name: R::NAME,
        runtime,
        end,
        reading,
    }))
}

impl Driven for Driving {
    fn stop(self: Box<Self>) -> Result<(&'static str, Vec<Sample>), Failure> {
        // Where it has ended already, its own error says why.
        let _ = self.end.send(());
        let samples = self.runtime.block_on(self.reading)??;
        Ok((self.name, samples))
    }
}

async fn read<R: Reader>(
    reader: Arc<R>,
    mut ended: oneshot::Receiver<()>,
) -> Result<Vec<Sample>, Failure> {
    let (mut random, mut cold) = (Random(1), 0);
    let mut reads = JoinSet::new();
    let mut samples = Vec::new();
    let (begin, common) = (Instant::now(), clock::now());
    let mut ticks = interval_at(begin, EVERY);
    loop {
        let due = tokio::select! {
            tick = ticks.tick() => common + (tick - begin),
            _ = &mut ended => break,
        };
        let (keys, n) = match random.below(10) {
            0..6 => (Keys::Hot, random.below(HOT) as u64),
            6..9 => (Keys::Shared, random.below(HOT) as u64),
            _ => {
                cold += 1;
                (Keys::Cold, cold)
            }
        };
        let reader = Arc::clone(&reader);
        reads.spawn(async move {
            let answer = reader.read(keys, n).await;
            let took = clock::now().saturating_sub(due);
            Sample { due, took, answer }
        });
        while let Some(sample) = reads.try_join_next() {
            samples.push(sample?);
        }
    }
    while let Some(sample) = reads.join_next().await {
        samples.push(sample?);
    }
    Ok(samples)
}
