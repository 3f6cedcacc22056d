//! `outage`: steady reads while the server is gone, and while it stands still.

mod drive;
mod larder;
mod plain;
mod reader;

use std::thread;
use std::time::Duration;

use larder_servers::Server;
use serde::Serialize;

use self::drive::{Driven, drive};
use self::reader::{Reader, Sample, Source};
use crate::Failure;
use crate::args::Args;
use crate::clock::{self, ms_between};
use crate::member;
use crate::report::{Limit, Report, cell};

/// What happens to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// It is killed, and comes back empty.
    Killed,
    /// It is stopped with its connections open, and goes on.
    Paused,
}

impl Case {
    const ALL: [Self; 2] = [Self::Killed, Self::Paused];

    fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Paused => "paused",
        }
    }

    fn begin(self, server: &Server) -> Result<(), Failure> {
        match self {
            Self::Killed => server.kill(),
            Self::Paused => server.pause()?,
        }
        Ok(())
    }

    /// Returns once the server answers.
    fn end(self, server: &Server) -> Result<(), Failure> {
        match self {
            Self::Killed => server.restart()?,
            Self::Paused => server.resume()?,
        }
        Ok(())
    }
}

/// When what happened, by the common clock.
struct Times {
    begin: Duration,
    away: Duration,
    back: Duration,
    end: Duration,
}

/// One subject in one phase. Times are milliseconds.
#[derive(Clone, Debug, Serialize)]
struct Line {
    bench: &'static str,
    case: &'static str,
    subject: &'static str,
    server: String,
    phase: &'static str,
    seconds: f64,
    reads: usize,
    errors: usize,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// Shares of the answers.
    near: f64,
    remote: f64,
    loaded: f64,
    stale: f64,
    /// From the server's return until the first hit on it, asked for since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    back_ms: Option<f64>,
}

pub(crate) fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for case in Case::ALL {
        if args.wants_case(case.name()) {
            for line in measure(args, case)? {
                show(report, &line);
                lines.push(line);
            }
        }
    }
    judge(report, &lines);
    Ok(())
}

/// All subjects read at the same time, each on a runtime of its own, and see the same outage.
fn measure(args: &Args, case: Case) -> Result<Vec<Line>, Failure> {
    let server = Server::start(args.server)?;
    let away = args.duration();
    let mut driven = Vec::new();
    add::<larder::Short>(args, &server, &mut driven)?;
    add::<larder::Default>(args, &server, &mut driven)?;
    add::<plain::Managed>(args, &server, &mut driven)?;

    // What is hot becomes so first.
    thread::sleep(away / 4);
    let begin = clock::now();
    thread::sleep(away / 2);
    let gone = clock::now();
    case.begin(&server)?;
    thread::sleep(away);
    case.end(&server)?;
    let back = clock::now();
    thread::sleep(away);
    let times = Times {
        begin,
        away: gone,
        back,
        end: clock::now(),
    };

    let mut lines = Vec::new();
    for subject in driven {
        let (name, samples) = subject.stop()?;
        lines.extend(summarize(case, name, &server, &times, &samples));
    }
    Ok(lines)
}

fn add<R: Reader>(
    args: &Args,
    server: &Server,
    driven: &mut Vec<Box<dyn Driven>>,
) -> Result<(), Failure> {
    if args.wants_subject(R::NAME) {
        driven.push(drive::<R>(member::runtime()?, &server.url())?);
    }
    Ok(())
}

fn summarize(
    case: Case,
    subject: &'static str,
    server: &Server,
    times: &Times,
    samples: &[Sample],
) -> Vec<Line> {
    let phases = [
        ("before", times.begin, times.away),
        ("during", times.away, times.back),
        ("after", times.back, times.end),
    ];
    let line = |(phase, from, to): (&'static str, Duration, Duration)| {
        let samples: Vec<_> = samples
            .iter()
            .filter(|sample| (from..to).contains(&sample.due))
            .collect();
        let mut took: Vec<_> = samples.iter().map(|it| it.took).collect();
        took.sort_unstable();
        let at = |share: f64| {
            let n = (took.len() as f64 * share) as usize;
            took.get(n.min(took.len().saturating_sub(1)))
                .map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
        };
        let answers: Vec<_> = samples.iter().filter_map(|it| it.answer.ok()).collect();
        let share = |count: usize| count as f64 / answers.len().max(1) as f64;
        let of = |source| share(answers.iter().filter(|it| it.source == source).count());
        let hits = samples.iter().filter(|sample| {
            let answer = sample.answer;
            answer.is_ok_and(|answer| answer.source == Source::Remote && !answer.is_stale)
        });
        let back = hits.map(|hit| ms_between(times.back, hit.due + hit.took));
        Line {
            bench: "outage",
            case: case.name(),
            subject,
            server: format!("{} {}", server.kind(), server.version()),
            phase,
            seconds: ms_between(from, to) / 1e3,
            reads: samples.len(),
            errors: samples.len() - answers.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: at(1.0),
            near: of(Source::Near),
            remote: of(Source::Remote),
            loaded: of(Source::Loader),
            stale: share(answers.iter().filter(|it| it.is_stale).count()),
            back_ms: back.min_by(f64::total_cmp).filter(|_| phase == "after"),
        }
    };
    phases.into_iter().map(line).collect()
}

fn show(report: &mut Report, line: &Line) {
    let ms = |ms: f64| format!("{ms:.2}");
    let share = |share: f64| format!("{:.1} %", share * 100.0);
    let cells = vec![
        ("case", line.case.to_owned()),
        ("subject", line.subject.to_owned()),
        ("phase", line.phase.to_owned()),
        ("reads", line.reads.to_string()),
        ("errors", line.errors.to_string()),
        ("p50 ms", ms(line.p50_ms)),
        ("p99 ms", ms(line.p99_ms)),
        ("max ms", ms(line.max_ms)),
        ("near", share(line.near)),
        ("remote", share(line.remote)),
        ("loaded", share(line.loaded)),
        ("stale", share(line.stale)),
        ("back ms", cell(line.back_ms, ms)),
    ];
    report.line(line, cells);
}

fn judge(report: &mut Report, lines: &[Line]) {
    for case in Case::ALL.map(Case::name) {
        let of_larder = lines
            .iter()
            .filter(|line| line.case == case && line.subject.starts_with("larder"));
        let errors = of_larder.map(|line| line.errors).reduce(|a, b| a + b);
        let what = format!("{case}: errors that larder's callers saw");
        report.judge(what, errors.map(|errors| errors as f64), Limit::AtMost(0.0));
    }
}
