//! One process of the service: its larder, and what it is told to do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use larder::{Cache, Error, Larder, LoadError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{stdin, stdout};
use tokio::task::JoinSet;

use crate::Failure;
use crate::database::Client;
use crate::message::Peer;

/// In cents; `None` for what is not sold.
pub(crate) type Price = Option<u64>;

/// What the starting process tells it, one line each.
#[derive(Serialize, Deserialize)]
pub(crate) enum Order {
    /// So many callers ask for a price at once. The answer is the `Price` that they got.
    Ask { product: u64, callers: usize },
    /// One caller asks so often. The answer is `Hits`.
    AskAgain { product: u64, times: u32 },
    /// Changes a price, in the database and for all processes. The answer is `()`.
    Change { product: u64, cents: u64 },
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Hits {
    /// How many answers did not come from this process's memory.
    pub(crate) elsewhere: u64,
    /// How long one took.
    pub(crate) average: Duration,
}

#[derive(Clone)]
struct Shop {
    database: Client,
    prices: Cache<u64, Price>,
}

/// Runs until its input ends: so it ends with the process that started it, however that ends.
pub(crate) async fn run(run: &str, database: Client) -> Result<(), Failure> {
    // In memory, on Valkey or on Redis, as for any process. Its memory is its own.
    let larder = Larder::from_env().await?;
    let prices = larder.tenant(run).cache("prices");
    let shop = Shop {
        database,
        prices: prices.ttl(Duration::from_mins(1)).build()?,
    };
    let mut starter = Peer::new(stdin(), stdout());
    starter.send(&()).await?; // it is ready
    while let Some(order) = starter.next().await? {
        let answer = tokio::select! {
            answer = shop.obey(order) => answer?,
            // No order comes before the last one's answer: the starter has gone.
            _ = starter.next::<Order>() => break,
        };
        starter.send(&answer).await?;
    }
    larder.close().await;
    Ok(())
}

impl Shop {
    async fn obey(&self, order: Order) -> Result<Value, Failure> {
        let answer = match order {
            Order::Ask { product, callers } => json!(self.crowd(product, callers).await?),
            Order::AskAgain { product, times } => json!(self.ask_again(product, times).await?),
            Order::Change { product, cents } => json!(self.change(product, cents).await?),
        };
        Ok(answer)
    }

    /// What all of this is about: one call, whatever the other callers and processes are doing.
    async fn price(&self, product: u64) -> Result<Arc<Price>, LoadError<std::io::Error>> {
        let load = || self.database.price(product);
        self.prices.get_or_load(&product, load).await
    }

    /// The database comes first. Once the removal has returned, no process stores or keeps the old price: also
    /// where one of them was just loading it.
    async fn change(&self, product: u64, cents: u64) -> Result<(), Failure> {
        self.database.change(product, cents).await?;
        match self.prices.remove(&product).await {
            // Where the server is away, this process has forgotten the price, and the server will.
            Ok(_) | Err(Error::Pending { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn crowd(&self, product: u64, callers: usize) -> Result<Price, Failure> {
        let mut crowd = JoinSet::new();
        for _ in 0..callers {
            let shop = self.clone();
            crowd.spawn(async move { shop.price(product).await });
        }
        let mut got = Vec::new();
        while let Some(price) = crowd.join_next().await {
            got.push(*price??);
        }
        got.dedup();
        match got[..] {
            [price] => Ok(price),
            _ => Err(format!("callers at one time got several prices: {got:?}").into()),
        }
    }

    async fn ask_again(&self, product: u64, times: u32) -> Result<Hits, Failure> {
        let (before, began) = (self.prices.stats(), Instant::now());
        for _ in 0..times {
            self.price(product).await?;
        }
        let average = began.elapsed() / times;
        let hits = self.prices.stats().since(&before);
        Ok(Hits {
            elsewhere: u64::from(times) - hits.near_hits - hits.near_stale_hits,
            average,
        })
    }
}
