//! Signals to a child process.

use std::process::Child;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::ServerError;

pub(crate) fn send(child: &Child, signal: Signal) -> Result<(), ServerError> {
    // The pid is ours until `Child` has been waited for: a process that ended is a zombie.
    kill_process(Pid::from_child(child), signal)
        .map_err(|error| ServerError::io("send a signal to a child process")(error.into()))
}

/// Stops the process where it is, and returns once it stands still.
pub(crate) fn pause(child: &Child) -> Result<(), ServerError> {
    send(child, Signal::STOP)?;
    // NOWAIT leaves an exit to be collected by `Child`.
    let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(Pid::from_child(child)), options)
        .map(|_| ())
        .map_err(|error| ServerError::io("wait for a child process to pause")(error.into()))
}
