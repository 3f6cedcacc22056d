//! What the quickstart prints.

use std::time::Duration;

use larder::Health;
use larder::remote::RemoteState;

use crate::ReportKey;
use crate::shop::Report;

/// On what the cache runs.
pub(crate) fn cache(health: &Health) {
    println!("\n  cache   {health}");
}

pub(crate) fn report(key: ReportKey, report: &Report) {
    let ReportKey { country, year } = key;
    let Some(best) = report.categories.first() else {
        return;
    };
    let (name, orders, thousands) = (&best.name, best.orders, best.cents / 100_000);
    println!(
        "  report  {country} {year}, best category: {name}, {orders} orders, {thousands} k EUR\n"
    );
}

pub(crate) fn headings() {
    line("", "answered by", "time", "times faster");
    line("", &"─".repeat(11), &"─".repeat(8), &"─".repeat(12));
}

/// One line of the table; `against` is what its time is compared with.
pub(crate) fn row(call: &str, answered_by: &str, took: Duration, against: Option<Duration>) {
    let faster = against.map(|slow| times(slow, took)).unwrap_or_default();
    line(call, answered_by, &time(took), &faster);
}

fn line(call: &str, answered_by: &str, time: &str, faster: &str) {
    let line = format!("  {call:<36}  {answered_by:<11}  {time:>8}  {faster:>12}");
    println!("{}", line.trim_end());
}

fn time(time: Duration) -> String {
    match time.as_nanos() {
        nanos @ ..1_000 => format!("{nanos} ns"),
        nanos @ ..1_000_000 => format!("{} µs", nanos / 1_000),
        nanos => format!("{} ms", nanos / 1_000_000),
    }
}

pub(crate) fn loads(count: u64) -> String {
    match count {
        1 => "1 load".to_owned(),
        _ => format!("{count} loads"),
    }
}

/// To two digits.
fn times(slow: Duration, fast: Duration) -> String {
    let ratio = slow.as_nanos() / fast.as_nanos().max(1);
    let unit = 10_u128.pow(ratio.max(10).ilog10() - 1);
    grouped(ratio / unit * unit)
}

fn grouped(number: u128) -> String {
    match number {
        ..1_000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1_000), number % 1_000),
    }
}

pub(crate) fn next_step(health: &Health, was_stored: bool) {
    println!();
    if cfg!(debug_assertions) {
        println!("  This is a debug build. With --release everything is several times faster.");
    }
    match health.remote.state {
        RemoteState::Down => {
            println!("  The server is away, and every call was answered all the same.");
        }
        RemoteState::Up if was_stored => {
            println!("  A warm start: the first call found what an earlier run had stored.");
        }
        RemoteState::Up => println!("  Run it again within ten minutes, and it starts warm."),
        _ => println!(
            "  With a server, other processes and later runs find what this one stored:

  CACHE_BACKEND=valkey VALKEY_URL=valkey://127.0.0.1:6379 \\
    cargo run --release --example quickstart"
        ),
    }
}
