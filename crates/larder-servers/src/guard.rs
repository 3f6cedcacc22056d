//! Ends a server whose test process was killed and could not end it itself.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::ServerError;

/// Reads the server's pid from its input, and acts when the input ends: the test process is gone.
const SCRIPT: &str = r#"
pid=0
while read -r line; do pid=$line; done
[ "$pid" -gt 0 ] && kill -9 "$pid"
rm -rf -- "$1"
"#;

/// A shell that waits for the end of this process, then kills the server and removes its folder.
///
/// It also serves a [`Server`](crate::Server) in a `static`, which is never dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
}

impl Guard {
    pub(crate) fn start(folder: &Path) -> Result<Self, ServerError> {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "larder-server-guard"])
            .arg(folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C or a test runner's timeout ends the group of the test, not the guard.
            .process_group(0)
            .spawn()
            .map_err(ServerError::io("start `sh` to watch over a server"))?;
        Ok(Self { shell })
    }

    /// Names the process to end, or none.
    pub(crate) fn watch(&mut self, pid: Option<u32>) -> Result<(), ServerError> {
        let Some(stdin) = &mut self.shell.stdin else {
            return Ok(());
        };
        writeln!(stdin, "{}", pid.unwrap_or(0))
            .map_err(ServerError::io("tell the guard which server runs"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Best effort: a guard that is already gone needs no ending.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
