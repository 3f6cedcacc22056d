//! Any other program that a test needs beside it.

use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus};

use crate::ServerError;
use crate::guard::Guard;

/// A process that ends with the test: by its pid when this is dropped, and also when the test process is
/// killed and drops nothing.
///
/// ```
/// use std::process::Command;
/// use larder_servers::Companion;
///
/// # fn main() -> Result<(), larder_servers::ServerError> {
/// let mut companion = Companion::start(Command::new("sleep").arg("1000"))?;
/// assert!(companion.exit_status()?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Companion {
    child: Child,
    guard: Guard,
}

impl Companion {
    /// Starts it.
    ///
    /// # Errors
    /// Where the program cannot be started.
    pub fn start(command: &mut Command) -> Result<Self, ServerError> {
        Self::start_in(command, None)
    }

    /// The same with a folder, which goes too where the test process is killed.
    pub(crate) fn start_in(
        command: &mut Command,
        folder: Option<&Path>,
    ) -> Result<Self, ServerError> {
        // First, so that there is nothing to clean up where it fails.
        let guard = Guard::start(folder)?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .spawn()
            .map_err(ServerError::io(format!("start `{program}`")))?;
        // From here on a failure drops it, and so ends it.
        let mut companion = Self { child, guard };
        companion.guard.watch(&[companion.child.id()])?;
        Ok(companion)
    }

    /// What it writes to its standard output, where that was piped and not yet taken.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>, ServerError> {
        self.child
            .try_wait()
            .map_err(ServerError::io("look at a companion's process"))
    }

    /// Kills it, and waits for its end.
    pub(crate) fn end(&mut self) {
        // `kill` refuses only a process that ended. Until `wait` has collected it the pid is ours, so the
        // guard forgets it before that.
        let _ = self.child.kill();
        let _ = self.guard.watch(&[]);
        let _ = self.child.wait();
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        self.end();
    }
}
