//! The processes, as the one that starts them sees them.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::Failure;
use crate::database::Database;
use crate::message::Peer;
use crate::process::Order;

/// The argument that makes this program one of its own processes.
pub(crate) const PROCESS: &str = "--process";
/// No answer takes so long, unless something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct Process {
    pub(crate) number: usize,
    child: Child,
    peer: Peer<ChildStdout, ChildStdin>,
}

/// Starts so many processes, numbered from 1, and waits until all are ready.
pub(crate) async fn start(
    count: usize,
    run: &str,
    database: &Database,
) -> Result<Vec<Process>, Failure> {
    let mut fleet = Vec::new();
    for number in 1..=count {
        fleet.push(Process::start(number, run, database)?);
    }
    for process in &mut fleet {
        process.receive::<()>().await?;
    }
    Ok(fleet)
}

impl Process {
    fn start(number: usize, run: &str, database: &Database) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([PROCESS, &number.to_string(), run])
            .arg(database.address.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = child.stdout.take().zip(child.stdin.take());
        let (output, input) = pipes.ok_or("a process without pipes")?;
        Ok(Self {
            number,
            child,
            peer: Peer::new(output, input),
        })
    }

    pub(crate) async fn send(&mut self, order: &Order) -> Result<(), Failure> {
        let sent = self.peer.send(order).await;
        sent.map_err(|error| self.failed(&error))
    }

    pub(crate) async fn receive<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let received = match timeout(PATIENCE, self.peer.receive()).await {
            Ok(received) => received,
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        };
        received.map_err(|error| self.failed(&error))
    }

    /// Ends it as a crash would: it can let go of nothing.
    pub(crate) async fn kill(mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Closes its input, whereupon it ends.
    pub(crate) async fn end(self) -> Result<(), Failure> {
        let Self {
            number,
            mut child,
            peer,
        } = self;
        drop(peer);
        match timeout(PATIENCE, child.wait()).await?? {
            status if status.success() => Ok(()),
            status => Err(format!("process {number} ended with {status}").into()),
        }
    }

    fn failed(&self, error: &io::Error) -> Failure {
        format!("process {}: {error}", self.number).into()
    }
}

/// Gives all the same order at once, and waits for their answers.
pub(crate) async fn all<T: DeserializeOwned>(
    fleet: &mut [Process],
    order: &Order,
) -> Result<Vec<T>, Failure> {
    for process in &mut *fleet {
        process.send(order).await?;
    }
    let mut answers = Vec::new();
    for process in fleet {
        answers.push(process.receive().await?);
    }
    Ok(answers)
}
