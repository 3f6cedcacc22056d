//! `stampede`: many callers in several processes, one cold key, one load.

mod crowd;

use std::time::Duration;

use larder_servers::{Fleet, Pending, Server};
use serde::Serialize;

pub(crate) use self::crowd::serve;
use self::crowd::{Answer, Crowd, Load};
use crate::Failure;
use crate::args::Args;
use crate::clock::{self, ms_between};
use crate::member::answer;
use crate::report::{Limit, Report, cell, median};

pub(crate) const ROLE: &str = "stampede";
const PROCESSES: usize = 4;
/// How long the loader takes.
const LOAD: Duration = Duration::from_millis(200);
/// For the callers to be there before they ask together.
const HEAD_START: Duration = Duration::from_millis(150);
/// How often a kill that came too late is tried again.
const ATTEMPTS: usize = 10;
/// The design's budget for the last caller after the fill, in milliseconds.
const LAST_MS: f64 = 50.0;

/// One cold key. Times are milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
struct Round {
    bench: &'static str,
    case: &'static str,
    subject: &'static str,
    server: String,
    number: usize,
    processes: usize,
    callers: usize,
    /// Loads begun, in the processes that lived to the end.
    loads: usize,
    /// Callers without the value.
    failed: usize,
    /// Callers who had not asked before the load ended.
    late: usize,
    /// From the loader's end until its own caller had the answer: the fill was acknowledged.
    acknowledged_ms: Option<f64>,
    /// From the loader's end until the first caller in another process.
    first_elsewhere_ms: Option<f64>,
    /// From the loader's end until the last caller in any process.
    last_ms: Option<f64>,
    /// From the kill until a survivor began to load.
    kill_to_load_ms: Option<f64>,
    /// From the kill until the last survivor's caller.
    kill_to_last_ms: Option<f64>,
}

pub(crate) fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let server = Server::start(args.server)?;
    let mut rounds = Vec::new();
    if args.wants_case("cold") {
        let fleet = fleet(&server)?;
        for number in 0..args.rounds {
            rounds.push(cold(args, &server, &fleet, number)?);
            show(report, rounds.last());
        }
    }
    if args.wants_case("killed") {
        for number in 0..args.rounds.div_ceil(3) {
            rounds.push(killed_in_time(args, &server, number)?);
            show(report, rounds.last());
        }
    }
    judge(report, &rounds);
    Ok(())
}

fn fleet(server: &Server) -> Result<Fleet, Failure> {
    let fleet = Fleet::builder(ROLE).env("URL", server.url());
    let fleet = fleet.spawn(PROCESSES)?;
    for ready in fleet.send_all("ready")? {
        answer::<Answer>(&ready)?;
    }
    Ok(fleet)
}

/// Sends all callers off, to ask together.
fn send<'a>(args: &Args, fleet: &'a Fleet, key: &str) -> Result<Vec<Pending<'a>>, Failure> {
    let start = (clock::now() + HEAD_START).as_nanos();
    let callers = args.callers / PROCESSES;
    Ok(fleet.send_all(&format!("crowd {key} {callers} {start}"))?)
}

fn cold(args: &Args, server: &Server, fleet: &Fleet, number: usize) -> Result<Round, Failure> {
    let mut crowds = Vec::new();
    for pending in send(args, fleet, &format!("cold-{number}"))? {
        crowds.push(crowd_of(answer(&pending)?)?);
    }
    Ok(round("cold", server, number, &crowds))
}

/// A busy machine may kill the process only when its load is done: then the survivors have the value
/// without a load, and the round says nothing.
fn killed_in_time(args: &Args, server: &Server, number: usize) -> Result<Round, Failure> {
    for attempt in 0..ATTEMPTS {
        let key = format!("killed-{number}-{attempt}");
        let round = killed(args, server, number, &key)?;
        if round.loads > 0 || round.failed > 0 {
            return Ok(round);
        }
        eprintln!("killed: the load had ended before the kill; once more");
    }
    Err("the machine is too busy to kill a process within its load".into())
}

