//! A real server, and what a test may do to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::guard::Guard;
use crate::monitor::Monitor;
use crate::port::{Port, random};
use crate::process::{Launch, Process};
use crate::resp::Connection;
use crate::{Kind, Reply, ServerBuilder, ServerError};

/// How often a start is tried again where something else took the port meanwhile.
const ATTEMPTS: usize = 5;

/// A server of one's own: a child process on a free port of 127.0.0.1, with its own folder.
///
/// It is ended by its pid and its folder removed when this is dropped; also when the test process
/// is killed, or when it sits in a `static`. All methods take `&self`, so that a test can kill it
/// while other threads use it.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    args: Vec<String>,
    password: Option<String>,
    snapshots: bool,
    folder: PathBuf,
    port: Port,
    version: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// None while the server is stopped. Dropped before the guard, which would kill its pid.
    process: Option<Process>,
    guard: Guard,
    runs: usize,
    /// The arguments that make a replica follow its primary again after a restart.
    follows: Vec<String>,
}

impl Server {
    /// Starts a server without persistence, and returns once it answers.
    ///
    /// # Errors
    ///
    /// Where the program is missing (the error names the package), or is not ready within 10
    /// seconds (the error holds the end of its log).
    pub fn start(kind: Kind) -> Result<Self, ServerError> {
        Self::builder(kind).start()
    }

    /// Options for a server to start.
    pub fn builder(kind: Kind) -> ServerBuilder {
        ServerBuilder::new(kind)
    }

    pub(crate) fn launch(
        kind: Kind,
        args: Vec<String>,
        password: Option<String>,
        snapshots: bool,
    ) -> Result<Self, ServerError> {
        let name = format!("larder-{kind}-{}-{:x}", std::process::id(), random());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).map_err(ServerError::io(format!("create {}", folder.display())))?;
        let guard = Guard::start(Some(&folder))?;
        let mut server = Self {
            kind,
            args,
            password,
            snapshots,
            folder,
            port: Port::reserve()?,
            version: String::new(),
            state: Mutex::new(State {
                process: None,
                guard,
                runs: 0,
                follows: Vec::new(),
            }),
        };
        let mut attempt = 1;
        while let Err(error) = server.restart() {
            if attempt == ATTEMPTS || !is_port_taken(&error) {
                return Err(error);
            }
            attempt += 1;
            server.port = Port::reserve()?;
        }
        let version = server.state().process.as_ref().and_then(Process::version);
        server.version = version.unwrap_or_default();
        Ok(server)
    }

    /// Which program runs.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The program's version: `8.0.2`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// `valkey://127.0.0.1:PORT` or `redis://127.0.0.1:PORT`, without a password.
    pub fn url(&self) -> String {
        format!("{}://{}:{}", self.kind.scheme(), self.host(), self.port())
    }

    /// `127.0.0.1`.
    #[allow(clippy::unused_self)] // A test reads host and port from one value.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// The port, which stays the same over a [`restart`](Self::restart).
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The server's own folder, removed when this is dropped.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process id, or `None` while the server is not running.
    pub fn pid(&self) -> Option<u32> {
        let mut state = self.state();
        state.running().map(Process::id)
    }

    /// What the server has written to its log since its last start.
    pub fn log(&self) -> String {
        let state = self.state();
        fs::read_to_string(self.log_path(state.runs)).unwrap_or_default()
    }

    /// Whether the process lives. A paused one does.
    pub fn is_running(&self) -> bool {
        self.state().running().is_some()
    }

    /// Ends the process at once with SIGKILL, as a crash would. Does nothing if it has ended.
    pub fn kill(&self) {
        self.state().forget();
    }

    /// Asks the process to end, and waits until it has. Does nothing if it has ended.
    ///
    /// # Errors
    ///
    /// Where it has not ended within 10 seconds. It is killed then.
    pub fn stop(&self) -> Result<(), ServerError> {
        let mut state = self.state();
        state.running();
        let stopped = state.process.take().map_or(Ok(()), Process::stop);
        state.forget();
        stopped
    }

    /// Starts the server again on the same port, in the same folder, with the same arguments, and
    /// returns once it answers. One that runs is stopped first.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and as [`stop`](Self::stop).
    pub fn restart(&self) -> Result<(), ServerError> {
        self.stop()?;
        self.start_again()
    }

    /// Starts the process, which is not running.
    pub(crate) fn start_again(&self) -> Result<(), ServerError> {
        let mut state = self.state();
        state.runs += 1;
        let args: Vec<_> = self.args.iter().chain(&state.follows).cloned().collect();
        let mut process = Process::spawn(Launch {
            kind: self.kind,
            port: self.port(),
            folder: &self.folder,
            args: &args,
            log: self.log_path(state.runs),
        })?;
        state.guard.watch(&[process.id()])?;
        let ready = process.wait_until_ready(self.password.as_deref());
        state.process = Some(process);
        if ready.is_err() {
            state.forget();
        }
        ready
    }

    /// Stops the process where it is with SIGSTOP: connections stay open and nothing answers.
    ///
    /// # Errors
    ///
    /// Where the server is not running.
    pub fn pause(&self) -> Result<(), ServerError> {
        let mut state = self.state();
        state.running().ok_or_else(|| self.not_running())?.pause()
    }

    /// Lets a paused process go on.
    ///
    /// # Errors
    ///
    /// Where the server is not running.
    pub fn resume(&self) -> Result<(), ServerError> {
        let mut state = self.state();
        state.running().ok_or_else(|| self.not_running())?.resume()
    }

    /// Sends one command on a connection of its own, and returns the answer. Arguments may hold any
    /// bytes. A refusal is a [`Reply::Error`], not an error.
    ///
    /// # Errors
    ///
    /// Where the server cannot be reached, or does not answer within 5 seconds.
    pub fn command<A: AsRef<[u8]>>(&self, args: &[A]) -> Result<Reply, ServerError> {
        Connection::open(self.port(), self.password.as_deref())?.ask(args)
    }

    /// Records the commands that the server receives from now on, until dropped.
    ///
    /// # Errors
    ///
    /// Where the server cannot be reached.
    pub fn monitor(&self) -> Result<Monitor, ServerError> {
        Monitor::start(self.port(), self.password.as_deref())
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    pub(crate) fn keeps_snapshots(&self) -> bool {
        self.snapshots
    }

    /// Sets the arguments of the next start that say whom this server follows.
    pub(crate) fn set_follows(&self, arguments: &[&str]) {
        self.state().follows = arguments.iter().copied().map(String::from).collect();
    }

    fn log_path(&self, run: usize) -> PathBuf {
        self.folder.join(format!("log-{run}"))
    }

    fn not_running(&self) -> ServerError {
        ServerError::NotRunning {
            kind: self.kind,
            port: self.port(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The process, if it has not ended by itself meanwhile.
    fn running(&mut self) -> Option<&Process> {
        if let Some(process) = &mut self.process
            && matches!(process.exit_status(), Ok(Some(_)))
        {
            self.forget();
        }
        self.process.as_ref()
    }

    /// Ends the process, if there is one, and takes its pid from the guard: it is free for others.
    fn forget(&mut self) {
        self.process = None;
        // A guard that is gone kills nothing.
        let _ = self.guard.watch(&[]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state().forget();
        // The last log line may still be on its way; the folder is in the temporary folder anyway.
        for _ in 0..10 {
            if fs::remove_dir_all(&self.folder).is_ok() || !self.folder.exists() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn is_port_taken(error: &ServerError) -> bool {
    matches!(error, ServerError::Exited { log, .. } if log.contains("Address already in use"))
}
