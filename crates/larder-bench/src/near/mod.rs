//! `near`: hits in the memory of the process.

mod bare_loop;
mod cached;
mod cachet;
mod drive;
mod foyer;
mod larder;
mod macros;
mod memory;
mod moka;
mod quick_cache;
mod subject;

use tokio::runtime::{Builder, Runtime};

use self::drive::{Filled, Subject, Turn};
use self::memory::{Fill, bytes_per_entry};
use self::subject::Near;
use crate::Failure;
use crate::args::Args;
use crate::report::{Limit, Report, Row, median};
use crate::workload::{KEYS, Key, Pattern};

/// Room for all keys and half as many again: no peer evicts, however uneven its shards are.
const CAPACITY: usize = KEYS / 2 * 3;

const PUSHED: &str = larder::Pushed::<String>::NAME;

/// More misses than this, and the case is about something else.
const MISSES: f64 = 0.001;

pub(crate) fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    // For what subjects do in the background. The lookups run in threads of their own.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    hits::<String>(args, &runtime, report)?;
    hits::<u64>(args, &runtime, report)?;
    memory::<String>(args, &runtime, report)?;
    memory::<u64>(args, &runtime, report)?;
    judge(report);
    Ok(())
}

/// `macros`: a hit through `#[cached]`, against the same call by hand and `cached`'s macro.
pub(crate) fn run_macros(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let (ints, strings) = (keys::<u64>(), keys::<String>());
    let mut shelf = Shelf::new("macros", args, &ints, &runtime);
    shelf.add::<macros::ByHand>()?;
    shelf.add::<macros::Macro>()?;
    shelf.add::<cached::Macro>()?;
    shelf.measure_all(report);
    let mut shelf = Shelf::new("macros", args, &strings, &runtime);
    shelf.add::<macros::ByHand>()?;
    shelf.add::<macros::Macro>()?;
    shelf.add::<macros::Template>()?;
    shelf.add::<cached::Macro>()?;
    shelf.measure_all(report);

    let ns = |report: &Report, case, subject| report.figure(case, subject, 1, |row| row.ns_per_op);
    for case in ["int/zipf", "int/hot", "string/zipf", "string/hot"] {
        let by_hand = ns(report, case, "by-hand");
        let ours = ns(report, case, "larder-macro");
        let more = ours.zip(by_hand).map(|(ours, by_hand)| ours - by_hand);
        report.judge(
            format!("{case}: larder-macro - by-hand, ns"),
            more,
            Limit::AtMost(5.0),
        );
        let peer = ns(report, case, "cached")
            .zip(ours)
            .map(|(peer, ours)| peer / ours);
        report.judge(
            format!("{case}: cached / larder-macro, time"),
            peer,
            Limit::AtLeast(1.0),
        );
    }
    Ok(())
}

fn keys<K: Key>() -> Vec<K> {
    (0..KEYS).map(K::number).collect()
}

/// Hits on keys of one kind. All subjects are filled first; then each takes a turn in every round,
/// so that a machine that slows down slows all of them.
fn hits<K: Key>(args: &Args, runtime: &Runtime, report: &mut Report) -> Result<(), Failure>
where
    cached::Macro: Near<K>,
{
    if !cases::<K>().iter().any(|(_, case)| args.wants_case(case)) {
        return Ok(());
    }
    let keys = keys::<K>();
    let mut shelf = Shelf::new("near", args, &keys, runtime);
    shelf.add::<bare_loop::BareLoop>()?;
    shelf.add::<larder::InEntries<K>>()?;
    shelf.add::<larder::WithCurve<K>>()?;
    shelf.add::<larder::InBytes<K>>()?;
    shelf.add::<larder::Pushed<K>>()?;
    shelf.add::<quick_cache::Bare<K>>()?;
    shelf.add::<moka::Plain<K>>()?;
    shelf.add::<moka::WithTtl<K>>()?;
    shelf.add::<cachet::Memory<K>>()?;
    shelf.add::<foyer::Memory<K>>()?;
    shelf.add::<cached::Macro>()?;
    shelf.add::<cached::Sharded<K>>()?;
    shelf.measure_all(report);
    Ok(())
}

/// The orders of lookups, each with the name of its case.
fn cases<K: Key>() -> [(Pattern, String); 2] {
    Pattern::ALL.map(|pattern| (pattern, format!("{}/{}", K::NAME, pattern.name())))
}

/// The filled subjects of one kind of key.
struct Shelf<'a, K> {
    bench: &'static str,
    args: &'a Args,
    keys: &'a [K],
    runtime: &'a Runtime,
    subjects: Vec<Box<dyn Subject + 'a>>,
}

impl<'a, K: Key> Shelf<'a, K> {
    fn new(bench: &'static str, args: &'a Args, keys: &'a [K], runtime: &'a Runtime) -> Self {
        Self {
            bench,
            args,
            keys,
            runtime,
            subjects: Vec::new(),
        }
    }

    fn measure_all(&self, report: &mut Report) {
        for (pattern, case) in cases::<K>() {
            if !self.args.wants_case(&case) {
                continue;
            }
            let sequence = pattern.sequence();
            for threads in [1, 2] {
                self.measure(&case, &sequence, threads, report);
            }
        }
    }

    fn add<S: Near<K>>(&mut self) -> Result<(), Failure> {
        if self.args.wants_subject(S::NAME) {
            let filled = Filled::<'a, K, S>::new(self.keys, self.runtime, CAPACITY)?;
            self.subjects.push(Box::new(filled));
        }
        Ok(())
    }

