//! `http`: a small axum service, cached and not; and `larder proxy` beside nginx.
//!
//! Everything is asked over sockets, by one client on connections that it keeps, in the same process as
//! the service: what is compared is measured alike. Figures of two subjects count, not those of one.

mod client;
mod proxies;
mod service;

use std::net::SocketAddr;

use serde::Serialize;
use tokio::runtime::Runtime;

use crate::Failure;
use crate::args::Args;
use crate::report::{Report, median};
use client::Turn;

/// How many connections ask at once.
const CONNECTIONS: usize = 32;

/// One subject of one case.
#[derive(Clone, Debug, Serialize)]
struct Figures {
    bench: &'static str,
    case: &'static str,
    subject: &'static str,
    connections: usize,
    /// The median of the rounds.
    requests_per_s: f64,
    /// The slowest and the fastest round, as shares of the median.
    spread: [f64; 2],
    /// Over all rounds, in milliseconds.
    p50_ms: f64,
    p99_ms: f64,
}

/// Something that answers HTTP.
struct Subject {
    name: &'static str,
    address: SocketAddr,
    path: &'static str,
}

pub(crate) fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let runtime = Runtime::new()?;
    if args.wants_case("service") {
        let subjects = runtime.block_on(service::start())?;
        measure(args, report, &runtime, "service", &subjects)?;
    }
    if args.wants_case("proxy") {
        let running = runtime.block_on(proxies::start())?;
        measure(args, report, &runtime, "proxy", &running.subjects)?;
    }
    Ok(())
}

/// Lets the subjects take turns.
fn measure(
    args: &Args,
    report: &mut Report,
    runtime: &Runtime,
    case: &'static str,
    subjects: &[Subject],
) -> Result<(), Failure> {
    let mut subjects: Vec<_> = subjects
        .iter()
        .filter(|subject| args.wants_subject(subject.name))
        .map(|subject| (subject, Vec::<Turn>::new()))
        .collect();
    for _ in 0..args.rounds {
        for (subject, turns) in &mut subjects {
            let turn = client::turn(subject.address, subject.path, CONNECTIONS, args.turn());
            turns.push(runtime.block_on(turn)?);
        }
    }
    for (subject, turns) in subjects {
        let mut rates: Vec<f64> = turns.iter().map(Turn::rate).collect();
        let (requests_per_s, spread) = median(&mut rates);
        let mut times: Vec<f64> = turns.into_iter().flat_map(|turn| turn.times).collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let at = (times.len() as f64 * share) as usize;
            times.get(at).copied().unwrap_or_default()
        };
        let figures = Figures {
            bench: "http",
            case,
            subject: subject.name,
            connections: CONNECTIONS,
            requests_per_s,
            spread,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
        };
        let cells = vec![
            ("case", case.to_owned()),
            ("subject", subject.name.to_owned()),
            ("requests/s", format!("{requests_per_s:.0}")),
            ("spread", format!("{:.2}-{:.2}", spread[0], spread[1])),
            ("p50 ms", format!("{:.3}", figures.p50_ms)),
            ("p99 ms", format!("{:.3}", figures.p99_ms)),
        ];
        report.line(&figures, cells);
    }
    Ok(())
}
