//! Several processes that share a cache: one of them loads, all have it, and a change reaches them all.
//!
//! ```sh
//! CACHE_BACKEND=valkey VALKEY_URL=valkey://127.0.0.1:6379 cargo run --release --example multi-process
//! cargo run --release --example multi-process    # without a server: each process is alone
//! ```
//!
//! The program starts itself four times. Each of the four is a process as a service has it, with a larder from
//! the environment; the first one keeps the database and tells them what to do.
//!
//! | file | what |
//! |---|---|
//! | `process.rs` | one of the four: its cached reads, and the write that invalidates |
//! | `database.rs` | the slow thing that they share |
//! | `fleet.rs`, `message.rs` | how they are started and spoken with |
//! | `print.rs` | the table |

mod database;
mod fleet;
mod message;
mod print;
mod process;

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use larder::{Larder, RemoteState};
use tokio::time::timeout;

use database::{Client, Database};
use fleet::{PATIENCE, PROCESS, Process, all};
use print::{price, row};
use process::{Hits, Order, Price};

type Failure = Box<dyn Error + Send + Sync>;

const COUNT: usize = 4;
const COFFEE: u64 = 1;
const TEA: u64 = 2;
/// Within this all processes hear of a change, or do not believe their memory any more: a second, with room for a
/// busy machine.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => show().await,
        [PROCESS, number, run, address] => be_a_process(number, run, address).await,
        _ => Err("usage: multi-process".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn be_a_process(number: &str, run: &str, address: &str) -> Result<(), Failure> {
    let database = Client {
        address: address.parse()?,
        process: number.parse()?,
    };
    process::run(run, database).await
}

async fn show() -> Result<(), Failure> {
    let larder = Larder::from_env().await?;
    let health = larder.health().await;
    println!("\n  cache  {health}");
    if !health.enabled {
        return Ok(());
    }
    print::head();
    let is_shared = health.remote.state == RemoteState::Up;

    // This database begins anew with each run, so what an earlier run has left on a server would be wrong, and
    // another run may be under way. So this one's values belong to a tenant of its own; they go after a minute.
    let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let run = format!("{}-{}", std::process::id(), began.as_millis());
    let database = Database::open().await?;
    let fleet = fleet::start(COUNT, &run, &database).await?;
    let mut show = Show { database, fleet };

    show.ask_for_what_nobody_has().await?;
    show.ask_again().await?;
    show.change_a_price(is_shared).await?;
    if is_shared {
        show.kill_who_loads().await?;
    }
    for process in show.fleet {
        process.end().await?;
    }
    print::end(&health, is_shared);

    larder.close().await;
    Ok(())
}

struct Show {
    database: Database,
    fleet: Vec<Process>,
}

impl Show {
    /// All processes ask for one price at the same moment, a hundred callers in each.
    async fn ask_for_what_nobody_has(&mut self) -> Result<(), Failure> {
        let (before, began) = (self.database.queries(), Instant::now());
        let prices: Vec<Price> = all(&mut self.fleet, &ask(COFFEE, 100)).await?;
        let (took, queries) = (began.elapsed(), self.database.queries() - before);
        let loads = match queries {
            1 => "one process loaded it for all".to_owned(),
            COUNT => "each process loaded it for itself".to_owned(),
            some => format!("{some} processes loaded it"),
        };
        let came_of_it = format!("{}: {loads}", price(prices[0]));
        row("100 calls in each, at once", queries, took, &came_of_it);
        Ok(())
    }

    /// From now on it is in the memory of each.
    async fn ask_again(&mut self) -> Result<(), Failure> {
        let before = self.database.queries();
        let order = Order::AskAgain {
            product: COFFEE,
            times: 50_000,
        };
        let hits: Vec<Hits> = all(&mut self.fleet, &order).await?;
        let queries = self.database.queries() - before;
        let slowest = hits.iter().map(|hits| hits.average).max();
        let came_of_it = match hits.iter().map(|hits| hits.elsewhere).sum() {
            0_u64 => "all from the memory of the process itself".to_owned(),
            few => format!("all but {few} from the memory of the process itself"),
        };
        let took = slowest.unwrap_or_default();
        row("50,000 more, each took", queries, took, &came_of_it);
        Ok(())
    }

    /// One process changes the price. As soon as it says so, the others are asked.
    async fn change_a_price(&mut self, is_shared: bool) -> Result<(), Failure> {
        let Some((one, others)) = self.fleet.split_first_mut() else {
            return Ok(());
        };
        let before = self.database.queries();
        let (product, cents) = (COFFEE, 890);
        one.send(&Order::Change { product, cents }).await?;
        one.receive::<()>().await?;

        let changed = Instant::now();
        let mut old = 0;
        let (still, took) = loop {
            let prices: Vec<Price> = all(others, &ask(product, 1)).await?;
            let still = prices.iter().filter(|got| **got != Some(cents)).count();
            let took = changed.elapsed();
            // The server tells all at the same time, and these pipes may be a little faster.
            if still == 0 || !is_shared || took > TOLD_WITHIN {
                break (still, took);
            }
            old += still;
        };
        let queries = self.database.queries() - before;
        let came_of_it = match (still, old) {
            (0, 0) => format!("{}: nobody got the old price", price(Some(cents))),
            (0, old) => format!(
                "{}: after {old} answers with the old price",
                price(Some(cents))
            ),
            (still, _) => format!("{still} processes have the old price: nobody told them"),
        };
        row("one changes it, the others ask", queries, took, &came_of_it);
        Ok(())
    }

    /// All ask for another price, and whichever has begun to load it dies.
    async fn kill_who_loads(&mut self) -> Result<(), Failure> {
        let (before, began) = (self.database.queries(), Instant::now());
        for process in &mut self.fleet {
            process.send(&ask(TEA, 1)).await?;
        }
        let loading = timeout(PATIENCE, self.database.next_asker(before)).await??;
        let killed = self
            .fleet
            .iter()
            .position(|process| process.number == loading);
        let killed = killed.ok_or("nobody of ours asked the database")?;
        self.fleet.swap_remove(killed).kill().await?;
        let mut prices: Vec<Price> = Vec::new();
        for process in &mut self.fleet {
            prices.push(process.receive().await?);
        }
        let took = began.elapsed();
        let askers = self.database.askers(before);
        let what = match askers[..] {
            [_, next, ..] => format!("process {next} took over from {loading}"),
            _ => format!("process {loading} had loaded it already"),
        };
        let (queries, came_of_it) = (askers.len(), format!("{}: {what}", price(prices[0])));
        row("one is killed while it loads", queries, took, &came_of_it);
        Ok(())
    }
}

fn ask(product: u64, callers: usize) -> Order {
    Order::Ask { product, callers }
}
