//! `batch`: a thousand keys at once, on a server of its own.

mod subject;

use std::time::{Duration, Instant};

use larder::{Codec, Config, Larder, NearCapacity};
use larder_servers::{Kind, Server};
use redis::IntoConnectionInfo;
use redis::io::tcp::TcpSettings;
use tokio::runtime::Builder;

use self::subject::{Bare, Batched, Many, OneByOne, Subject};
use crate::Failure;
use crate::args::Args;
use crate::remote::Entries;
use crate::report::{Limit, Report, Row, median};

/// Keys in a batch.
const KEYS: usize = 1_000;
/// Keys that there are to read.
const STORED: usize = 3_000;
const LENGTH: usize = 128;

const GET: &str = "get_many/1000";
const LOAD: &str = "get_or_load_many/1000";

pub(crate) fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let server = Server::start(Kind::Valkey)?;
    eprintln!("{} {}", server.kind(), server.version());
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let config = Config::builder().url(server.url()).build()?;
        let larder = Larder::with(config).await?;
        let info = (server.host(), server.port())
            .into_connection_info()?
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let bare = redis::Client::open(info)?;
        if args.wants_case(GET) {
            let entries =
                Entries::write(&larder, &bare, "batch", Codec::Json, STORED, LENGTH).await?;
            let connection = bare.get_multiplexed_async_connection().await?;
            let mut subjects: [Box<dyn Subject>; 2] = [
                Box::new(Many(entries.clone())),
                Box::new(Bare::new(connection, entries)),
            ];
            measure(args, report, GET, &mut subjects).await?;
        }
        if args.wants_case(LOAD) {
            let cache = larder.cache("loads").near(NearCapacity::Off).build()?;
            let mut subjects: [Box<dyn Subject>; 2] = [
                Box::new(Batched::new(cache.clone())),
                Box::new(OneByOne::new(cache)),
            ];
            measure(args, report, LOAD, &mut subjects).await?;
        }
        larder.close().await;
        Ok::<(), Failure>(())
    })?;
    judge(report);
    Ok(())
}

async fn measure(
    args: &Args,
    report: &mut Report,
    case: &str,
    subjects: &mut [Box<dyn Subject>],
) -> Result<(), Failure> {
    let mut turns = vec![Vec::new(); subjects.len()];
    for _ in 0..args.rounds {
        for (subject, turns) in subjects.iter_mut().zip(&mut turns) {
            if args.wants_subject(subject.name()) {
                turns.push(turn(&mut **subject, args.turn()).await?);
            }
        }
    }
    for (subject, turns) in subjects.iter().zip(&mut turns) {
        if turns.is_empty() {
            continue;
        }
        let (ns_per_op, spread) = median(turns);
        report.row(Row {
            bench: "batch",
            case: case.to_owned(),
            subject: subject.name(),
            tasks: Some(1),
            ns_per_op: Some(ns_per_op),
            spread: Some(spread),
            ..Row::default()
        });
    }
    Ok(())
}

/// Batches one after another; how many nanoseconds one takes.
async fn turn(subject: &mut dyn Subject, turn: Duration) -> Result<f64, Failure> {
    let (mut took, mut batches) = (Duration::ZERO, 0);
    while took < turn {
        subject.prepare().await?;
        let began = Instant::now();
        let found = subject.batch().await?;
        took += began.elapsed();
        batches += 1;
        if found != KEYS {
            let name = subject.name();
            return Err(format!("{name} brought {found} of {KEYS} keys").into());
        }
    }
    Ok(took.as_nanos() as f64 / f64::from(batches))
}

fn judge(report: &mut Report) {
    let time = |case, subject| report.figure(case, subject, 1, |row| row.ns_per_op);
    let ratio = |over: Option<f64>, under: Option<f64>| Some(over? / under?);
    let gets = ratio(time(GET, "larder"), time(GET, "redis"));
    let loads = ratio(time(LOAD, "larder-singles"), time(LOAD, "larder"));
    let what = "get_many of 1,000: larder / a bare MGET, time";
    report.judge(what, gets, Limit::AtMost(1.3));
    let what = "1,000 keys, half missing: single calls at once / get_or_load_many, time";
    report.judge(what, loads, Limit::AtLeast(1.0));
}
