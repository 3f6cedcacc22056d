//! A process of the fleet: its callers, who all ask for one key.

use std::env;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{Cache, Config, Larder};
use larder_servers::Orders;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::LOAD;
use crate::Failure;
use crate::clock;
use crate::member::{self, Member};

const TTL: Duration = Duration::from_mins(10);

/// What a process answers to an order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Ready,
    /// When the last load began, if one did.
    Begun(Option<Duration>),
    Crowd(Crowd),
}

/// What became of one process's callers. Times are of the common clock.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Crowd {
    /// When each of them asked.
    pub(super) asked: Vec<Duration>,
    pub(super) first_answered: Duration,
    pub(super) last_answered: Duration,
    /// How many did not get the value.
    pub(super) failed: usize,
    pub(super) loads: Vec<Load>,
}

/// A load that ran to its end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Load {
    pub(super) begun: Duration,
    pub(super) ended: Duration,
    /// When its own caller had the answer, which waits for the server's.
    pub(super) acknowledged: Duration,
}

struct Process {
    larder: Larder,
    cache: Cache<String, String>,
    /// When the last load began, in nanoseconds; before the first, zero.
    begun: AtomicU64,
}

pub(crate) fn serve(orders: Orders) -> Result<(), Failure> {
    let runtime = member::runtime()?;
    let url = env::var("URL")?;
    let process = runtime.block_on(async {
        let larder = Larder::with(Config::builder().url(url).build()?).await?;
        let cache = larder.cache("stampede").ttl(TTL).build()?;
        Ok::<_, Failure>(Arc::new(Process {
            larder,
            cache,
            begun: AtomicU64::new(0),
        }))
    })?;
    member::serve(&runtime, &process, orders);
    Ok(())
}

impl Member for Process {
    type Answer = Answer;

    async fn work(self: Arc<Self>, order: &[&str]) -> Result<Answer, Failure> {
        match *order {
            ["ready"] => {
                member::trusted(&self.larder).await?;
                Ok(Answer::Ready)
            }
            ["begun"] => {
                let begun = self.begun.load(Ordering::SeqCst);
                let begun = (begun > 0).then(|| Duration::from_nanos(begun));
                Ok(Answer::Begun(begun))
            }
            ["crowd", key, callers, start] => {
                let start = Duration::from_nanos(start.parse()?);
                Ok(Answer::Crowd(
                    self.crowd(key, callers.parse()?, start).await?,
                ))
            }
            _ => Err(format!("no such order: {order:?}").into()),
        }
    }
}

impl Process {
    async fn crowd(
        self: Arc<Self>,
        key: &str,
        callers: usize,
        start: Duration,
    ) -> Result<Crowd, Failure> {
        let mut running = JoinSet::new();
        for _ in 0..callers {
            let (process, key) = (Arc::clone(&self), key.to_owned());
            running.spawn(async move { process.call(&key, start).await });
        }
        let mut crowd = Crowd {
            first_answered: Duration::MAX,
            ..Crowd::default()
        };
        while let Some(caller) = running.join_next().await {
            let caller = caller?;
            crowd.asked.push(caller.asked);
            crowd.first_answered = crowd.first_answered.min(caller.answered);
            crowd.last_answered = crowd.last_answered.max(caller.answered);
            crowd.failed += usize::from(!caller.is_right);
            crowd.loads.extend(caller.load);
        }
        Ok(crowd)
    }

    async fn call(&self, key: &str, start: Duration) -> Caller {
        clock::sleep_until(start).await;
        let (begun, ended) = (AtomicU64::new(0), AtomicU64::new(0));
        let nanos = || clock::now().as_nanos() as u64;
        let loader = async || {
            begun.store(nanos(), Ordering::Relaxed);
            self.begun.store(nanos(), Ordering::SeqCst);
            sleep(LOAD).await;
            ended.store(nanos(), Ordering::Relaxed);
            Ok::<_, io::Error>(value_of(key))
        };
        let asked = clock::now();
        let answer = self.cache.get_or_load(key, loader).await;
        let answered = clock::now();
        let ran = begun.load(Ordering::Relaxed) > 0;
        Caller {
            asked,
            answered,
            is_right: answer.is_ok_and(|value| *value == value_of(key)),
            load: ran.then(|| Load {
                begun: Duration::from_nanos(begun.load(Ordering::Relaxed)),
                ended: Duration::from_nanos(ended.load(Ordering::Relaxed)),
                acknowledged: answered,
            }),
        }
    }
}

struct Caller {
    asked: Duration,
    answered: Duration,
    is_right: bool,
    load: Option<Load>,
}

/// 128 bytes that belong to the key.
fn value_of(key: &str) -> String {
    format!("{key:~<128}")
}
