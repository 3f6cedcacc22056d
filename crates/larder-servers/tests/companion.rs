//! Programs that run beside a test.

use std::process::Command;

use larder_servers::Companion;
use rustix::process::{Pid, test_kill_process};

#[test]
fn a_companion_runs_until_it_is_dropped() {
    let mut companion = Companion::start(Command::new("sleep").arg("1000")).unwrap();
    let pid = Pid::from_raw(companion.id().try_into().unwrap()).unwrap();
    assert!(companion.exit_status().unwrap().is_none());
    test_kill_process(pid).unwrap();
    drop(companion);
    test_kill_process(pid).unwrap_err();
}

#[test]
fn a_program_that_is_not_there_is_an_error_that_names_it() {
    let error = Companion::start(&mut Command::new("no-such-program")).unwrap_err();
    assert!(error.to_string().contains("no-such-program"), "{error}");
}
