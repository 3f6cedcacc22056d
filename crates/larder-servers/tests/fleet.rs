//! What a test may do to processes of its own program.
#![allow(clippy::unwrap_used)] // The helpers of tests may panic as tests do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use larder_servers::{Fleet, FleetBuilder, Kind, Orders, Server, ServerError};

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(10);

/// The processes of the fleets below enter here. As a test it passes at once.
#[test]
fn member() {
    let Some(mut orders) = Orders::of_this_process() else {
        return;
    };
    match orders.role() {
        "echo" => {
            let me = format!("{} {}", orders.role(), orders.index());
            orders.serve(|order| format!("{me}: {order}"));
        }
        "worker" => orders.serve(work),
        "late" => {
            // Answers the second order first.
            let first = orders.receive().unwrap();
            let second = orders.receive().unwrap();
            for order in [second, first] {
                let text = order.text().to_owned();
                order.answer(text);
            }
            assert!(orders.receive().is_none());
        }
        "parent" => {
            let fleet = fleet("worker").spawn(2).unwrap();
            fleet[1].pause().unwrap();
            let pids = format!("{} {}", fleet[0].pid(), fleet[1].pid());
            let hanging = fleet[0].send("hang").unwrap();
            orders.receive().unwrap().answer(pids);
            hanging.wait(Duration::MAX).unwrap();
        }
        role => panic!("no role is called {role}"),
    }
}

fn work(order: &str) -> String {
    let (what, argument) = order.split_once(' ').unwrap_or((order, ""));
    match what {
        "env" => std::env::var(argument).unwrap_or_default(),
        "incr" => incr(argument),
        "print" => {
            print!("begun and not ended");
            argument.to_owned()
        }
        "hang" => loop {
            thread::park();
        },
        "exit" => std::process::exit(3),
        "panic" => panic!("as ordered"),
        _ => unreachable!("{order}"),
    }
}

/// Adds one on a server, and says what came of it.
fn incr(port: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
    stream
        .write_all(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n")
        .unwrap();
    let mut answer = [0; 16];
    let read = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..read])
        .trim()
        .trim_start_matches(':')
        .to_owned()
}

