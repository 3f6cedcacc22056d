//! What a server held at some moment, to go back to.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use crate::{Server, ServerError};

/// The file in the server's folder from which it loads its data.
const FILE: &str = "dump.rdb";

/// A server's data as of one moment, kept apart from the server. [`Server::save_snapshot`] makes one.
#[derive(Clone)]
pub struct Snapshot(Vec<u8>);

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({} bytes)", self.0.len())
    }
}

impl Server {
    /// Takes a copy of all that the server holds now, with the times at which it expires.
    ///
    /// ```
    /// # use larder_servers::{Kind, Server};
    /// # fn main() -> Result<(), larder_servers::ServerError> {
    /// let server = Server::start(Kind::Valkey)?;
    /// server.command(&["SET", "a", "old"])?;
    /// let backup = server.save_snapshot()?;
    /// server.command(&["SET", "a", "new"])?;
    ///
    /// server.restart_from(&backup)?;
    /// assert_eq!(server.command(&["GET", "a"])?.as_str(), Some("old"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Where the server cannot be reached, or writes its file elsewhere because of its arguments.
    pub fn save_snapshot(&self) -> Result<Snapshot, ServerError> {
        self.demand(&["SAVE"])?;
        let path = self.snapshot_path();
        let reading = format!("read {}", path.display());
        let snapshot = fs::read(path).map_err(ServerError::io(reading))?;
        self.forget_snapshot()?;
        Ok(Snapshot(snapshot))
    }

    /// Kills the server if it runs, and starts it on the same port with the data of a snapshot, its
    /// own or that of another server of its kind: a restore from an old backup.
    ///
    /// What has expired since then is gone. A replica is fed by its primary again at once:
    /// [`promote`](Self::promote) it first.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn restart_from(&self, snapshot: &Snapshot) -> Result<(), ServerError> {
        self.kill();
        let path = self.snapshot_path();
        let writing = format!("write {}", path.display());
        fs::write(path, &snapshot.0).map_err(ServerError::io(writing))?;
        self.start_again()?;
        self.forget_snapshot()
    }

    fn snapshot_path(&self) -> PathBuf {
        self.folder().join(FILE)
    }

    /// A server that shall come back empty must not find the file.
    fn forget_snapshot(&self) -> Result<(), ServerError> {
        if self.keeps_snapshots() {
            return Ok(());
        }
        let path = self.snapshot_path();
        let removing = format!("remove {}", path.display());
        fs::remove_file(path).map_err(ServerError::io(removing))
    }
}
