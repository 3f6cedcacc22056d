//! A process of the fleet: it reads all keys, and invalidates its own.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder_servers::Orders;
use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::subject::Tiers;
use super::truth::{Truth, connect};
use super::{PROCESSES, SLOTS_A_KEY, Tally};
use crate::Failure;
use crate::clock;
use crate::member::{self, Member};
use crate::workload::Random;

/// Keys that are worked on at the same time, by all processes.
const LANES: usize = 16;
/// A key's readers and writer are at work together in each.
const SLOT: Duration = Duration::from_millis(20);
/// Readers of a key in each process and slot.
const READERS: usize = 2;
/// When they ask, after the slot's begin, in microseconds.
const READ_WITHIN: usize = 7_000;
/// When the key is invalidated first, and how soon again, in microseconds.
const INVALIDATE_WITHIN: usize = 7_000;
const AGAIN_WITHIN: usize = 5_000;
/// How long a load takes at most beside its queries, in microseconds.
const LOAD_WITHIN: usize = 6_000;
/// Looks at the end of a chunk that are under way together.
const LOOKS: usize = 64;

struct Process<S> {
    tiers: S,
    truth: Truth,
    /// To read what is stored past the subject.
    server: MultiplexedConnection,
    index: usize,
}

pub(super) fn serve<S: Tiers>(orders: Orders) -> Result<(), Failure> {
    let runtime = member::runtime()?;
    let index = orders.index();
    let process = runtime.block_on(async {
        let (url, source) = (env::var("URL")?, env::var("SOURCE")?);
        Ok::<_, Failure>(Arc::new(Process {
            tiers: S::open(&url).await?,
            truth: Truth::open(&source).await?,
            server: connect(&url).await?,
            index,
        }))
    })?;
    member::serve(&runtime, &process, orders);
    Ok(())
}

/// A chunk's keys, with the versions that this process has invalidated last.
struct Chunk {
    first: usize,
    start: Duration,
    floors: Box<[AtomicU64]>,
}

impl<S: Tiers> Member for Process<S> {
    type Answer = Tally;

    async fn work(self: Arc<Self>, order: &[&str]) -> Result<Tally, Failure> {
        match *order {
            ["ready"] => Ok(Tally::default()),
            ["invalidate", first, keys, start] => {
                let chunk = Chunk {
                    first: first.parse()?,
                    start: Duration::from_nanos(start.parse()?),
                    floors: (0..keys.parse()?).map(|_| AtomicU64::new(0)).collect(),
                };
                self.invalidate(Arc::new(chunk)).await
            }
            ["look", first, keys] => self.look(first.parse()?, keys.parse()?).await,
            _ => Err(format!("no such order: {order:?}").into()),
        }
    }
}

impl<S: Tiers> Process<S> {
    async fn invalidate(self: Arc<Self>, chunk: Arc<Chunk>) -> Result<Tally, Failure> {
        let mut lanes = JoinSet::new();
        for lane in 0..LANES {
            lanes.spawn(Arc::clone(&self).lane(Arc::clone(&chunk), lane));
        }
        let mut tally = sum(lanes).await?;
        (tally.loads, tally.overtaken) = self.truth.take_counts();
        Ok(tally)
    }

