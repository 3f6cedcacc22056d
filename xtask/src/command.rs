//! Runs programs: shown, read, or with their test counts summed.

use std::env;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;

use crate::failure::Failure;
use crate::suite::{Counts, Runner};

/// The cargo that runs xtask, in the project's folder.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(args).current_dir(root()).stdin(Stdio::null());
    without_settings(&mut command);
    command
}

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Keeps the settings of whoever runs this from the tests and examples.
pub(crate) fn without_settings(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let ours = name.to_str().is_some_and(|name| {
            ["CACHE_", "VALKEY_", "REDIS_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        });
        if ours {
            command.env_remove(&name);
        }
    }
}

/// Whether this cargo has the subcommand.
pub(crate) fn has_cargo(subcommand: &str) -> bool {
    succeeds(cargo(&[subcommand, "--version"]))
}

/// Whether the command can be run and succeeds. Shows nothing.
pub(crate) fn succeeds(mut command: Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs the command and shows what it prints.
pub(crate) fn show(mut command: Command) -> Result<(), Failure> {
    let line = shown(&command);
    let status = command
        .status()
        .map_err(Failure::io(format!("run {line}")))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("{line} ended with {status}")))
    }
}

/// Runs the command and returns what it printed to its output.
pub(crate) fn read(mut command: Command) -> Result<String, Failure> {
    let line = shown(&command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(Failure::io(format!("run {line}")))?;
    if !output.status.success() {
        return Err(Failure::new(format!("{line} ended with {}", output.status)));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Failure::new(format!("{line} printed what is not UTF-8")))
}

/// What a run of tests came to.
#[derive(Debug)]
pub(crate) struct Tests {
    pub(crate) counts: Counts,
    pub(crate) summaries: Vec<String>,
    pub(crate) outcome: Result<(), Failure>,
}

/// Runs tests, shows what they print, and reads the counts from the runners' summaries.
pub(crate) fn run_tests(mut command: Command) -> Result<Tests, Failure> {
    let line = shown(&command);
    let runner = if command.get_args().any(|arg| arg == "nextest") {
        Runner::Nextest
    } else {
        Runner::CargoTest
    };
    let mut child = command
        .env("CARGO_TERM_COLOR", "never") // Colours would hide the summaries.
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Failure::io(format!("run {line}")))?;
    let (sender, lines) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        pass_on(stdout, io::stdout(), sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        pass_on(stderr, io::stderr(), sender);
    }
    let mut counts = Counts::default();
    let mut summaries = Vec::new();
    for line in lines {
        if let Some(more) = Counts::in_summary(&line, runner) {
            counts += more;
            summaries.push(line.trim().to_owned());
        }
    }
    let status = child.wait().map_err(Failure::io(format!("run {line}")))?;
    let outcome = if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("{line} ended with {status}")))
    };
    Ok(Tests {
        counts,
        summaries,
        outcome,
    })
}

/// Copies each line to `to` at once, and sends it.
fn pass_on(
    from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    lines: Sender<String>,
) {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            // A closed output must not stop the tests.
            let _ = to.write_all(&line).and_then(|()| to.flush());
            let _ = lines.send(String::from_utf8_lossy(&line).into_owned());
            line.clear();
        }
    });
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = format!("`{}", program.file_name().unwrap_or_default().display());
    for arg in command.get_args() {
        // Writing to a string does not fail.
        let _ = write!(line, " {}", arg.display());
    }
    line + "`"
}
