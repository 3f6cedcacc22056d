//! `larder simulate`.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use larder::bounded::{Eviction, Request, Simulation};

use crate::args::{Capacity, Simulate};
use crate::clairvoyant;
use crate::failure::Failure;
use crate::plot;
use crate::report;
use crate::trace::Trace;

/// How a cache did on a trace.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The policy, or `clairvoyant`.
    pub(crate) policy: String,
    pub(crate) capacity: Capacity,
    pub(crate) requests: u64,
    pub(crate) hits: u64,
    /// Shares, where the trace says what they are of.
    pub(crate) byte_hit_ratio: Option<f64>,
    pub(crate) cost_saved: Option<f64>,
}

impl Outcome {
    pub(crate) fn hit_ratio(&self) -> f64 {
        ratio(self.hits, self.requests)
    }
}

/// The name of what knows the future.
pub(crate) const CLAIRVOYANT: &str = "clairvoyant";

/// What `--record` prints.
const RECORD: &str = "\
How an application records a trace of its own, in Rust:

    // At most a million requests of a tenth of the keys: 16 MB, until `recording` is dropped.
    let recording = cache.record(0.1, 1_000_000)?;
    // … when it is full, or after an hour or a day:
    recording.write(BufWriter::new(File::create(\"cache.trace\")?))?;

Then, wherever the file is:

    larder simulate cache.trace --policy all --capacity 1000,10000,100000 --plot cache.svg

The capacities are those of the real cache: they are scaled by the share of the keys, which the first line of
the file says. Keys are in it as numbers that mean nothing outside the process that recorded. Choose a
share that leaves at least some thousands of keys. What one cache needs is also seen without a file, while it
works: CacheBuilder::miss_ratio_curve.
";

pub(crate) fn run(args: &Simulate) -> Result<(), Failure> {
    if args.record {
        io::stdout().write_all(RECORD.as_bytes())?;
        return Ok(());
    }
    let mut capacities = args.capacities.clone();
    capacities.sort_unstable();
    capacities.dedup();
    if capacities
        .iter()
        .any(|capacity| capacity.unit() != capacities[0].unit())
    {
        return Err(Failure::MixedCapacities);
    }
    // Before all the work.
    let canvas = args.plot.as_deref().map(plot::Canvas::open).transpose()?;
    let trace = read(args)?;
    let path = || args.trace.clone();
    if trace.sizes.is_none() && matches!(capacities[0], Capacity::Bytes(_)) {
        return Err(Failure::NoSizes { path: path() });
    }
    if trace.times.is_none() && args.ttl.is_some() {
        return Err(Failure::NoTimes { path: path() });
    }
    let policies = args.policies();
    let runs = capacities.len() * (policies.len() + 1);
    let bar = progress((trace.len() * runs) as u64);
    let mut outcomes = Vec::new();
    for capacity in capacities {
        for eviction in &policies {
            bar.set_message(format!("{eviction}, {}", capacity.amount()));
            outcomes.push(simulated(&trace, *eviction, capacity, args.ttl, &bar));
        }
        bar.set_message(format!("{CLAIRVOYANT}, {}", capacity.amount()));
        outcomes.push(foreseen(&trace, capacity, args.ttl));
        bar.inc(trace.len() as u64);
    }
    bar.finish_and_clear();
    let name = args.trace.file_name().unwrap_or(args.trace.as_os_str());
    let name = name.to_string_lossy();
    match write(args, &name, &trace, &outcomes) {
        // Whoever reads has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    // Last, so that the figures are there where it fails.
    canvas.map_or(Ok(()), |canvas| canvas.draw(&name, &outcomes))
}

fn write(args: &Simulate, name: &str, trace: &Trace, outcomes: &[Outcome]) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if args.json {
        report::json(&mut out, name, outcomes)?;
    } else {
        report::table(&mut out, name, trace, outcomes)?;
    }
    out.flush()
}

fn read(args: &Simulate) -> Result<Trace, Failure> {
    let spinner = ProgressBar::new_spinner();
    spinner.set_message("reading the trace");
    let trace = Trace::read(&args.trace, args.strict, |requests| {
        spinner.set_message(format!("reading the trace: {requests} requests"));
        spinner.tick();
    });
    spinner.finish_and_clear();
    let trace = trace?;
    if let Some(first) = &trace.skipped.first {
        let (path, malformed) = (args.trace.display(), trace.skipped.malformed);
        let lines = if malformed == 1 { "line" } else { "lines" };
        eprintln!("larder: skipped {malformed} {lines} of {path}; the first is {first}");
    }
    Ok(trace)
}

/// On the standard error, if that is a terminal.
fn progress(steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %, {eta} left: {msg}");
    // The template is right: a test draws it.
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// What the requests that were hits have in common.
#[derive(Default)]
struct Sum {
    hits: u64,
    bytes: u64,
    cost: f64,
}

impl Sum {
    fn add(&mut self, trace: &Trace, at: usize) {
        self.hits += 1;
        self.bytes += u64::from(trace.size(at));
        self.cost += trace.cost(at);
    }

    fn outcome(&self, trace: &Trace, policy: String, capacity: Capacity) -> Outcome {
        let mut all = Self::default();
        (0..trace.len()).for_each(|at| all.add(trace, at));
        let has = |column: bool, share: f64| column.then_some(share);
        let cost_saved = if all.cost > 0.0 {
            self.cost / all.cost
        } else {
            0.0
        };
        Outcome {
            policy,
            capacity,
            requests: all.hits,
            hits: self.hits,
            byte_hit_ratio: has(trace.sizes.is_some(), ratio(self.bytes, all.bytes)),
            cost_saved: has(trace.costs.is_some(), cost_saved),
        }
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let ratio = part as f64 / whole.max(1) as f64;
    ratio
}

fn weight(trace: &Trace, capacity: Capacity, at: usize) -> u32 {
    match capacity {
        Capacity::Entries(_) => 1,
        Capacity::Bytes(_) => trace.size(at),
    }
}

fn simulated(
    trace: &Trace,
    eviction: Eviction,
    capacity: Capacity,
    ttl: Option<Duration>,
    bar: &ProgressBar,
) -> Outcome {
    let mut cache = Simulation::new(eviction, capacity.scaled(trace.share).near());
    let (mut sum, mut now) = (Sum::default(), 0);
    for (at, key) in trace.keys.iter().enumerate() {
        let time = trace.time(at);
        if time > now {
            cache.advance(Duration::from_millis(time - now));
            now = time;
        }
        let request = Request::new((*key).into()).weight(weight(trace, capacity, at));
        let request = ttl.map_or(request, |ttl| request.ttl(ttl));
        if cache.request(&request) {
            sum.add(trace, at);
        }
        if at % (1 << 12) == 0 {
            bar.inc(1 << 12);
        }
    }
    sum.outcome(trace, eviction.to_string(), capacity)
}

fn foreseen(trace: &Trace, capacity: Capacity, ttl: Option<Duration>) -> Outcome {
    let mut sum = Sum::default();
    let weight = |at| weight(trace, capacity, at).into();
    let ttl = ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    let room = capacity.scaled(trace.share).amount();
    clairvoyant::hits(trace, room, weight, ttl, |at| {
        sum.add(trace, at);
    });
    sum.outcome(trace, CLAIRVOYANT.to_owned(), capacity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_of_the_progress_bar_is_right() {
        assert!(ProgressStyle::with_template("{bar:40} {percent:>3} %, {eta} left: {msg}").is_ok());
    }
}
