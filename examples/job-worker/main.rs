//! A worker for background jobs, whose jobs share cached reads.
//!
//! ```sh
//! cargo run --release --example job-worker
//! ```
//!
//! The jobs write invoices in euros, and each needs an exchange rate, which the bank is slow to tell. The queue
//! is [apalis](https://docs.rs/apalis), which calls an async function for each job; what stands here holds for
//! any other. The cached functions use the larder of the process, so that they can be called from anywhere
//! without passing anything around.

mod bank;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis::prelude::{
    BoxDynError, Data, MemoryStorage, ParallelizeExt, TaskSink, WorkerBuilder, WorkerBuilderExt,
    WorkerContext,
};
use larder::{Error, cached, global, invalidates};

use bank::Bank;

#[derive(Clone)]
enum Job {
    Invoice { currency: &'static str, cents: u64 },
    NewRate { currency: &'static str, euros: f64 },
}

/// What a unit of a currency is worth. A thousand jobs that need it at once ask the bank once, in however many
/// processes they run, where these share a server. If the bank is closed, the last rate will do for a day.
///
/// The key is the currency; the bank is where the answer comes from, and no part of it.
#[cached(skip(bank), ttl = "1h", stale = "1 day")]
async fn rate(bank: &Bank, currency: &str) -> Result<f64, BoxDynError> {
    bank.rate(currency).await
}

/// Changes a rate. Once that has succeeded, no job gets the old one from the cache: also where another job was
/// just about to store it.
#[invalidates(rate(currency))]
async fn set_rate(bank: &Bank, currency: &str, euros: f64) -> Result<(), BoxDynError> {
    bank.set_rate(currency, euros).await
}

/// A job, as it would be without a cache.
async fn perform(job: Job, all: &All) -> Result<(), BoxDynError> {
    match job {
        Job::Invoice { currency, cents } => {
            let rate = rate(&all.bank, currency).await?;
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a few hundred euros"
            )]
            let euro_cents = (cents as f64 * rate).round() as u64;
            all.euro_cents.fetch_add(euro_cents, Ordering::Relaxed);
        }
        Job::NewRate { currency, euros } => set_rate(&all.bank, currency, euros).await?,
    }
    Ok(())
}

/// What all jobs share.
#[derive(Default)]
struct All {
    bank: Bank,
    euro_cents: AtomicU64,
    left: AtomicUsize,
}

/// What apalis calls for each job.
async fn run_job(job: Job, all: Data<Arc<All>>, worker: WorkerContext) -> Result<(), BoxDynError> {
    let outcome = perform(job, &all).await;
    if let Err(error) = &outcome {
        eprintln!("a job failed: {error}"); // a worker that goes on for ever would try it again
    }
    if all.left.fetch_sub(1, Ordering::AcqRel) == 1 {
        worker.stop()?;
    }
    outcome
}

/// Queues the jobs, and works until all are done. A service would leave the worker running.
async fn work(what: &str, jobs: Vec<Job>, all: &Arc<All>) -> Result<(), BoxDynError> {
    let (started, asked, count) = (Instant::now(), all.bank.asked(), jobs.len());
    all.left.store(count, Ordering::Release);
    all.euro_cents.store(0, Ordering::Relaxed);
    let mut queue = MemoryStorage::new();
    for job in jobs {
        queue.push(job).await?;
    }
    WorkerBuilder::new("invoices")
        .backend(queue)
        .concurrency(20) // as many jobs at once
        .parallelize(tokio::spawn)
        .data(Arc::clone(all))
        .build(run_job)
        .run()
        .await?;
    let sum = match all.euro_cents.load(Ordering::Relaxed) / 100 {
        0 => String::new(),
        euros => format!("{euros} EUR"),
    };
    let (took, asked) = (started.elapsed(), all.bank.asked() - asked);
    let count = count.to_string();
    line(what, &count, &sum, &time(took), &asked.to_string());
    Ok(())
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

async fn run() -> Result<(), BoxDynError> {
    global::init().await?; // in memory, on Valkey or on Redis, as the environment says
    if let Some(health) = global::health().await {
        println!("\n  cache  {health}\n");
    }
    // This bank begins anew with each run, so what an earlier run has left on a server is outdated. Where the
    // server is away, that is done when it is back, and nothing old is used meanwhile.
    match rate_cache()?.clear().await {
        Ok(_) | Err(Error::Pending { .. }) => {}
        Err(error) => return Err(error.into()),
    }

    let all = Arc::new(All::default());
    let invoices = |currencies: &[&'static str]| -> Vec<Job> {
        let job = |currency: &&'static str| Job::Invoice {
            currency,
            cents: 1_000,
        };
        currencies.iter().map(job).cycle().take(60).collect()
    };
    line("jobs", "done", "sum", "time", "the bank was asked");
    let rule = |width| "─".repeat(width);
    line(&rule(30), &rule(4), &rule(7), &rule(6), &rule(18));
    let three = invoices(&["USD", "GBP", "JPY"]);
    work("invoices in three currencies", three.clone(), &all).await?;
    work("the same again", three, &all).await?;
    let change = Job::NewRate {
        currency: "USD",
        euros: 0.95,
    };
    work("a new rate for USD", vec![change], &all).await?;
    work("invoices in USD", invoices(&["USD"]), &all).await?;

    println!(
        "
  The bank was asked {} times for {} jobs. With VALKEY_URL or REDIS_URL, all workers together ask no more often.",
        all.bank.asked(),
        3 * 60 + 1,
    );
    global::close().await; // waits for writes under way
    Ok(())
}

fn line(jobs: &str, done: &str, sum: &str, time: &str, asked: &str) {
    println!("  {jobs:<30}  {done:>4}  {sum:>7}  {time:>6}  {asked:>18}");
}

fn time(took: Duration) -> String {
    match took.as_millis() {
        0 => "< 1 ms".to_owned(),
        millis => format!("{millis} ms"),
    }
}
