//! Ends what a test process started, where that process was killed and could not do it itself.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::ServerError;

/// Reads a line of pids at a time, of which the last counts, and acts when its input ends: the test
/// process is gone.
const SCRIPT: &str = r#"
pids=
while read -r line; do pids=$line; done
for pid in $pids; do kill -9 "$pid"; done
[ -z "$1" ] || rm -rf -- "$1"
"#;

/// A shell that waits for the end of this process, then kills others and removes their folder.
///
/// It ends paused processes too, and what sits in a `static` and is never dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
}

impl Guard {
    pub(crate) fn start(folder: Option<&Path>) -> Result<Self, ServerError> {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "larder-guard"])
            .arg(folder.unwrap_or(Path::new("")))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C or a test runner's timeout ends the group of the test, not the guard.
            .process_group(0)
            .spawn()
            .map_err(ServerError::io("start `sh` to watch over processes"))?;
        Ok(Self { shell })
    }

    /// Names the processes to end, in place of those named before.
    pub(crate) fn watch(&mut self, pids: &[u32]) -> Result<(), ServerError> {
        let Some(stdin) = &mut self.shell.stdin else {
            return Ok(());
        };
        let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
        writeln!(stdin, "{}", pids.join(" "))
            .map_err(ServerError::io("tell the guard which processes run"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Best effort: a guard that is already gone needs no ending.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
