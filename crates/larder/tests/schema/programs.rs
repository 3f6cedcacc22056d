//! Two programs, each a process of its own, whose `Point` has one path and two orders of its fields.
//!
//! The processes are this test's own binary, run again for the one test [`a_program`], which takes
//! commands from its standard input.

use std::any::type_name;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use larder::config::Config;
use larder::{Cache, CacheValue, Codec, Larder, NearCapacity};
use larder_servers::{Kind, Server};

use super::common::{Runs, on_each_server, start, writes};

on_each_server!(
    programs_with_fields_in_another_order_never_misread_each_other,
    programs_with_fields_in_another_order_overwrite_each_other_once_at_most,
);

const VERSION: &str = "LARDER_TEST_PROGRAM_VERSION";
const URL: &str = "LARDER_TEST_PROGRAM_URL";
/// What stands before an answer, since the test harness prints too.
const ANSWER: &str = "answer: ";

#[test]
#[ignore = "a program that the other tests run; by itself it has nothing to do"]
fn a_program() {
    let Ok(version) = env::var(VERSION) else {
        return;
    };
    // Two types in two blocks of one function have the same path, as in two programs.
    if version == "before" {
        #[derive(Clone, serde::Serialize, serde::Deserialize)]
        struct Point {
            x: u32,
            y: u32,
        }
        serve(&Point { x: 1, y: 2 }, |point| (point.x, point.y));
    } else {
        #[derive(Clone, serde::Serialize, serde::Deserialize)]
        struct Point {
            y: u32,
            x: u32,
        }
        serve(&Point { y: 2, x: 1 }, |point| (point.x, point.y));
    }
}

/// Answers each line of the standard input by one of the standard output.
fn serve<V: CacheValue + Clone>(point: &V, xy: impl Fn(&V) -> (u32, u32)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let larder = runtime.block_on(async {
        let config = Config::builder().url(env::var(URL).unwrap());
        Larder::with(config.build().unwrap()).await.unwrap()
    });
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let (command, codec) = line.split_once(' ').unwrap_or((&line, ""));
        if command == "type" {
            println!("{ANSWER}{}", type_name::<V>());
            continue;
        }
        let codec = *Codec::ALL.iter().find(|c| c.as_str() == codec).unwrap();
        let cache: Cache<u32, V> = larder
            .cache(format!("points {}", codec.as_str()))
            .codec(codec)
            .near(NearCapacity::Off)
            .build()
            .unwrap();
        let answer = runtime.block_on(async {
            match command {
                "set" => {
                    cache.set(&1, point.clone()).await.unwrap();
                    "stored".to_owned()
                }
                "get" => match cache.get(&1).await {
                    Some(found) => format!("{:?}", xy(&found)),
                    None => "nothing".to_owned(),
                },
                "load" => {
                    let runs = Runs::default();
                    let found = cache.get_or_load(&1, runs.load(point.clone())).await;
                    let how = if runs.get() == 0 { "read" } else { "loaded" };
                    format!("{how} {:?}", xy(&found.unwrap()))
                }
                other => panic!("no command: {other}"),
            }
        });
        println!("{ANSWER}{answer}");
    }
}

/// A process that runs [`a_program`].
struct Program {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Program {
    fn start(version: &str, server: &Server) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["programs::a_program", "--exact", "--ignored", "--nocapture"])
            .env(VERSION, version)
            .env(URL, server.url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            commands,
            answers,
        }
    }

    /// Both versions, on one server.
    fn both(server: &Server) -> [Self; 2] {
        ["before", "after"].map(|version| Self::start(version, server))
    }

    fn ask(&mut self, command: &str) -> String {
        writeln!(self.commands, "{command}").unwrap();
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.answers.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "{command}: the program ended");
            if let Some((_, answer)) = line.trim_end().split_once(ANSWER) {
                return answer.to_owned();
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn programs_with_fields_in_another_order_never_misread_each_other(kind: Kind) {
    let server = start(kind);
    let [mut one, mut other] = Program::both(&server);
    assert_eq!(one.ask("type"), other.ask("type"), "one path");
    for codec in Codec::ALL.iter().map(|codec| codec.as_str()) {
        let (set, get) = (format!("set {codec}"), format!("get {codec}"));
        for turn in 0..4 {
            assert_eq!(one.ask(&set), "stored");
            assert_eq!(one.ask(&get), "(1, 2)");
            let found = other.ask(&get);
            assert!(
                ["(1, 2)", "nothing"].contains(&found.as_str()),
                "{codec} {turn}: {found}"
            );
            (one, other) = (other, one);
        }
    }
}

async fn programs_with_fields_in_another_order_overwrite_each_other_once_at_most(kind: Kind) {
    let server = start(kind);
    let [mut one, mut other] = Program::both(&server);
    for codec in Codec::ALL.iter().map(|codec| codec.as_str()) {
        let monitor = server.monitor().unwrap();
        let load = format!("load {codec}");
        let mut reads = 0;
        for turn in 0..20 {
            for program in [&mut one, &mut other] {
                let answer = program.ask(&load);
                let (how, value) = answer.split_once(' ').unwrap();
                assert_eq!(value, "(1, 2)", "{codec} {turn}: misread");
                reads += usize::from(how == "read");
            }
        }
        let writes = writes(&monitor);
        assert!((1..=2).contains(&writes), "{codec}: {writes} writes");
        // One of the two has the place for good, and reads it.
        assert!(reads >= 18, "{codec}: {reads}");
    }
}
