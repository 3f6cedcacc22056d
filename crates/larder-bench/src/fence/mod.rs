//! `fence`: invalidations during loads, and whether what they removed comes back.

mod cachet;
mod larder;
mod moka;
mod process;
mod redis;
mod subject;
mod truth;

use std::ops::AddAssign;
use std::thread;
use std::time::{Duration, Instant};

use larder_servers::{Fleet, Kind, Orders, Server};
use serde::{Deserialize, Serialize};

use self::subject::Tiers;
use crate::Failure;
use crate::args::Args;
use crate::clock;
use crate::member::answer;
use crate::report::{Limit, Report};

pub(crate) const ROLE: &str = "fence";
const CASE: &str = "remove-or-set";
const PROCESSES: usize = 4;
/// How often a key's readers and writer set to work.
const SLOTS_A_KEY: usize = 2;
/// Each time it is invalidated twice.
const ROUNDS_A_KEY: usize = 2 * SLOTS_A_KEY;
/// Keys between two looks from everywhere.
const KEYS_A_CHUNK: usize = 1_000;
/// How long another process may serve what was invalidated: larder's bound of trust in its pushes,
/// and the TTL of the peers' memory.
const BOUND: Duration = Duration::from_secs(1);
/// What is waited beyond it, since the processes share the machine's cores.
const SLACK: Duration = Duration::from_millis(500);
/// For the order to reach all processes before they begin together.
const HEAD_START: Duration = Duration::from_millis(50);

/// What was counted. An answer, or a stored value, is *old* where its load read the source before
/// an invalidation that had returned when it was asked for.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Tally {
    /// Invalidations that returned.
    rounds: u64,
    loads: u64,
    /// Of these, those during which the source changed.
    overtaken: u64,
    /// Answers.
    reads: u64,
    errors: u64,
    /// Rounds after which the server held an old value: at once, or when all loads from before had
    /// ended.
    old_on_server: u64,
    /// Old answers in the process that had invalidated.
    old_here: u64,
    /// Keys whose value on the server is old, when everything has been quiet for the bound.
    old_at_rest: u64,
    /// Old answers in other processes then.
    old_elsewhere: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.loads += other.loads;
        self.overtaken += other.overtaken;
        self.reads += other.reads;
        self.errors += other.errors;
        self.old_on_server += other.old_on_server;
        self.old_here += other.old_here;
        self.old_at_rest += other.old_at_rest;
        self.old_elsewhere += other.old_elsewhere;
    }
}

#[derive(Debug, Serialize)]
struct Line {
    bench: &'static str,
    case: &'static str,
    subject: &'static str,
    server: String,
    processes: usize,
    seconds: f64,
    #[serde(flatten)]
    tally: Tally,
}

pub(crate) fn serve(orders: Orders) -> Result<(), Failure> {
    match std::env::var("SUBJECT")?.as_str() {
        larder::Pushed::NAME => process::serve::<larder::Pushed>(orders),
        moka::OverRedis::NAME => process::serve::<moka::OverRedis>(orders),
        cachet::OverRedis::NAME => process::serve::<cachet::OverRedis>(orders),
        subject => Err(format!("no subject is called {subject}").into()),
    }
}

pub(crate) fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    if !args.wants_case(CASE) {
        return Ok(());
    }
    for subject in [
        larder::Pushed::NAME,
        moka::OverRedis::NAME,
        cachet::OverRedis::NAME,
    ] {
        if args.wants_subject(subject) {
            let line = measure(args, subject)?;
            show(report, &line);
            if subject == larder::Pushed::NAME {
                judge(report, &line.tally);
            }
        }
    }
    Ok(())
}

/// Each subject has a server and a source of its own.
fn measure(args: &Args, subject: &'static str) -> Result<Line, Failure> {
    let server = Server::start(args.server)?;
    let source = Server::start(Kind::Valkey)?;
    let fleet = Fleet::builder(ROLE)
        .env("SUBJECT", subject)
        .env("URL", server.url())
        .env("SOURCE", source.url())
        .spawn(PROCESSES)?;
    tell(&fleet, "ready")?;
    let begin = Instant::now();
    let (mut tally, mut first) = (Tally::default(), 0);
    let all = args.rounds.div_ceil(ROUNDS_A_KEY);
    while first < all {
        let keys = KEYS_A_CHUNK.min(all - first);
        let start = (clock::now() + HEAD_START).as_nanos();
        tally += tell(&fleet, &format!("invalidate {first} {keys} {start}"))?;
        thread::sleep(BOUND + SLACK);
        tally += tell(&fleet, &format!("look {first} {keys}"))?;
        first += keys;
    }
    Ok(Line {
        bench: "fence",
        case: CASE,
        subject,
        server: format!("{} {}", server.kind(), server.version()),
        processes: PROCESSES,
        seconds: begin.elapsed().as_secs_f64(),
        tally,
    })
}

/// Gives all processes an order, and adds up what they counted.
fn tell(fleet: &Fleet, order: &str) -> Result<Tally, Failure> {
    let mut sum = Tally::default();
    for pending in fleet.send_all(order)? {
        sum += answer(&pending)?;
    }
    Ok(sum)
}

fn show(report: &mut Report, line: &Line) {
    let tally = &line.tally;
    let cells = vec![
        ("subject", line.subject.to_owned()),
        ("server", line.server.clone()),
        ("rounds", tally.rounds.to_string()),
        ("seconds", format!("{:.0}", line.seconds)),
        ("loads", tally.loads.to_string()),
        ("overtaken", tally.overtaken.to_string()),
        ("reads", tally.reads.to_string()),
        ("errors", tally.errors.to_string()),
        ("old on server", tally.old_on_server.to_string()),
        ("at rest", tally.old_at_rest.to_string()),
        ("old here", tally.old_here.to_string()),
        ("elsewhere", tally.old_elsewhere.to_string()),
    ];
    report.line(line, cells);
}

fn judge(report: &mut Report, tally: &Tally) {
    let mut none = |what: &str, count: u64| {
        let what = format!("larder: {what}");
        report.judge(what, Some(count as f64), Limit::AtMost(0.0));
    };
    let on_server = tally.old_on_server + tally.old_at_rest;
    none("resurrected values on the server", on_server);
    let answered = tally.old_here + tally.old_elsewhere;
    none("resurrected values in answers", answered);
    none("errors", tally.errors);
    let overtaken = tally.overtaken as f64 / tally.rounds.max(1) as f64;
    let what = "the run: larder's overtaken loads a round; fewer prove little";
    report.judge(what, Some(overtaken), Limit::AtLeast(0.1));
}
