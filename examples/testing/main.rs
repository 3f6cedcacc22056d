//! Tests of one's own code with faults injected: what a shop's prices do while the server is away, slow or
//! full, without a server and without waiting.
//!
//! ```sh
//! cargo test --package larder-examples --example testing
//! cargo run --example testing
//! ```
//!
//! `prices.rs` is the code under test, and `tests.rs` its tests. Run as a program, this shows one of them.

mod prices;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::time::Duration;

use larder::testing::{FaultyRemote, Tally};
use larder::{Clock, Larder};

use prices::{Prices, Supplier};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let clock = Clock::manual();
    let server = FaultyRemote::with(clock.clone());
    let larder = Larder::builder()
        .remote(server.clone())
        .clock(clock.clone())
        .build()
        .await?;
    let prices = Prices::new(&larder, Supplier::new(1_250))?;
    println!("a pound of tea     {}", prices.of("tea").await?);

    let tally = Tally::of(prices.cache());
    prices.of("tea").await?;
    tally.assert_hits(1).assert_loads(0);

    // An hour later both the cache's server and the supplier are away.
    clock.advance(Duration::from_hours(1));
    server.go_down();
    prices.supplier().close();
    println!("both are away      {}", prices.of("tea").await?);
    println!("counted            {tally:?}");

    server.heal();
    prices.supplier().open(1_300);
    println!("both are back      {}", prices.of("tea").await?);
    prices.agree("tea", 900).await?;
    println!("agreed by phone    {}", prices.of("tea").await?);
    Ok(())
}
