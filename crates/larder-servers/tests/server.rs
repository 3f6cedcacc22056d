//! What a test may do to its server.
#![allow(clippy::unwrap_used)] // The helpers of tests may panic as tests do.

use std::collections::HashSet;
use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use larder_servers::{Kind, Program, Reply, Server, ServerError};

fn ok() -> Reply {
    Reply::Text(b"OK".to_vec())
}

fn ping(server: &Server) -> Reply {
    server.command(&["PING"]).unwrap()
}

fn pong() -> Reply {
    Reply::Text(b"PONG".to_vec())
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn lives(pid: u32) -> bool {
    // A zombie that waits for its parent has no command line.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[test]
fn each_kind_starts_and_says_what_it_is() {
    for kind in Kind::ALL {
        let server = Server::start(kind).unwrap();
        assert_eq!(ping(&server), pong());
        assert_eq!(server.kind(), kind);
        assert_eq!(server.host(), "127.0.0.1");
        assert_eq!(
            server.url(),
            format!("{kind}://127.0.0.1:{}", server.port())
        );
        assert!(server.is_running());
        let major = server.version().split('.').next().unwrap();
        assert!(major.parse::<u32>().unwrap() >= 7, "{}", server.version());
    }
}

#[test]
fn arguments_and_values_may_hold_any_bytes() {
    let server = Server::start(Kind::Valkey).unwrap();
    let key: &[u8] = b"a\r\n\x00\xff \"'";
    let value: Vec<u8> = (0..=255).collect();
    assert_eq!(server.command(&[b"SET", key, &value]).unwrap(), ok());
    assert_eq!(
        server.command(&[b"GET", key]).unwrap(),
        Reply::Text(value.clone())
    );
    assert_eq!(server.command(&["GET", "none"]).unwrap(), Reply::Nil);
    assert_eq!(server.command(&["DBSIZE"]).unwrap().as_int(), Some(1));
    assert_eq!(
        server.command(&["KEYS", "*"]).unwrap().as_list(),
        [Reply::Text(key.to_vec())]
    );
    assert!(matches!(
        server.command(&["NONSENSE"]).unwrap(),
        Reply::Error(message) if message.starts_with("ERR")
    ));
}

#[test]
fn a_killed_server_comes_back_empty_on_the_same_port() {
    for kind in Kind::ALL {
        let server = Server::start(kind).unwrap();
        let port = server.port();
        server.command(&["SET", "a", "1"]).unwrap();
        server.kill();
        assert!(!server.is_running());
        assert!(server.command(&["PING"]).is_err());
        server.restart().unwrap();
        assert_eq!(server.port(), port);
        assert_eq!(server.command(&["GET", "a"]).unwrap(), Reply::Nil);
    }
}

#[test]
fn with_snapshots_a_stop_keeps_the_data() {
    for kind in Kind::ALL {
        let server = Server::builder(kind).snapshots(true).start().unwrap();
        server.command(&["SET", "a", "1"]).unwrap();
        server.stop().unwrap();
        assert!(!server.is_running());
        server.restart().unwrap();
        assert_eq!(server.command(&["GET", "a"]).unwrap().as_str(), Some("1"));
    }
}

#[test]
fn a_restart_while_it_runs_is_another_process() {
    let server = Server::start(Kind::Valkey).unwrap();
    let before = server.pid().unwrap();
    server.restart().unwrap();
    assert_ne!(server.pid().unwrap(), before);
    assert_eq!(ping(&server), pong());
}

#[test]
fn a_paused_server_accepts_and_answers_only_once_resumed() {
    for kind in Kind::ALL {
        let server = Server::start(kind).unwrap();
        server.pause().unwrap();
        assert!(server.is_running());
        // The system still accepts for it.
        let mut stream = TcpStream::connect((server.host(), server.port())).unwrap();
        std::io::Write::write_all(&mut stream, b"PING\r\n").unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        assert!(stream.read(&mut [0; 8]).is_err());
        server.resume().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+PONG\r\n");
    }
}

#[test]
fn a_paused_server_can_be_stopped_and_dropped() {
    let server = Server::start(Kind::Valkey).unwrap();
    server.pause().unwrap();
    server.stop().unwrap();
    server.restart().unwrap();
    server.pause().unwrap();
    let pid = server.pid().unwrap();
    drop(server);
    assert!(!lives(pid));
}

#[test]
fn a_server_that_is_not_running_can_be_neither_paused_nor_resumed() {
    let server = Server::start(Kind::Valkey).unwrap();
    server.kill();
    assert_eq!(server.pid(), None);
    assert!(matches!(
        server.pause(),
        Err(ServerError::NotRunning { .. })
    ));
    assert!(matches!(
        server.resume(),
        Err(ServerError::NotRunning { .. })
    ));
    server.stop().unwrap();
    server.kill();
}

#[test]
fn a_server_that_ends_by_itself_is_not_running() {
    let server = Server::start(Kind::Redis).unwrap();
    // Its answer is the end of the connection.
    assert!(server.command(&["SHUTDOWN", "NOSAVE"]).is_err());
    wait_until("the server has ended", || !server.is_running());
    server.restart().unwrap();
    assert_eq!(ping(&server), pong());
}

#[test]
fn eight_servers_run_side_by_side() {
    let servers: Vec<_> = (0..8)
        .map(|index| thread::spawn(move || Server::start(Kind::ALL[index % 2]).unwrap()))
        .collect::<Vec<_>>()
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    let ports: HashSet<_> = servers.iter().map(Server::port).collect();
    let folders: HashSet<_> = servers.iter().map(Server::folder).collect();
    assert_eq!((ports.len(), folders.len()), (8, 8));
    for (number, server) in servers.iter().enumerate() {
        server.command(&["SET", "me", &number.to_string()]).unwrap();
    }
    for (number, server) in servers.iter().enumerate() {
        let me = server.command(&["GET", "me"]).unwrap();
        assert_eq!(me.as_str(), Some(&*number.to_string()));
    }
}

#[test]
fn nothing_is_left_after_a_drop() {
    for kind in Kind::ALL {
        let server = Server::builder(kind).snapshots(true).start().unwrap();
        server.command(&["SET", "a", "1"]).unwrap();
        let (pid, folder) = (server.pid().unwrap(), server.folder().to_owned());
        assert!(lives(pid) && folder.exists());
        drop(server);
        assert!(!lives(pid));
        assert!(!folder.exists());
    }
}

#[test]
fn a_password_is_used_for_the_tests_own_commands() {
    for kind in Kind::ALL {
        let server = Server::builder(kind)
            .arg("--requirepass")
            .arg("s3cret word")
            .start()
            .unwrap();
        assert_eq!(ping(&server), pong());
        server.restart().unwrap();
        assert_eq!(ping(&server), pong());
        assert!(!server.url().contains("s3cret"));
        let refused = Server::builder(kind)
            .args(["--user", "default", "off"])
            .start()
            .unwrap();
        assert!(matches!(ping(&refused), Reply::Error(_)));
    }
}

#[test]
fn a_refused_argument_shows_the_log() {
    let error = Server::builder(Kind::Valkey)
        .args(["--no-such-option", "1"])
        .start()
        .unwrap_err();
    assert!(matches!(error, ServerError::Exited { .. }));
    assert!(error.to_string().contains("no-such-option"), "{error}");
}

#[test]
fn a_missing_program_names_its_package_and_the_setup() {
    for program in Program::ALL {
        let error = ServerError::Missing { program }.to_string();
        assert!(error.contains(program.package()) && error.contains("cargo xtask setup"));
    }
}

#[test]
fn the_monitor_records_every_answered_command() {
    for kind in Kind::ALL {
        let server = Server::start(kind).unwrap();
        let monitor = server.monitor().unwrap();
        assert_eq!(monitor.commands().unwrap(), []);
        for number in 0..100 {
            server
                .command(&["INCRBY", "n", &number.to_string()])
                .unwrap();
        }
        let commands = monitor.commands().unwrap();
        assert_eq!(commands.len(), 100);
        assert!(commands.iter().all(|command| command.name() == "INCRBY"));
        assert_eq!(commands[42].args[2], b"42");

        monitor.clear().unwrap();
        let script = "return redis.call('GET', KEYS[1])";
        server.command(&["EVAL", script, "1", "n"]).unwrap();
        let commands = monitor.commands().unwrap();
        let from_script: Vec<_> = commands
            .iter()
            .map(larder_servers::Recorded::from_script)
            .collect();
        assert_eq!(from_script, [false, true]);

        server.kill();
        assert_eq!(monitor.commands().unwrap(), commands);
        server.restart().unwrap();
        assert_eq!(monitor.commands().unwrap(), commands);
    }
}

/// Named in the environment of the process that is killed below.
const VICTIM: &str = "LARDER_SERVERS_TEST_VICTIM";

#[test]
fn nothing_is_left_after_the_test_process_is_killed() {
    if std::env::var_os(VICTIM).is_some() {
        let server = Server::start(Kind::Valkey).unwrap();
        println!("{} {}", server.pid().unwrap(), server.folder().display());
        loop {
            thread::park();
        }
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "nothing_is_left_after_the_test_process_is_killed",
        ])
        .arg("--nocapture")
        .env(VICTIM, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(victim.stdout.take().unwrap());
    let (pid, folder) = std::io::BufRead::lines(output)
        .find_map(|line| {
            let line = line.unwrap();
            let (before, folder) = line.split_once(" /")?;
            let pid: u32 = before.rsplit(' ').next()?.parse().ok()?;
            Some((pid, format!("/{folder}")))
        })
        .unwrap();
    assert!(lives(pid));
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until("the server has ended", || !lives(pid));
    wait_until("its folder is gone", || !Path::new(&folder).exists());
}