fn fleet(role: &str) -> FleetBuilder {
    Fleet::builder(role).entry("member")
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The state of a process as its system shows it: `S`, `T` where it is stopped, `Z` once it ended.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn lives(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

#[test]
fn each_member_answers_in_its_role() {
    let fleet = fleet("echo").spawn(3).unwrap();
    assert_eq!(fleet.members().len(), 3);
    for (index, member) in fleet.members().iter().enumerate() {
        assert_eq!(member.index(), index);
        let answer = member.ask("hello").unwrap();
        assert_eq!(answer, format!("echo {index}: hello"));
    }
    assert_eq!(
        fleet.ask_all("").unwrap(),
        ["echo 0: ", "echo 1: ", "echo 2: "]
    );
}

#[test]
fn orders_and_answers_may_be_any_text() {
    let fleet = fleet("echo").spawn(1).unwrap();
    let long = "long ".repeat(100_000);
    for text in ["two\nlines\r\n", "{\"a\": \"\\n\"}", "ready", "ü", &long] {
        assert_eq!(fleet[0].ask(text).unwrap(), format!("echo 0: {text}"));
    }
}

#[test]
fn members_have_their_environment_and_use_a_server_together() {
    let server = Server::start(Kind::Valkey).unwrap();
    let fleet = fleet("worker").env("LARDER_TEST", "x y").spawn(4).unwrap();
    assert_eq!(fleet[3].ask("env LARDER_TEST").unwrap(), "x y");
    let order = format!("incr {}", server.port());
    let mut counts: Vec<u32> = Vec::new();
    for _ in 0..5 {
        let answers = fleet.ask_all(&order).unwrap();
        counts.extend(answers.iter().map(|answer| answer.parse::<u32>().unwrap()));
    }
    counts.sort_unstable();
    assert!(counts.iter().copied().eq(1..=20), "{counts:?}");
}

#[test]
fn what_members_print_is_no_answer_and_is_kept() {
    let fleet = fleet("worker").spawn(1).unwrap();
    assert_eq!(fleet[0].ask("print a").unwrap(), "a");
    wait_until("it is heard", || {
        let output = fleet[0].output();
        output
            .iter()
            .any(|line| line.contains("begun and not ended"))
    });
}

#[test]
fn orders_may_be_answered_in_any_sequence() {
    let fleet = fleet("late").spawn(1).unwrap();
    let first = fleet[0].send("first").unwrap();
    let waited = first.wait(SHORT).unwrap_err();
    assert!(matches!(waited, ServerError::MemberSilent { .. }));
    assert!(waited.to_string().contains("answered `first`"), "{waited}");
    let second = fleet[0].send("second").unwrap();
    assert_eq!(second.wait(LONG).unwrap(), "second");
    assert_eq!(first.wait(LONG).unwrap(), "first");
    fleet[0].finish().unwrap();
}

#[test]
fn a_killed_member_is_gone_and_the_others_are_not() {
    let fleet = fleet("worker").spawn(2).unwrap();
    let hanging = fleet[0].send("hang").unwrap();
    assert!(fleet[0].is_running());
    fleet[0].kill();
    assert!(!fleet[0].is_running() && !lives(fleet[0].pid()));
    for error in [
        hanging.wait(LONG).unwrap_err(),
        fleet[0].ask("env A").unwrap_err(),
        fleet[0].pause().unwrap_err(),
        fleet[0].resume().unwrap_err(),
        fleet.ask_all("env A").unwrap_err(),
    ] {
        assert!(
            matches!(error, ServerError::MemberEnded { index: 0, .. }),
            "{error}"
        );
    }
    fleet[0].kill();
    assert_eq!(fleet[1].ask("env NONE").unwrap(), "");
}

#[test]
fn a_paused_member_answers_once_resumed() {
    let fleet = fleet("echo").spawn(2).unwrap();
    fleet[0].pause().unwrap();
    assert_eq!(state(fleet[0].pid()), Some('T'));
    assert!(fleet[0].is_running());
    let pending = fleet.send_all("a").unwrap();
    assert_eq!(pending[1].wait(LONG).unwrap(), "echo 1: a");
    assert!(pending[0].wait(SHORT).is_err());
    fleet[0].resume().unwrap();
    // The late answer is not taken for the next one.
    assert_eq!(fleet[0].ask("b").unwrap(), "echo 0: b");
    assert_eq!(pending[0].wait(LONG).unwrap(), "echo 0: a");
}

#[test]
fn members_finish_in_good_order_or_say_how_they_ended() {
    let fleet = fleet("worker").spawn(3).unwrap();
    let pending = fleet[0].send("env NONE").unwrap();
    fleet[0].finish().unwrap();
    assert_eq!(pending.wait(LONG).unwrap(), "");
    assert!(!fleet[0].is_running());

    let ended = |index: usize, order: &str| match fleet[index].ask(order).unwrap_err() {
        ServerError::MemberEnded { status, .. } => status.code(),
        error => panic!("{error}"),
    };
    assert_eq!(ended(1, "exit"), Some(3));
    assert_eq!(ended(2, "panic"), Some(101));
    assert!(fleet[2].finish().is_err());
}

#[test]
fn an_entry_that_does_not_exist_is_an_error() {
    let error = Fleet::builder("echo").entry("none").spawn(1).unwrap_err();
    assert!(matches!(error, ServerError::MemberEnded { .. }));
    assert!(error.to_string().contains("running 0 tests"), "{error}");
}

#[test]
fn threads_share_a_fleet() {
    let fleet = fleet("echo").spawn(2).unwrap();
    thread::scope(|scope| {
        for thread in 0..8 {
            let member = &fleet[thread % 2];
            scope.spawn(move || {
                for number in 0..50 {
                    let order = format!("{thread}/{number}");
                    let answer = member.ask(&order).unwrap();
                    assert_eq!(answer, format!("echo {}: {order}", member.index()));
                }
            });
        }
    });
}

#[test]
fn nothing_is_left_of_a_dropped_fleet() {
    let fleet = fleet("worker").spawn(3).unwrap();
    let _ = fleet[0].send("hang").unwrap();
    fleet[1].pause().unwrap();
    let pids: Vec<_> = fleet
        .members()
        .iter()
        .map(larder_servers::Member::pid)
        .collect();
    assert!(pids.iter().all(|pid| lives(*pid)));
    drop(fleet);
    assert!(!pids.iter().any(|pid| lives(*pid)));
}

#[test]
fn nothing_is_left_of_a_fleet_whose_process_is_killed() {
    let parent = fleet("parent").spawn(1).unwrap();
    let pids: Vec<u32> = parent[0]
        .ask("pids")
        .unwrap()
        .split(' ')
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert!(pids.iter().all(|pid| lives(*pid)));
    assert_eq!(state(pids[1]), Some('T'));
    parent[0].kill();
    for pid in pids {
        wait_until("it has ended", || !lives(pid));
    }
}
