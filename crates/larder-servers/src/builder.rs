//! What a test can choose about its server.

use crate::{Kind, Server, ServerError};

/// Options of a server to start. [`Server::builder`] makes one.
#[derive(Clone, Debug)]
#[must_use = "nothing starts before `start`"]
pub struct ServerBuilder {
    kind: Kind,
    snapshots: bool,
    args: Vec<String>,
}

impl ServerBuilder {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            snapshots: false,
            args: Vec::new(),
        }
    }

    /// Adds an argument to the server's command line, after larder's own.
    ///
    /// With `--requirepass`, [`Server::command`] and [`Server::monitor`] use that password;
    /// [`Server::url`] does not hold it.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds several arguments, as [`arg`](Self::arg) does.
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Keeps the data over a [`Server::stop`] and a [`Server::restart`]. Off unless set: the server
    /// then comes back empty. A [`Server::kill`] loses the data in either case.
    pub fn snapshots(mut self, snapshots: bool) -> Self {
        self.snapshots = snapshots;
        self
    }

    /// Starts the server, and returns once it answers.
    ///
    /// # Errors
    ///
    /// Where the program is missing, refuses its arguments, or is not ready within 10 seconds.
    pub fn start(self) -> Result<Server, ServerError> {
        let password = self.password();
        let save = if self.snapshots { "3600 1" } else { "" };
        // A primary does not wait for further replicas before it feeds one, and a replica without
        // snapshots keeps no file of what it was fed.
        let replication = [
            "--repl-diskless-sync-delay",
            "0",
            "--rdb-del-sync-files",
            "yes",
        ];
        let mut args: Vec<String> = ["--save", save, "--appendonly", "no"]
            .into_iter()
            .chain(replication)
            .map(String::from)
            .collect();
        args.extend(self.args);
        Server::launch(self.kind, args, password, self.snapshots)
    }

    fn password(&self) -> Option<String> {
        let flag = self.args.iter().position(|arg| arg == "--requirepass")?;
        self.args.get(flag + 1).cloned()
    }
}
