//! A process of the fleet: holds an entry of the tenant in memory, clears, and looks.

use std::env;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larder::{Cache, Config, Larder, Source, Strength, Sweep};
use larder_servers::Orders;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

use super::fill::{CACHE, TENANT, TTL};
use crate::Failure;
use crate::clock;
use crate::member::{self, Member, PATIENCE, trusted};

/// The entry that all of them look at.
const KEY: &str = "looked-at";
/// Between two looks.
const PAUSE: Duration = Duration::from_micros(100);

/// What a process answers to an order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Done,
    Going,
    /// When it began to clear, or saw it, by the common clock.
    At(Duration),
}

struct Process {
    larder: Larder,
    cache: Cache<String, String>,
    sweep: Mutex<Option<Sweep>>,
}

pub(crate) fn serve(orders: Orders) -> Result<(), Failure> {
    let runtime = member::runtime()?;
    let url = env::var("URL")?;
    let process = runtime.block_on(async {
        let larder = Larder::with(Config::builder().url(url).build()?).await?;
        let cache = larder.cache(CACHE).ttl(TTL).build()?.tenant(TENANT);
        trusted(&larder).await?;
        let larder = larder.tenant(TENANT);
        Ok::<_, Failure>(Arc::new(Process {
            larder,
            cache,
            sweep: Mutex::default(),
        }))
    })?;
    member::serve(&runtime, &process, orders);
    Ok(())
}

impl Member for Process {
    type Answer = Answer;

    async fn work(self: Arc<Self>, order: &[&str]) -> Result<Answer, Failure> {
        match *order {
            ["ready"] => Ok(Answer::Done),
            ["hold"] => self.hold().await,
            ["clear", start] => {
                clock::sleep_until(Duration::from_nanos(start.parse()?)).await;
                let begun = clock::now();
                // What `clear` does before it lets a sweep begin.
                self.larder.invalidate(Strength::Remove).await?;
                Ok(Answer::At(begun))
            }
            ["look", start] => {
                clock::sleep_until(Duration::from_nanos(start.parse()?)).await;
                let runtime = Handle::current();
                // On a thread that has nothing else to do: the runtime's own have to hear of the clear.
                tokio::task::spawn_blocking(move || self.look(&runtime)).await?
            }
            ["sweep"] => {
                let sweep = self.larder.clear().await?;
                *self.sweep.lock().map_err(|_| "a panic")? = Some(sweep);
                Ok(Answer::Going)
            }
            // An order is waited for no longer than a minute.
            ["swept"] => {
                let sweep = self.sweep.lock().map_err(|_| "a panic")?.clone();
                let sweep = sweep.ok_or("no sweep has begun")?;
                match timeout(PATIENCE / 2, sweep.finished()).await {
                    Ok(swept) => swept.map(|_| Answer::Done).map_err(Failure::from),
                    Err(_) => Ok(Answer::Going),
                }
            }
            _ => Err(format!("no such order: {order:?}").into()),
        }
    }
}

impl Process {
    /// Looks at the entry until it is gone.
    fn look(&self, runtime: &Handle) -> Result<Answer, Failure> {
        let begin = Instant::now();
        while runtime.block_on(self.cache.get(KEY)).is_some() {
            if begin.elapsed() > PATIENCE {
                return Err("a clear was not seen".into());
            }
            // Shorter than the runtime's own timer can wait.
            std::thread::sleep(PAUSE);
        }
        Ok(Answer::At(clock::now()))
    }

    /// Reads the entry until it is answered from memory. Whoever misses it stores it.
    async fn hold(&self) -> Result<Answer, Failure> {
        let begin = Instant::now();
        loop {
            match self.cache.lookup(KEY).await {
                Some(found) if found.outcome.source == Source::Near => return Ok(Answer::Done),
                Some(_) => {}
                None => self.cache.set(KEY, "value").await?,
            }
            if begin.elapsed() > PATIENCE {
                return Err("the entry does not stay in memory".into());
            }
            sleep(Duration::from_millis(2)).await;
        }
    }
}