    fn measure(&self, case: &str, sequence: &[u32], threads: usize, report: &mut Report) {
        let mut turns = vec![Vec::new(); self.subjects.len()];
        for _ in 0..self.args.rounds {
            for (subject, turns) in self.subjects.iter().zip(&mut turns) {
                turns.push(subject.turn(sequence, threads, self.args.turn()));
            }
        }
        for (subject, turns) in self.subjects.iter().zip(&turns) {
            let of = |figure: fn(&Turn) -> f64| {
                let mut figures: Vec<_> = turns.iter().map(figure).collect();
                median(&mut figures)
            };
            let (ns_per_op, spread) = of(|turn| turn.ns_per_op);
            let (misses, _) = of(|turn| turn.misses);
            // Where there is something else than memory, that it answered is worth a figure.
            let is_beside_a_server = subject.name() == PUSHED;
            report.row(Row {
                bench: self.bench,
                case: case.to_owned(),
                subject: subject.name(),
                threads: Some(threads),
                ns_per_op: Some(ns_per_op),
                ops_per_s: Some(of(|turn| turn.ops_per_s).0),
                spread: Some(spread),
                allocs_per_op: (threads == 1).then(|| subject.allocs_per_op(sequence)),
                misses: (misses > MISSES || is_beside_a_server).then_some(misses),
                ..Row::default()
            });
        }
    }
}

/// What entries with keys of one kind cost. `cached`'s macro is left out: its cache is a static,
/// which nothing frees.
fn memory<K: Key>(args: &Args, runtime: &Runtime, report: &mut Report) -> Result<(), Failure> {
    for fill in Fill::ALL {
        let case = format!("{}/{}", K::NAME, fill.name());
        if !args.wants_case(&case) {
            continue;
        }
        weigh::<K, larder::InEntries<K>>(args, runtime, &case, fill, report)?;
        weigh::<K, larder::InBytes<K>>(args, runtime, &case, fill, report)?;
        weigh::<K, quick_cache::Bare<K>>(args, runtime, &case, fill, report)?;
        weigh::<K, moka::Plain<K>>(args, runtime, &case, fill, report)?;
        weigh::<K, cachet::Memory<K>>(args, runtime, &case, fill, report)?;
        weigh::<K, foyer::Memory<K>>(args, runtime, &case, fill, report)?;
        weigh::<K, cached::Sharded<K>>(args, runtime, &case, fill, report)?;
    }
    Ok(())
}

fn weigh<K: Key, S: Near<K>>(
    args: &Args,
    runtime: &Runtime,
    case: &str,
    fill: Fill,
    report: &mut Report,
) -> Result<(), Failure> {
    if args.wants_subject(S::NAME) {
        report.row(Row {
            bench: "near",
            case: case.to_owned(),
            subject: S::NAME,
            bytes_per_entry: Some(bytes_per_entry::<K, S>(runtime, fill)?),
            ..Row::default()
        });
    }
    Ok(())
}

/// The budgets of the design that this bench can judge.
fn judge(report: &mut Report) {
    const ZIPF: &str = "string/zipf";
    const HOT: &str = "string/hot";
    let ns = |report: &Report, subject| report.figure(ZIPF, subject, 1, |row| row.ns_per_op);
    let ops = |report: &Report, case, subject, threads| {
        report.figure(case, subject, threads, |row| row.ops_per_s)
    };
    let ratio = |over: Option<f64>, under: Option<f64>| Some(over? / under?);

    for subject in ["larder", PUSHED] {
        let ours = ns(report, subject);
        let bare = ratio(ours, ns(report, "quick_cache"));
        let what = format!("string/zipf: {subject} / quick_cache, time");
        report.judge(what, bare, Limit::AtMost(1.5));
        let moka = ratio(ns(report, "moka"), ours);
        let what = format!("string/zipf: moka / {subject}, time");
        report.judge(what, moka, Limit::AtLeast(4.0));
        let cachet = ratio(ns(report, "cachet"), ours);
        let what = format!("string/zipf: cachet / {subject}, time");
        report.judge(what, cachet, Limit::AtLeast(6.0));
        let allocs = report.figure(ZIPF, subject, 1, |row| row.allocs_per_op);
        let what = format!("string/zipf: {subject}, allocations a hit");
        report.judge(what, allocs, Limit::AtMost(0.0));
    }
    for threads in [1, 2] {
        let misses = report.figure(ZIPF, PUSHED, threads, |row| row.misses);
        let what = format!("string/zipf, {threads} threads: {PUSHED}, % answered by memory");
        let hits = misses.map(|misses| (1.0 - misses) * 100.0);
        report.judge(what, hits, Limit::AtLeast(99.9));
    }

    let scaling = ratio(
        ops(report, ZIPF, "larder", 2),
        ops(report, ZIPF, "larder", 1),
    );
    let cores = ratio(ops(report, HOT, "(loop)", 2), ops(report, HOT, "(loop)", 1));
    let what = "the machine: (loop), 2 threads / 1 thread; less, and it was busy";
    report.judge(what, cores, Limit::AtLeast(1.9));
    let what = "string/zipf: larder, 2 threads / 1 thread, throughput";
    report.judge(what, scaling, Limit::AtLeast(1.7));

    let best = report
        .subjects()
        .into_iter()
        .filter(|subject| !subject.starts_with("larder") && *subject != "(loop)")
        .filter_map(|peer| Some((peer, ops(report, HOT, peer, 2)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((peer, throughput)) = best {
        let hot = ratio(ops(report, HOT, "larder", 2), Some(throughput));
        let what = format!("string/hot, 2 threads: larder / {peer} (best), throughput");
        report.judge(what, hot, Limit::AtLeast(1.0));
    }
    for case in ["string/full", "int/full"] {
        let bytes = report.figure(case, "larder", 1, |row| row.bytes_per_entry);
        report.judge(
            format!("{case}: larder, bytes an entry"),
            bytes,
            Limit::AtMost(120.0),
        );
    }
}
