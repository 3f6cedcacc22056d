//! `clear`: a tenant among others is cleared. When it is seen, how long the server is held while its
//! memory is freed, and how others do it.

mod fill;
mod peers;
mod probe;
mod process;

use std::time::{Duration, Instant};

use larder_servers::Fleet;
use serde::Serialize;

use self::fill::{Filled, TENANT};
use self::probe::Probe;
use self::process::Answer;
pub(crate) use self::process::serve;
use crate::Failure;
use crate::args::Args;
use crate::clock::{self, ms_between};
use crate::member::answer;
use crate::report::{Limit, Report, cell, median};

pub(crate) const ROLE: &str = "clear";
const CASE: &str = "tenant";
const LARDER: &str = "larder";
const PROCESSES: usize = 4;
/// For the order to reach all processes before it begins.
const HEAD_START: Duration = Duration::from_millis(50);
/// The design's budgets, in milliseconds.
const SEEN_MS: f64 = 10.0;
const STALL_MS: f64 = 1.0;

/// One subject. Times are milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
struct Line {
    bench: &'static str,
    case: &'static str,
    subject: &'static str,
    server: String,
    /// Entries of the tenant, and of others.
    entries: usize,
    others: usize,
    processes: usize,
    /// From the call until the last process saw the tenant cleared; the median of the rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_most_ms: Option<f64>,
    /// How long a `PING` took while nothing else went on.
    idle_p999_ms: f64,
    idle_max_ms: f64,
    /// The same while the tenant was freed.
    p50_ms: f64,
    p999_ms: f64,
    max_ms: f64,
    /// The longest command, as the server tells it, where one took a millisecond.
    #[serde(skip_serializing_if = "Option::is_none")]
    slowest_command_ms: Option<f64>,
    /// How many did.
    slow_commands: usize,
    /// From the call until the memory was free.
    seconds: f64,
    freed: usize,
    /// Entries of others that are left.
    left: usize,
    /// The server's memory per entry beyond what it has without a registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    registry_bytes: Option<f64>,
}

pub(crate) fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    if !args.wants_case(CASE) {
        return Ok(());
    }
    if args.wants_subject(LARDER) {
        let line = larder(args)?;
        show(report, &line);
        judge(report, &line);
    }
    for peer in peers::ALL {
        if args.wants_subject(peer.name()) {
            let filled = fill::fill(args, peer.has_registry())?;
            let line = freed(args, peer.name(), &filled, || peer.clear(&filled.server))?;
            show(report, &line);
        }
    }
    Ok(())
}

/// Larder: cleared by one process and seen by all, some times; and then swept.
fn larder(args: &Args) -> Result<Line, Failure> {
    let filled = fill::fill(args, false)?;
    let fleet = Fleet::builder(ROLE).env("URL", filled.server.url());
    let fleet = fleet.spawn(PROCESSES)?;
    for ready in fleet.send_all("ready")? {
        answer::<Answer>(&ready)?;
    }
    let mut seen = Vec::new();
    for _ in 0..args.rounds {
        seen.push(round(&fleet)?);
    }
    let mut line = freed(args, LARDER, &filled, || {
        // What the rounds have left of it, and all that they have made useless.
        let mut state: Answer = answer(&fleet[0].send("sweep")?)?;
        while matches!(state, Answer::Going) {
            state = answer(&fleet[0].send("swept")?)?;
        }
        Ok(())
    })?;
    line.processes = PROCESSES;
    line.seen_ms = Some(median(&mut seen).0);
    line.seen_most_ms = seen.last().copied();
    Ok(line)
}

/// One clear; how long until all have seen it.
fn round(fleet: &Fleet) -> Result<f64, Failure> {
    for held in fleet.send_all("hold")? {
        answer::<Answer>(&held)?;
    }
    let start = (clock::now() + HEAD_START).as_nanos();
    let looking = fleet.send_all(&format!("look {start}"))?;
    let clearing = fleet[0].send(&format!("clear {start}"))?;
    let Answer::At(begun) = answer(&clearing)? else {
        return Err("no answer to a clear".into());
    };
    let mut last = begun;
    for look in &looking {
        if let Answer::At(seen) = answer(look)? {
            last = last.max(seen);
        }
    }
    Ok(ms_between(begun, last))
}

