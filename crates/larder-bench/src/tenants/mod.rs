//! `tenants`: one tenant writes ten times its share; what is left of another's hits.
//!
//! No times are taken: what is counted is the same on every machine, but for the engines' own chance.

mod load;
mod subject;

use serde::Serialize;
use tokio::runtime::Builder;

use self::load::{Mix, Noise};
use self::subject::{Larder, Moka, Subject};
use crate::Failure;
use crate::args::Args;
use crate::report::{Limit, Report};
use ::larder::TenantOptions;

/// What the near tier holds.
const CAPACITY: u64 = 8 << 20;
/// What the quiet tenant is promised in the cases that promise: its keys fit, with a third to spare.
const FLOOR: u64 = 3 << 19;
/// What the noisy one may have at most, in the cases that say so.
const CEILING: u64 = CAPACITY / 2;

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    case: &'static str,
    subject: &'static str,
    lookups: u64,
    /// The share of the quiet tenant's lookups that were hits, once its keys had been there.
    quiet_hit_rate: f64,
    noisy_hit_rate: f64,
    /// What all weigh together at the end.
    bytes: u64,
}

pub(crate) fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    for noise in [Noise::Scan, Noise::Bursts] {
        if !args.wants_case(noise.name()) {
            continue;
        }
        runtime.block_on(async {
            let none = TenantOptions::new();
            let floor = none.near_floor(FLOOR);
            let ceiling = none.near_ceiling(CEILING);
            let subjects: [Box<dyn Subject>; 4] = [
                Box::new(Larder::open("larder", none, none).await?),
                Box::new(Larder::open("larder-floor", floor, none).await?),
                Box::new(Larder::open("larder-ceiling", none, ceiling).await?),
                Box::new(Moka::open()),
            ];
            for subject in subjects {
                if args.wants_subject(subject.name()) {
                    let line = measure(args, noise, &*subject).await?;
                    show(report, &line);
                    judge(report, &line);
                }
            }
            Ok::<(), Failure>(())
        })?;
    }
    Ok(())
}

async fn measure(args: &Args, noise: Noise, subject: &dyn Subject) -> Result<Line, Failure> {
    let mut mix = Mix::new(noise);
    let (mut of_quiet, mut of_noisy) = (Tally::default(), Tally::default());
    // Until each key has been asked for about once, misses say nothing.
    let warm = args.rounds / 4;
    for round in 0..args.rounds + warm {
        let hit = subject.get_or_load("quiet", mix.quiet()).await?;
        of_quiet.count(hit, round >= warm);
        for key in mix.noisy() {
            let hit = subject.get_or_load("noisy", key).await?;
            of_noisy.count(hit, round >= warm);
        }
    }
    Ok(Line {
        bench: "tenants",
        case: noise.name(),
        subject: subject.name(),
        lookups: of_quiet.lookups,
        quiet_hit_rate: of_quiet.hit_rate(),
        noisy_hit_rate: of_noisy.hit_rate(),
        bytes: subject.bytes().await,
    })
}

#[derive(Default)]
struct Tally {
    lookups: u64,
    hits: u64,
}

impl Tally {
    fn count(&mut self, hit: bool, counts: bool) {
        self.lookups += u64::from(counts);
        self.hits += u64::from(counts && hit);
    }

    fn hit_rate(&self) -> f64 {
        self.hits as f64 / self.lookups.max(1) as f64
    }
}

fn show(report: &mut Report, line: &Line) {
    let percent = |rate: f64| format!("{:.1} %", rate * 100.0);
    let cells = vec![
        ("case", line.case.to_owned()),
        ("subject", line.subject.to_owned()),
        ("lookups", line.lookups.to_string()),
        ("quiet hits", percent(line.quiet_hit_rate)),
        ("noisy hits", percent(line.noisy_hit_rate)),
        ("bytes", line.bytes.to_string()),
    ];
    report.line(line, cells);
}

fn judge(report: &mut Report, line: &Line) {
    if line.subject == "larder-floor" {
        let what = format!("{}: the quiet tenant's hit rate with a floor", line.case);
        report.judge(what, Some(line.quiet_hit_rate), Limit::AtLeast(0.999));
    }
    if line.subject.starts_with("larder") {
        let what = format!("{}: {}'s bytes / its capacity", line.case, line.subject);
        let share = line.bytes as f64 / CAPACITY as f64;
        report.judge(what, Some(share), Limit::AtMost(1.0));
    }
}
