//! What the program prints.

use std::time::Duration;

use larder::{Health, RemoteState};

use crate::process::Price;

pub(crate) fn head() {
    println!();
    line("4 processes", "queries", "time", "what came of it");
    let rule = |width| "─".repeat(width);
    line(&rule(35), &rule(7), &rule(6), &rule(48));
}

/// One line of the table.
pub(crate) fn row(what: &str, queries: usize, took: Duration, came_of_it: &str) {
    line(what, &queries.to_string(), &time(took), came_of_it);
}

fn line(what: &str, queries: &str, time: &str, came_of_it: &str) {
    println!("  {what:<35}  {queries:>7}  {time:>6}  {came_of_it}");
}

fn time(time: Duration) -> String {
    match time.as_nanos() {
        nanos @ ..1_000 => format!("{nanos} ns"),
        nanos @ ..1_000_000 => format!("{} µs", nanos / 1_000),
        nanos @ ..1_000_000_000 => format!("{} ms", nanos / 1_000_000),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

pub(crate) fn price(price: Price) -> String {
    match price {
        Some(cents) => format!("{}.{:02} EUR", cents / 100, cents % 100),
        None => "no price".to_owned(),
    }
}

pub(crate) fn end(health: &Health, is_shared: bool) {
    let text = if is_shared {
        "Four processes cost the database as much as one. When the one that loaded died, the others waited until its
  right to load had run out, three seconds after it was last heard of."
    } else if health.remote.state == RemoteState::Absent {
        "Without a server each process is alone with its memory. With one they share what they load, and hear of
  each change:

  CACHE_BACKEND=valkey VALKEY_URL=valkey://127.0.0.1:6379 \\
    cargo run --release --example multi-process"
    } else {
        "The server is away: each process is alone with its memory, and every call was answered all the same.
  Where the server that VALKEY_URL or REDIS_URL names can be reached, they share what they load."
    };
    println!("\n  {text}");
}
