//! What cannot be is refused, by its name and value, and with what can be.

use std::io::Read;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{BOUND, command};

/// What the program says of these arguments, with which it does not start.
fn refused(args: &[&str], env: &[(&str, &str)]) -> String {
    let mut command = command();
    command.args(args).envs(env.iter().copied());
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if began.elapsed() < BOUND => std::thread::sleep(Duration::from_millis(2)),
            None => {
                // It started, and so was not refused.
                child.kill().unwrap();
                break child.wait().unwrap();
            }
        }
    };
    assert!(status.code().is_some(), "it started with {args:?}");
    assert!(!status.success(), "{args:?}");
    let mut error = String::new();
    child.stderr.unwrap().read_to_string(&mut error).unwrap();
    error
}

#[test]
fn an_origin_is_a_scheme_a_host_and_a_port() {
    for bad in [
        "",
        "localhost:3000",
        "ftp://a",
        "https://a",
        "http://",
        "http:///x",
        "http://a/path",
        "http://a/?q",
        "http://u:p@a",
        "http://a b",
        "http://a:99999",
    ] {
        let error = refused(&["--origin", bad, "--listen", "127.0.0.1:0"], &[]);
        for part in ["--origin", "http://localhost:3000", bad] {
            assert!(error.contains(part), "{bad}: {error}");
        }
    }
}

#[test]
fn an_address_is_an_ip_and_a_port() {
    for bad in [
        "",
        "8080",
        ":8080",
        "localhost:8080",
        "1.2.3.4",
        "1.2.3.4:99999",
        "x",
    ] {
        let error = refused(&["--origin", "http://a", "--listen", bad], &[]);
        for part in ["--listen", "127.0.0.1:8080", bad] {
            assert!(error.contains(part), "{bad}: {error}");
        }
    }
}

#[test]
fn other_values_say_what_is_allowed() {
    for (option, bad, allowed) in [
        ("--timeout", "0", "above 0"),
        ("--timeout", "soon", "above 0"),
        ("--stale-if-error", "-1", "from 0"),
        ("--connections", "0", "from 1"),
        ("--max-body", "7", "64KiB"),
        ("--memory", "lots", "64KiB"),
    ] {
        let value = format!("{option}={bad}");
        let error = refused(
            &["--origin", "http://a", "--listen", "127.0.0.1:0", &value],
            &[],
        );
        for part in [option, bad, allowed] {
            assert!(error.contains(part), "{error}");
        }
    }
    let error = refused(&[], &[]);
    assert!(
        error.contains("--origin") && error.contains("--listen"),
        "{error}"
    );
}

#[test]
fn an_address_in_use_or_a_wrong_environment_is_an_error_at_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = refused(&["--origin", "http://a", "--listen", &address], &[]);
    assert!(
        error.contains(&address) && error.contains("--listen"),
        "{error}"
    );

    let args = ["--origin", "http://a", "--listen", "127.0.0.1:0"];
    let error = refused(&args, &[("CACHE_BACKEND", "floppy")]);
    assert!(
        error.contains("CACHE_BACKEND") && error.contains("floppy"),
        "{error}"
    );
}
