//! `bounded`: what it costs the server that a cache is bounded, by policy and by size, beside plain `GET` and
//! `SET` with a lease.

mod subject;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use larder::Clock;
use larder::bounded::{Bounded, ServerEviction};
use larder::remote::valkey::Valkey;
use larder::{Config, config::ServerConfig};
use larder_servers::Server;
use tokio::runtime::Builder;

use self::subject::{Operation, Subject};
use crate::Failure;
use crate::args::Args;
use crate::report::{Report, Row, median};

/// Operations under way at once.
const TASKS: usize = 64;
/// Entries in the cache, which is full.
const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];

pub(crate) fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let server = Server::start(args.server)?;
    eprintln!("{} {}", server.kind(), server.version());
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let config = Config::builder().url(server.url()).build()?;
    let config = config.server.ok_or("no server is configured")?;
    for size in SIZES.into_iter().filter(|size| *size <= args.entries) {
        for eviction in ServerEviction::ALL {
            let cases = [Operation::Read, Operation::Write].map(|operation| {
                (
                    operation,
                    format!("{}/{}/{size}", operation.name(), eviction.name()),
                )
            });
            if cases.iter().any(|(_, case)| args.wants_case(case)) {
                server.command(&["FLUSHALL"])?;
                runtime.block_on(measure(args, report, &config, eviction, size, &cases))?;
            }
        }
    }
    Ok(())
}

/// Measures a policy and plain keys in turn, on one server.
async fn measure(
    args: &Args,
    report: &mut Report,
    config: &ServerConfig,
    eviction: ServerEviction,
    size: usize,
    cases: &[(Operation, String)],
) -> Result<(), Failure> {
    let remote = Arc::new(Valkey::connect(config, Clock::system()).await?);
    let subjects = [
        Subject::plain(Arc::clone(&remote), size)?,
        Subject::bounded(remote, Bounded::new(eviction, size as u64))?,
    ];
    for subject in &subjects {
        fill(subject, size).await?;
    }
    for (operation, case) in cases.iter().filter(|(_, case)| args.wants_case(case)) {
        let mut turns = [Vec::new(), Vec::new()];
        for _ in 0..args.rounds {
            for (subject, turns) in subjects.iter().zip(&mut turns) {
                turns.push(turn(subject, *operation, args.turn()).await?);
            }
        }
        let mut medians = [0.0; 2];
        for ((subject, turns), ops) in subjects.iter().zip(&mut turns).zip(&mut medians) {
            let (ops_per_s, spread) = median(turns);
            *ops = ops_per_s;
            report.row(Row {
                bench: "bounded",
                case: case.clone(),
                subject: subject.name(),
                tasks: Some(TASKS),
                ops_per_s: Some(ops_per_s),
                spread: Some(spread),
                ..Row::default()
            });
        }
        eprintln!("{case}: {:.2} of plain", medians[1] / medians[0]);
    }
    Ok(())
}

async fn fill(subject: &Subject, size: usize) -> Result<(), Failure> {
    let each = size.div_ceil(TASKS);
    let all = (0..TASKS).map(async |task| {
        for key in (task * each)..((task + 1) * each).min(size) {
            subject.put(key as u64).await?;
        }
        Ok::<_, Failure>(())
    });
    try_join_all(all).await.map(drop)
}

/// Operations a second.
async fn turn(subject: &Subject, operation: Operation, turn: Duration) -> Result<f64, Failure> {
    let began = Instant::now();
    let all = (0..TASKS).map(async |task| {
        let mut count = 0_u64;
        while began.elapsed() < turn {
            subject.run(operation, task as u64 ^ count << 8).await?;
            count += 1;
        }
        Ok::<_, Failure>(count)
    });
    let count: u64 = try_join_all(all).await?.into_iter().sum();
    Ok(count as f64 / began.elapsed().as_secs_f64())
}
