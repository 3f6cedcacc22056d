//! One run of a server program: start it, wait until it answers, signal it, end it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::resp::Connection;
use crate::{Kind, Reply, ServerError, signal};

/// How long a server has to become ready, and to stop when asked.
const WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(2);

/// What one run needs to know.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    pub(crate) folder: &'a Path,
    pub(crate) args: &'a [String],
    pub(crate) log: PathBuf,
}

/// A server program that was started and not yet waited for.
#[derive(Debug)]
pub(crate) struct Process {
    kind: Kind,
    port: u16,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the program, which is not ready yet.
    pub(crate) fn spawn(launch: Launch<'_>) -> Result<Self, ServerError> {
        let Launch { kind, port, .. } = launch;
        let create = || {
            let log = File::create(&launch.log)?;
            Ok((log.try_clone()?, log))
        };
        let (stdout, stderr) =
            create().map_err(ServerError::io(format!("create {}", launch.log.display())))?;
        let child = Command::new(kind.program().binary())
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--dir", ".", "--daemonize", "no"])
            .args(launch.args)
            .current_dir(launch.folder)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => ServerError::Missing {
                    program: kind.program(),
                },
                _ => ServerError::io(format!("start `{}`", kind.program().binary()))(error),
            })?;
        Ok(Self {
            kind,
            port,
            child,
            log: launch.log,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the server has said so in its own log and answers a command.
    ///
    /// The log is the proof that the answer comes from this server, not from another on its port.
    pub(crate) fn wait_until_ready(&mut self, password: Option<&str>) -> Result<(), ServerError> {
        let deadline = Instant::now() + WITHIN;
        loop {
            if let Some(status) = self.exit_status()? {
                return Err(ServerError::Exited {
                    program: self.kind.program(),
                    port: self.port,
                    status,
                    log: self.log_tail(),
                });
            }
            if self.log().contains("Ready to accept connections") && self.answers(password) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(ServerError::NotReady {
                    program: self.kind.program(),
                    port: self.port,
                    waited: WITHIN,
                    log: self.log_tail(),
                });
            }
            thread::sleep(POLL);
        }
    }

    fn answers(&self, password: Option<&str>) -> bool {
        let reply = Connection::open(self.port, password)
            .and_then(|mut connection| connection.ask(&["PING"]));
        match reply {
            // A server that asks for a password, or that serves as a replica, is ready.
            Ok(Reply::Error(message)) => !message.starts_with("LOADING"),
            Ok(_) => true,
            Err(_) => false,
        }
    }

    /// The version that the server wrote at its start.
    pub(crate) fn version(&self) -> Option<String> {
        let log = self.log();
        let (_, rest) = log.split_once("version=")?;
        rest.split([',', ' ', '\n']).next().map(str::to_owned)
    }

    pub(crate) fn log(&self) -> String {
        fs::read(&self.log).map_or_else(
            |error| format!("(the log could not be read: {error})"),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// How the process ended, if it has.
    pub(crate) fn exit_status(&mut self) -> Result<Option<ExitStatus>, ServerError> {
        self.child
            .try_wait()
            .map_err(ServerError::io("look at a server's process"))
    }

    /// Stops the process where it is, and returns once it stands still.
    pub(crate) fn pause(&self) -> Result<(), ServerError> {
        signal::pause(&self.child)
    }

    pub(crate) fn resume(&self) -> Result<(), ServerError> {
        signal::send(&self.child, Signal::CONT)
    }

    /// Asks the process to end, and waits. One that does not is killed, which is an error.
    pub(crate) fn stop(mut self) -> Result<(), ServerError> {
        signal::send(&self.child, Signal::TERM)?;
        self.resume()?; // A paused process would never see the request.
        let deadline = Instant::now() + WITHIN;
        while Instant::now() < deadline {
            if self.exit_status()?.is_some() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        Err(ServerError::NotStopped {
            kind: self.kind,
            port: self.port,
            waited: WITHIN,
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // `kill` refuses only a process that ended, and `wait` then collects it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