/// The process that loads is killed in the middle of its load.
fn killed(args: &Args, server: &Server, number: usize, key: &str) -> Result<Round, Failure> {
    let fleet = fleet(server)?;
    let pending = send(args, &fleet, key)?;
    let (holder, begun) = loop {
        if let Some(found) = loading(&fleet)? {
            break found;
        }
    };
    let middle = begun + LOAD / 2;
    std::thread::sleep(middle.saturating_sub(clock::now()));
    let at = clock::now();
    fleet[holder].kill();
    let mut crowds = Vec::new();
    for (_, pending) in pending.iter().enumerate().filter(|(n, _)| *n != holder) {
        crowds.push(crowd_of(answer(pending)?)?);
    }
    let mut round = round("killed", server, number, &crowds);
    let begun = crowds
        .iter()
        .flat_map(|crowd| &crowd.loads)
        .map(|it| it.begun);
    round.kill_to_load_ms = begun.min().map(|begun| ms_between(at, begun));
    let last = crowds.iter().map(|crowd| crowd.last_answered).max();
    round.kill_to_last_ms = last.map(|last| ms_between(at, last));
    Ok(round)
}

/// The process that is loading, if one is, and since when.
fn loading(fleet: &Fleet) -> Result<Option<(usize, Duration)>, Failure> {
    for (n, asked) in fleet.send_all("begun")?.iter().enumerate() {
        if let Answer::Begun(Some(begun)) = answer(asked)? {
            return Ok(Some((n, begun)));
        }
    }
    Ok(None)
}

fn crowd_of(answer: Answer) -> Result<Crowd, Failure> {
    match answer {
        Answer::Crowd(crowd) => Ok(crowd),
        other => Err(format!("no crowd: {other:?}").into()),
    }
}

fn round(case: &'static str, server: &Server, number: usize, crowds: &[Crowd]) -> Round {
    let loads: Vec<&Load> = crowds.iter().flat_map(|crowd| &crowd.loads).collect();
    let load = loads.iter().min_by_key(|load| load.ended);
    let since = |moment: Option<Duration>| Some(ms_between(load?.ended, moment?));
    let elsewhere = crowds.iter().filter(|crowd| crowd.loads.is_empty());
    Round {
        bench: "stampede",
        case,
        subject: "larder",
        server: format!("{} {}", server.kind(), server.version()),
        number,
        processes: crowds.len(),
        callers: crowds.iter().map(|crowd| crowd.asked.len()).sum(),
        loads: loads.len(),
        failed: crowds.iter().map(|crowd| crowd.failed).sum(),
        late: crowds
            .iter()
            .flat_map(|crowd| &crowd.asked)
            .filter(|asked| load.is_some_and(|load| **asked > load.ended))
            .count(),
        acknowledged_ms: since(load.map(|load| load.acknowledged)),
        first_elsewhere_ms: since(elsewhere.map(|crowd| crowd.first_answered).min()),
        last_ms: since(crowds.iter().map(|crowd| crowd.last_answered).max()),
        ..Round::default()
    }
}

fn show(report: &mut Report, round: Option<&Round>) {
    let Some(round) = round else { return };
    let ms = |ms: Option<f64>| cell(ms, |ms| format!("{ms:.1}"));
    let cells = vec![
        ("case", round.case.to_owned()),
        ("server", round.server.clone()),
        ("callers", round.callers.to_string()),
        ("loads", round.loads.to_string()),
        ("failed", round.failed.to_string()),
        ("late", round.late.to_string()),
        ("fill ack ms", ms(round.acknowledged_ms)),
        ("first elsewhere ms", ms(round.first_elsewhere_ms)),
        ("last ms", ms(round.last_ms)),
        ("kill to load ms", ms(round.kill_to_load_ms)),
        ("kill to last ms", ms(round.kill_to_last_ms)),
    ];
    report.line(round, cells);
}

fn judge(report: &mut Report, rounds: &[Round]) {
    for (case, of) in [("cold", "the fleet"), ("killed", "the survivors")] {
        let rounds = || rounds.iter().filter(move |round| round.case == case);
        let loads = || rounds().map(|round| round.loads);
        let most = loads().max();
        let what = format!("{case}: loads in {of}, the most of all rounds");
        report.judge(what, most.map(|most| most as f64), Limit::AtMost(1.0));
        let fewest = loads().min();
        let what = format!("{case}: loads in {of}, the fewest");
        report.judge(
            what,
            fewest.map(|fewest| fewest as f64),
            Limit::AtLeast(1.0),
        );
        let failed = most.map(|_| rounds().map(|round| round.failed).sum::<usize>() as f64);
        let what = format!("{case}: callers without the value");
        report.judge(what, failed, Limit::AtMost(0.0));
        let mut last: Vec<_> = rounds().filter_map(|round| round.last_ms).collect();
        if !last.is_empty() {
            let what = format!("{case}: the last caller after the load, ms, median");
            report.judge(what, Some(median(&mut last).0), Limit::AtMost(LAST_MS));
        }
    }
}
