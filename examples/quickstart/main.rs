//! A slow SQL report behind a cache: what it costs without one, and what with one.
//!
//! ```sh
//! cargo run --release --example quickstart
//! CACHE_BACKEND=valkey VALKEY_URL=valkey://127.0.0.1:6379 cargo run --release --example quickstart
//! ```

mod print;
mod shop;

use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use larder::remote::RemoteState;
use larder::{Cache, Larder, NearCapacity, Source};
use serde::Serialize;
use tokio::task::JoinSet;

use print::{headings, row};
use shop::{Report, Shop};

type Failure = Box<dyn Error + Send + Sync>;

/// What a report is cached under. Any type with these derives can be a key.
#[derive(Clone, Copy, Serialize, Hash, PartialEq, Eq)]
struct ReportKey {
    country: &'static str,
    year: u16,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    // In memory, on Valkey or on Redis: the environment says which.
    let larder = Larder::from_env().await?;
    let health = larder.health().await;
    print::cache(&health);
    if !health.enabled {
        return Ok(());
    }
    let reports: Cache<ReportKey, Report> = larder
        .cache("reports")
        .ttl(Duration::from_mins(10))
        .build()?;

    let shop = Shop::open().await?;
    let germany = ReportKey {
        country: "Germany",
        year: 2025,
    };
    let (report, query) = timed(shop.report(germany)).await;
    print::report(germany, &report?);
    headings();
    row("the query, without a cache", "SQLite", query, None);

    // From the cache, else from the loader. `lookup_or_load` tells which it was; where that does not
    // matter, `get_or_load` returns the value alone.
    let (found, took) = timed(reports.lookup_or_load(&germany, || shop.report(germany))).await;
    let outcome = found?.outcome;
    let was_stored = outcome.source == Source::Remote;
    if was_stored {
        let call = format!("first call, stored {:.1} s ago", outcome.age.as_secs_f64());
        row(&call, "remote", took, Some(query));
    } else {
        row("first call, nothing stored", "loader", took, None);
    }

    let hit = average_hit(&reports, germany, 200_000).await;
    row("each later call", "near", hit, Some(query));

    if health.remote.state == RemoteState::Up {
        // A second larder with nothing in memory stands in for another process.
        let other = Larder::from_env().await?;
        let theirs: Cache<ReportKey, Report> =
            other.cache("reports").near(NearCapacity::Off).build()?;
        let hit = average_hit(&theirs, germany, 1_000).await;
        row("a call in another process", "remote", hit, Some(query));
        other.close().await;
    }

    // A write reports what went wrong, so it is left out where there is nothing to remove.
    let japan = ReportKey {
        country: "Japan",
        year: 2025,
    };
    if reports.exists(&japan).await {
        reports.remove(&japan).await?;
    }
    let before = reports.stats().loads;
    let (last, took) = timed(crowd(&reports, &shop, japan)).await;
    last?;
    let loads = reports.stats().loads - before;
    row(
        "last of 1,000 calls, nothing stored",
        &print::loads(loads),
        took,
        None,
    );

    print::next_step(&health, was_stored);
    larder.close().await;
    Ok(())
}

/// A thousand tasks ask for one report that is not stored.
async fn crowd(
    reports: &Cache<ReportKey, Report>,
    shop: &Shop,
    key: ReportKey,
) -> Result<(), Failure> {
    let mut callers = JoinSet::new();
    for _ in 0..1_000 {
        let (reports, shop) = (reports.clone(), shop.clone());
        callers.spawn(async move { reports.get_or_load(&key, || shop.report(key)).await });
    }
    while let Some(report) = callers.join_next().await {
        report??;
    }
    Ok(())
}

async fn average_hit(reports: &Cache<ReportKey, Report>, key: ReportKey, hits: u32) -> Duration {
    let started = Instant::now();
    for _ in 0..hits {
        black_box(reports.get(&key).await);
    }
    started.elapsed() / hits
}

async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let started = Instant::now();
    (call.await, started.elapsed())
}
