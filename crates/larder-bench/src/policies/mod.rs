//! `policies`: how often each policy has what is asked for, and how fast.

mod subject;
mod trace;

use std::thread;
use std::time::Instant;

use tokio::runtime::{Builder, Runtime};

use self::subject::Driven;
use self::trace::Trace;
use crate::Failure;
use crate::args::Args;
use crate::report::{Limit, Report, Row, median};

/// Budgeted: on so many of the recorded traces the default engine is at least as good as the better of these.
const PEERS: [&str; 2] = ["moka", "quick_cache"];

/// Requests of each trace, to show that it runs.
const SHORT: usize = 3_000;

pub(crate) fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut zipf = trace::zipf();
    let mut recorded = trace::recorded(&args.traces)?;
    if args.short {
        for trace in recorded.iter_mut().chain([&mut zipf]) {
            trace.keys.truncate(SHORT);
        }
    }
    for threads in [1, 2] {
        measure(args, &runtime, &zipf, threads, report)?;
    }
    if recorded.is_empty() {
        eprintln!("no recorded traces in {}", args.traces.display());
    }
    for trace in &recorded {
        measure(args, &runtime, trace, 1, report)?;
    }
    judge(&recorded, report);
    Ok(())
}

/// All requests of a trace through each cache, empty at first, in turn: so a machine that slows down slows all.
fn measure(
    args: &Args,
    runtime: &Runtime,
    trace: &Trace,
    threads: usize,
    report: &mut Report,
) -> Result<(), Failure> {
    if !args.wants_case(&trace.name) {
        return Ok(());
    }
    let mut subjects = subject::all();
    subjects.retain(|(name, _)| args.wants_subject(name));
    let mut turns = vec![Vec::new(); subjects.len()];
    let mut hits = vec![0; subjects.len()];
    let began = Instant::now();
    for round in 0..args.rounds {
        for ((turns, hits), (_, open)) in turns.iter_mut().zip(&mut hits).zip(&subjects) {
            let cache = open(runtime, trace.capacity)?;
            let start = Instant::now();
            *hits += drive(cache.as_ref(), runtime, &trace.keys, threads);
            turns.push(trace.keys.len() as f64 / start.elapsed().as_secs_f64());
        }
        // Long traces are their own repetition.
        if round > 0 && began.elapsed() > args.duration() * u32::try_from(subjects.len())? {
            break;
        }
    }
    for ((mut turns, hits), (name, _)) in turns.into_iter().zip(hits).zip(subjects) {
        let requests = trace.keys.len() as f64 * turns.len() as f64;
        let (ops_per_s, spread) = median(&mut turns);
        report.row(Row {
            bench: "policies",
            case: format!("{}/{}", trace.name, trace.capacity),
            subject: name,
            threads: Some(threads),
            ns_per_op: Some(1e9 * threads as f64 / ops_per_s),
            ops_per_s: Some(ops_per_s),
            spread: Some(spread),
            misses: Some(1.0 - hits as f64 / requests),
            ..Row::default()
        });
    }
    Ok(())
}

/// Hits of all threads, each with a part of the requests.
fn drive(cache: &dyn Driven, runtime: &Runtime, keys: &[u64], threads: usize) -> u64 {
    let parts = keys.chunks(keys.len().div_ceil(threads));
    thread::scope(|scope| {
        let parts: Vec<_> = parts
            .map(|part| scope.spawn(|| cache.drive(runtime, part)))
            .collect();
        let hits = parts.into_iter().map(|part| part.join().unwrap_or(0));
        hits.sum()
    })
}

fn judge(traces: &[Trace], report: &mut Report) {
    for trace in traces {
        let case = format!("{}/{}", trace.name, trace.capacity);
        let hits = |subject| {
            let misses = report.figure(&case, subject, 1, |row| row.misses)?;
            Some((1.0 - misses) * 100.0)
        };
        let best = PEERS.into_iter().filter_map(hits).max_by(f64::total_cmp);
        if let Some(best) = best {
            let what = format!("{case}: larder, % hits; the better of {}", PEERS.join(", "));
            // As the table shows it: hundredths are noise of the keys' hashes.
            let best = (best * 100.0).round() / 100.0;
            report.judge(what, hits("larder"), Limit::AtLeast(best));
        }
    }
}
