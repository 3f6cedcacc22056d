//! Runs a client from many tasks at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::subject::Client;
use crate::Failure;
use crate::workload::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Get,
    Set,
}

const WARM_UP: u8 = 0;
const MEASURED: u8 = 1;
const OVER: u8 = 2;

/// What one turn brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    pub(super) ops_per_s: f64,
    /// The share of reads that found nothing.
    pub(super) misses: f64,
}

/// A connected client, whatever its type.
pub(super) trait Subject {
    fn name(&self) -> &'static str;

    /// Works for as long as `turn` in each of `tasks`.
    fn turn(&self, runtime: &Runtime, tasks: usize, turn: Duration) -> Result<Turn, Failure>;
}

pub(super) struct Connected<C> {
    pub(super) client: C,
    pub(super) operation: Operation,
    /// Different keys.
    pub(super) keys: usize,
}

impl<C: Client> Subject for Connected<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn turn(&self, runtime: &Runtime, tasks: usize, turn: Duration) -> Result<Turn, Failure> {
        runtime.block_on(async {
            let phase = Arc::new(AtomicU8::new(WARM_UP));
            let mut running = JoinSet::new();
            for task in 0..tasks {
                let random = Random(task as u64);
                running.spawn(work(
                    self.client.clone(),
                    self.operation,
                    self.keys,
                    random,
                    Arc::clone(&phase),
                ));
            }
            sleep(turn / 8).await;
            phase.store(MEASURED, Ordering::Relaxed);
            let begin = Instant::now();
            sleep(turn).await;
            phase.store(OVER, Ordering::Relaxed);
            let took = begin.elapsed();
            let (mut done, mut missed) = (0, 0);
            while let Some(task) = running.join_next().await {
                let (task_done, task_missed) = task??;
                done += task_done;
                missed += task_missed;
            }
            Ok(Turn {
                ops_per_s: done as f64 / took.as_secs_f64(),
                misses: missed as f64 / done.max(1) as f64,
            })
        })
    }
}

/// One task: operations that ended in the measured time, and how many of them missed.
async fn work<C: Client>(
    mut client: C,
    operation: Operation,
    keys: usize,
    mut random: Random,
    phase: Arc<AtomicU8>,
) -> Result<(u64, u64), Failure> {
    let (mut done, mut missed) = (0, 0);
    loop {
        let n = random.below(keys);
        let found = match operation {
            Operation::Get => client.get(n).await?,
            Operation::Set => {
                client.set(n).await?;
                true
            }
        };
        match phase.load(Ordering::Relaxed) {
            WARM_UP => {}
            MEASURED => {
                done += 1;
                missed += u64::from(!found);
            }
            _ => return Ok((done, missed)),
        }
    }
}