/// Measures how the server is held while `free` runs, and what it leaves.
fn freed(
    args: &Args,
    subject: &'static str,
    filled: &Filled,
    free: impl FnOnce() -> Result<(), Failure>,
) -> Result<Line, Failure> {
    let server = &filled.server;
    let slow = |command: &[&str]| -> Result<_, Failure> { Ok(server.command(command)?) };
    slow(&["CONFIG", "SET", "slowlog-log-slower-than", "1000"])?;
    slow(&["CONFIG", "SET", "slowlog-max-len", "10000"])?;
    let probe = Probe::start(server)?;
    std::thread::sleep(args.duration());
    let idle = probe.end()?;
    slow(&["SLOWLOG", "RESET"])?;
    let before = fill::count(server, TENANT)?;
    let probe = Probe::start(server)?;
    let began = Instant::now();
    free()?;
    let seconds = began.elapsed().as_secs_f64();
    let busy = probe.end()?;
    let slowest = slow(&["SLOWLOG", "GET", "10000"])?;
    let micros = slowest
        .as_list()
        .iter()
        .filter_map(|entry| entry.as_list().get(2)?.as_int());
    let all = fill::count_all(server)?;
    let after = fill::count(server, TENANT)?;
    Ok(Line {
        bench: "clear",
        case: CASE,
        subject,
        server: format!("{} {}", server.kind(), server.version()),
        entries: args.entries,
        others: args.entries,
        processes: 1,
        idle_p999_ms: idle.p999,
        idle_max_ms: idle.max,
        p50_ms: busy.p50,
        p999_ms: busy.p999,
        max_ms: busy.max,
        slowest_command_ms: micros.max().map(|micros| micros as f64 / 1e3),
        slow_commands: slowest.as_list().len(),
        seconds,
        freed: before - after,
        left: all - after,
        registry_bytes: filled.registry_bytes,
        ..Line::default()
    })
}

fn show(report: &mut Report, line: &Line) {
    let ms = |ms: f64| format!("{ms:.2}");
    let cells = vec![
        ("case", line.case.to_owned()),
        ("subject", line.subject.to_owned()),
        ("server", line.server.clone()),
        ("seen ms", cell(line.seen_ms, ms)),
        ("idle p99.9", ms(line.idle_p999_ms)),
        ("idle max", ms(line.idle_max_ms)),
        ("p50", ms(line.p50_ms)),
        ("p99.9", ms(line.p999_ms)),
        ("max ms", ms(line.max_ms)),
        ("slowest cmd", cell(line.slowest_command_ms, ms)),
        ("slow cmds", line.slow_commands.to_string()),
        ("seconds", format!("{:.1}", line.seconds)),
        ("freed", line.freed.to_string()),
        ("left", line.left.to_string()),
        (
            "registry B",
            cell(line.registry_bytes, |bytes| format!("{bytes:.0}")),
        ),
    ];
    report.line(line, cells);
}

fn judge(report: &mut Report, line: &Line) {
    let most = Limit::AtMost(STALL_MS);
    report.judge(
        "clear: seen by all processes, ms, median",
        line.seen_ms,
        Limit::AtMost(SEEN_MS),
    );
    let beyond = Some(line.p999_ms - line.idle_p999_ms);
    report.judge(
        "sweep: p99.9 of a PING beyond that of an idle server, ms",
        beyond,
        most,
    );
    let beyond = Some(line.max_ms - line.idle_max_ms);
    report.judge(
        "sweep: the longest PING beyond that of an idle server, ms",
        beyond,
        most,
    );
    let slowest = Some(line.slowest_command_ms.unwrap_or(0.0));
    report.judge(
        "sweep: the longest command by the server's word, ms (0: below 1)",
        slowest,
        most,
    );
    let share = |part: usize, of: usize| Some(part as f64 / of as f64);
    report.judge(
        "sweep: the share of the tenant that was freed",
        share(line.freed, line.entries),
        Limit::AtLeast(1.0),
    );
    report.judge(
        "sweep: the share of others that is left",
        share(line.left, line.others),
        Limit::AtLeast(1.0),
    );
}
