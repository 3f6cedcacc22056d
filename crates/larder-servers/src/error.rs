//! What can go wrong with what a test starts.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use crate::{Kind, Program, Seen};

/// Why a server, a proxy or a fleet did not do what a test asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The program is not on `PATH`.
    #[error(
        "`{}` is not on PATH: run `cargo xtask setup`, or install the Debian package `{}`",
        program.binary(), program.package()
    )]
    Missing {
        /// The program that was asked for.
        program: Program,
    },

    /// The program ended before it was ready.
    #[error("`{}` on port {port} ended at its start ({status}); its log ends with:\n{log}", program.binary())]
    Exited {
        /// The program that was asked for.
        program: Program,
        /// The port that it was given.
        port: u16,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },

    /// The program runs and does not answer.
    #[error("`{}` on port {port} was not ready after {waited:?}; its log ends with:\n{log}", program.binary())]
    NotReady {
        /// The program that was asked for.
        program: Program,
        /// The port that it was given.
        port: u16,
        /// How long it was given.
        waited: Duration,
        /// The last lines of its log.
        log: String,
    },

    /// The program did not end when asked to, and was killed.
    #[error("the {kind} server on port {port} had not stopped after {waited:?} and was killed")]
    NotStopped {
        /// The server that was asked to stop.
        kind: Kind,
        /// Its port.
        port: u16,
        /// How long it was given.
        waited: Duration,
    },

    /// An operation needs a running server, and this one was stopped or killed.
    #[error("the {kind} server on port {port} is not running: call `restart` first")]
    NotRunning {
        /// The server that was asked for.
        kind: Kind,
        /// Its port.
        port: u16,
    },

    /// No free port was found.
    #[error("no free port on 127.0.0.1 after {attempts} attempts")]
    NoPort {
        /// How many ports were tried.
        attempts: usize,
    },

    /// The server refused a command that a method of its own needs.
    #[error("the {kind} server on port {port} refused `{command}`: {message}")]
    Refused {
        /// The server that was asked.
        kind: Kind,
        /// Its port.
        port: u16,
        /// The command, without a password.
        command: String,
        /// What it answered.
        message: String,
    },

    /// Replication did not come to the state that was waited for.
    #[error(
        "the {kind} server on port {port}: {awaited} was not so after {waited:?}; it says: {last}"
    )]
    NotReplicating {
        /// The server that was waited for.
        kind: Kind,
        /// Its port.
        port: u16,
        /// What was waited for.
        awaited: &'static str,
        /// How long it was waited for.
        waited: Duration,
        /// What the server says of its replication.
        last: String,
    },

    /// The thread of a proxy has ended, which it does not do by itself.
    #[error("the proxy on port {port} has ended")]
    ProxyEnded {
        /// Its port.
        port: u16,
    },

    /// A proxy saw no connection of the kind that was waited for.
    #[error("no such connection through the proxy after {waited:?}; there were: {seen:#?}")]
    NoSuchConnection {
        /// How long it was waited for.
        waited: Duration,
        /// The connections that there were.
        seen: Vec<Seen>,
    },

    /// A member of a fleet has ended.
    #[error(
        "member {index} of the fleet `{role}` has ended ({status}); a test as its entry must exist \
         under that exact name; its output ends with:\n{output}"
    )]
    MemberEnded {
        /// The fleet's role.
        role: String,
        /// Which member.
        index: usize,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it wrote.
        output: String,
    },

    /// A member of a fleet did not answer.
    #[error(
        "member {index} of the fleet `{role}` has not {awaited} after {waited:?}; its output ends with:\n{output}"
    )]
    MemberSilent {
        /// The fleet's role.
        role: String,
        /// Which member.
        index: usize,
        /// What it was to do.
        awaited: String,
        /// How long it was waited for.
        waited: Duration,
        /// The last lines that it wrote.
        output: String,
    },

    /// The server answered what is not RESP.
    #[error("the server's answer is not RESP: {0}")]
    Protocol(String),

    /// The operating system refused something.
    #[error("could not {doing}")]
    Io {
        /// What was attempted, on what.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
}

impl ServerError {
    /// For `map_err`: an I/O error, with what was attempted.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        |source| Self::Io { doing, source }
    }
}