    /// Every `LANES`th key, one after another, at the same time as the other processes.
    async fn lane(self: Arc<Self>, chunk: Arc<Chunk>, lane: usize) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        let mut slot = chunk.start;
        for n in (lane..chunk.floors.len()).step_by(LANES) {
            for round in 0..SLOTS_A_KEY {
                clock::sleep_until(slot).await;
                let mut running = JoinSet::new();
                let seed = ((chunk.first + n) * SLOTS_A_KEY + round) * PROCESSES + self.index;
                for reader in 0..READERS {
                    let random = Random((seed * (READERS + 1) + reader) as u64);
                    let reader = Arc::clone(&self);
                    running.spawn(reader.read(Arc::clone(&chunk), n, READ_WITHIN, random));
                }
                if (chunk.first + n) % PROCESSES == self.index {
                    let random = Random((seed * (READERS + 1) + READERS) as u64);
                    running.spawn(Arc::clone(&self).write(Arc::clone(&chunk), n, random));
                }
                tally += sum(running).await?;
                slot += SLOT;
            }
        }
        Ok(tally)
    }

    /// Asks for a key within some time. The answer must not be older than what this process itself
    /// had invalidated by then; another's invalidations may still be on their way here.
    async fn read(
        self: Arc<Self>,
        chunk: Arc<Chunk>,
        n: usize,
        within: usize,
        mut random: Random,
    ) -> Result<Tally, Failure> {
        sleep(micros(random.below(within))).await;
        let mut tally = Tally::default();
        let floor = chunk.floors[n].load(Ordering::SeqCst);
        let key = key(chunk.first + n);
        let load = self.truth.load(&key, micros(random.below(LOAD_WITHIN)));
        match self.tiers.get_or_load(&key, load).await {
            Ok(version) => {
                tally.reads = 1;
                tally.old_here = u64::from(version < floor);
            }
            Err(_) => tally.errors = 1,
        }
        Ok(tally)
    }

    /// Two invalidations, the second most likely during the load that the first made necessary, and
    /// looks at what they left.
    async fn write(
        self: Arc<Self>,
        chunk: Arc<Chunk>,
        n: usize,
        mut random: Random,
    ) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        let key = key(chunk.first + n);
        let mut asking = JoinSet::new();
        let (mut version, mut is_old_at_once) = (0, false);
        for within in [INVALIDATE_WITHIN, AGAIN_WITHIN] {
            tally.old_on_server += u64::from(is_old_at_once);
            sleep(micros(random.below(within))).await;
            version = self.truth.raise(&key).await?;
            // One that fails promises nothing, and ends the run.
            if random.below(4) == 0 {
                self.tiers.set(&key, version).await?;
            } else {
                self.tiers.remove(&key).await?;
            }
            chunk.floors[n].store(version, Ordering::SeqCst);
            tally.rounds += 1;
            tally.reads += 1;
            let found = self.tiers.get(&key).await?;
            tally.old_here += u64::from(found.is_some_and(|found| found < version));
            let stored = self.stored(&key).await?;
            is_old_at_once = stored.is_some_and(|stored| stored < version);
            let asker = Random(random.next());
            asking.spawn(Arc::clone(&self).read(Arc::clone(&chunk), n, 1, asker));
        }
        tally += sum(asking).await?;
        // Until all loads from before have ended.
        sleep(micros(LOAD_WITHIN + 1_000)).await;
        let later = self.stored(&key).await?;
        let is_old = is_old_at_once || later.is_some_and(|stored| stored < version);
        tally.old_on_server += u64::from(is_old);
        Ok(tally)
    }

    /// What the server holds, read past the subject.
    async fn stored(&self, key: &str) -> Result<Option<u64>, Failure> {
        let mut get = redis::cmd("GET");
        get.arg(S::stored_key(key));
        let stored: Option<Vec<u8>> = get.query_async(&mut self.server.clone()).await?;
        let Some(stored) = stored else {
            return Ok(None);
        };
        let version = S::version_in(&stored);
        Ok(Some(version.ok_or("what is stored cannot be read")?))
    }

    /// All keys, when nothing is under way and the bound has passed: nothing may be old anywhere.
    async fn look(self: Arc<Self>, first: usize, keys: usize) -> Result<Tally, Failure> {
        let mut looking = JoinSet::new();
        for part in 0..LOOKS {
            let process = Arc::clone(&self);
            looking.spawn(async move {
                let mut tally = Tally::default();
                for n in (first + part..first + keys).step_by(LOOKS) {
                    let key = key(n);
                    let version = process.truth.version(&key).await?;
                    let is_old = |found: Option<u64>| found.is_some_and(|found| found < version);
                    let is_own = n % PROCESSES == process.index;
                    if is_own {
                        tally.old_at_rest += u64::from(is_old(process.stored(&key).await?));
                    }
                    let old = u64::from(is_old(process.tiers.get(&key).await?));
                    tally.reads += 1;
                    if is_own {
                        tally.old_here += old;
                    } else {
                        tally.old_elsewhere += old;
                    }
                }
                Ok(tally)
            });
        }
        sum(looking).await
    }
}

async fn sum(mut running: JoinSet<Result<Tally, Failure>>) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    while let Some(one) = running.join_next().await {
        tally += one??;
    }
    Ok(tally)
}

fn key(n: usize) -> String {
    format!("key-{n}")
}

fn micros(micros: usize) -> Duration {
    Duration::from_micros(micros as u64)
}
