//! `remote`: hits on a server of its own, on loopback.

mod drive;
mod larder;
mod pool;
mod redis;
mod subject;

use ::larder::{Codec, Config, Larder};
use ::redis::io::tcp::TcpSettings;
use ::redis::{ConnectionInfo, IntoConnectionInfo};
use larder_servers::{Kind, Server};
use tokio::runtime::{Builder, Runtime};

use self::drive::{Connected, Operation, Subject, Turn};
use self::subject::Client;
pub(crate) use self::subject::Entries;
use crate::Failure;
use crate::args::Args;
use crate::report::{Limit, Report, Row, median};

const TASKS: [usize; 4] = [1, 16, 64, 256];
/// More misses than this, and the case is about something else.
const MISSES: f64 = 0.001;

/// What is stored, and what is done with it.
struct Case {
    name: &'static str,
    operation: Operation,
    codec: Codec,
    /// The value's bytes, before encoding.
    length: usize,
    keys: usize,
}

const CASES: [Case; 4] = [
    Case {
        name: "get/128",
        operation: Operation::Get,
        codec: Codec::Json,
        length: 128,
        keys: 10_000,
    },
    Case {
        name: "get/128/postcard",
        operation: Operation::Get,
        codec: Codec::Postcard,
        length: 128,
        keys: 10_000,
    },
    Case {
        name: "get/16k",
        operation: Operation::Get,
        codec: Codec::Json,
        length: 16 << 10,
        keys: 1_000,
    },
    Case {
        name: "set/128",
        operation: Operation::Set,
        codec: Codec::Json,
        length: 128,
        keys: 10_000,
    },
];

pub(crate) fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let server = Server::start(Kind::Valkey)?;
    eprintln!("{} {}", server.kind(), server.version());
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let config = Config::builder().url(server.url()).build()?;
    let bench = Bench {
        args,
        larder: runtime.block_on(Larder::with(config))?,
        info: (server.host(), server.port())
            .into_connection_info()?
            .set_tcp_settings(TcpSettings::default().set_nodelay(true)),
        runtime: &runtime,
    };
    for case in CASES {
        if args.wants_case(case.name) {
            bench.measure(&case, report)?;
        }
    }
    runtime.block_on(bench.larder.close());
    judge(report);
    Ok(())
}

struct Bench<'a> {
    args: &'a Args,
    larder: Larder,
    info: ConnectionInfo,
    runtime: &'a Runtime,
}

impl Bench<'_> {
    fn measure(&self, case: &Case, report: &mut Report) -> Result<(), Failure> {
        let subjects = self.runtime.block_on(self.connect(case))?;
        for tasks in TASKS {
            let mut turns = vec![Vec::new(); subjects.len()];
            for _ in 0..self.args.rounds {
                for (subject, turns) in subjects.iter().zip(&mut turns) {
                    turns.push(subject.turn(self.runtime, tasks, self.args.turn())?);
                }
            }
            for (subject, turns) in subjects.iter().zip(&turns) {
                let of = |figure: fn(&Turn) -> f64| {
                    let mut figures: Vec<_> = turns.iter().map(figure).collect();
                    median(&mut figures)
                };
                let (ops_per_s, spread) = of(|turn| turn.ops_per_s);
                let (misses, _) = of(|turn| turn.misses);
                report.row(Row {
                    bench: "remote",
                    case: case.name.to_owned(),
                    subject: subject.name(),
                    tasks: Some(tasks),
                    ops_per_s: Some(ops_per_s),
                    spread: Some(spread),
                    misses: (misses > MISSES).then_some(misses),
                    ..Row::default()
                });
            }
        }
        Ok(())
    }

    /// Writes the case's entries, and connects all who will read them.
    async fn connect(&self, case: &Case) -> Result<Vec<Box<dyn Subject>>, Failure> {
        let bare = ::redis::Client::open(self.info.clone())?;
        let name = case.name.replace('/', "-");
        let entries = Entries::write(
            &self.larder,
            &bare,
            &name,
            case.codec,
            case.keys,
            case.length,
        )
        .await?;
        eprintln!(
            "{}: {} bytes a value are {} stored",
            case.name,
            case.length,
            entries.stored.len()
        );
        let mut subjects = Vec::new();
        let multiplexed = redis::Multiplexed::connect(&bare, entries.clone()).await?;
        let bb8 = pool::Bb8::connect(&self.info, entries.clone()).await?;
        let deadpool = pool::Deadpool::new(&self.info, entries.clone())?;
        self.add(&mut subjects, case, larder::Api(entries));
        self.add(&mut subjects, case, multiplexed);
        self.add(&mut subjects, case, bb8);
        self.add(&mut subjects, case, deadpool);
        Ok(subjects)
    }

    fn add<C: Client>(&self, subjects: &mut Vec<Box<dyn Subject>>, case: &Case, client: C) {
        if self.args.wants_subject(C::NAME) {
            subjects.push(Box::new(Connected {
                client,
                operation: case.operation,
                keys: case.keys,
            }));
        }
    }
}

/// The budgets of the design that this bench can judge.
fn judge(report: &mut Report) {
    let ops =
        |report: &Report, subject| report.figure("get/128", subject, 256, |row| row.ops_per_s);
    let ours = ops(report, "larder");
    let ratio = |over: Option<f64>, under: Option<f64>| Some(over? / under?);
    let bare = ratio(ours, ops(report, "redis"));
    let what = "get/128, 256 tasks: larder / redis, throughput";
    report.judge(what, bare, Limit::AtLeast(0.9));
    let best = ["bb8", "deadpool"]
        .into_iter()
        .filter_map(|pool| Some((pool, ops(report, pool)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((pool, throughput)) = best {
        let what = format!("get/128, 256 tasks: larder / {pool} (the better pool), throughput");
        report.judge(what, ratio(ours, Some(throughput)), Limit::AtLeast(4.0));
    }
}
