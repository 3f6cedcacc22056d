//! Servers that follow another, and what becomes of them when it is gone.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Reply, Server, ServerError};

const WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

/// What a server is to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It takes writes.
    Primary,
    /// It follows a primary.
    Replica,
}

/// What a server says of its replication.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replication {
    /// What it is to others.
    pub role: Role,
    /// Whether a replica's link to its primary is up. No primary has one.
    pub link_is_up: bool,
    /// How many replicas are connected to it.
    pub replicas: usize,
    /// Which history of writes it is in: `master_replid`. A promoted replica begins one of its own.
    pub id: String,
    /// The history that a promoted replica came from: `master_replid2`.
    pub previous_id: String,
    /// How far it is in that history, in bytes.
    pub offset: u64,
}

impl Server {
    /// Starts a server of the same kind that follows this one, and returns once it has its data.
    ///
    /// ```
    /// use larder_servers::{Kind, Role, Server};
    ///
    /// # fn main() -> Result<(), larder_servers::ServerError> {
    /// let primary = Server::start(Kind::Valkey)?;
    /// let replica = Server::start_replica_of(&primary)?;
    /// primary.command(&["SET", "a", "1"])?;
    /// replica.wait_until_caught_up(&primary)?;
    ///
    /// primary.kill();
    /// replica.promote()?;
    /// assert_eq!(replica.replication()?.role, Role::Primary);
    /// assert_eq!(replica.command(&["GET", "a"])?.as_str(), Some("1"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and as [`follow`](Self::follow).
    pub fn start_replica_of(primary: &Self) -> Result<Self, ServerError> {
        let replica = Self::start(primary.kind())?;
        replica.follow(primary)?;
        Ok(replica)
    }

    /// Makes this server a replica of another, and returns once it has its data. What it held itself
    /// is gone then. It still follows after a [`restart`](Self::restart).
    ///
    /// # Errors
    ///
    /// Where one of them cannot be reached, or the link is not up within 20 seconds.
    pub fn follow(&self, primary: &Self) -> Result<(), ServerError> {
        // One that is away would be waited for to no end.
        primary.replication()?;
        let port = primary.port().to_string();
        let password = primary.password().unwrap_or_default();
        self.demand(&["CONFIG", "SET", "masterauth", password])?;
        self.demand(&["REPLICAOF", primary.host(), &port])?;
        self.set_follows(&[
            "--masterauth",
            password,
            "--replicaof",
            primary.host(),
            &port,
        ]);
        self.wait_until_linked()
    }

    /// Makes a replica a primary, and returns once it is one. It stays one after a
    /// [`restart`](Self::restart).
    ///
    /// # Errors
    ///
    /// Where it cannot be reached.
    pub fn promote(&self) -> Result<(), ServerError> {
        self.set_follows(&[]);
        self.demand(&["REPLICAOF", "NO", "ONE"])?;
        self.wait_for("being a primary", |now| now.role == Role::Primary)
    }

    /// Waits until a replica is linked to its primary and has the data that this had then, such as
    /// after a restart of one of them.
    ///
    /// # Errors
    ///
    /// Where that is not so within 20 seconds.
    pub fn wait_until_linked(&self) -> Result<(), ServerError> {
        self.wait_for("the link to its primary", |now| now.link_is_up)
    }

    /// Waits until this replica has every write that the primary has now.
    ///
    /// # Errors
    ///
    /// Where the primary cannot be reached, or the replica has not all of them within 20 seconds.
    pub fn wait_until_caught_up(&self, primary: &Self) -> Result<(), ServerError> {
        let mut goal = primary.replication()?;
        self.wait_for("having its primary's writes", |now| {
            // A primary that was restarted begins another history with its first replica.
            if now.id != goal.id
                && let Ok(later) = primary.replication()
            {
                goal = later;
            }
            now.link_is_up && now.id == goal.id && now.offset >= goal.offset
        })
    }

    /// What the server says of its replication.
    ///
    /// # Errors
    ///
    /// Where it cannot be reached.
    pub fn replication(&self) -> Result<Replication, ServerError> {
        let info = self.info("replication")?;
        let text = |name: &str| info.get(name).cloned().unwrap_or_default();
        let is_replica = text("role") == "slave";
        Ok(Replication {
            role: if is_replica {
                Role::Replica
            } else {
                Role::Primary
            },
            link_is_up: text("master_link_status") == "up",
            replicas: text("connected_slaves").parse().unwrap_or_default(),
            id: text("master_replid"),
            previous_id: text("master_replid2"),
            // A replica in the middle of its first copy has none.
            offset: text(if is_replica {
                "slave_repl_offset"
            } else {
                "master_repl_offset"
            })
            .parse()
            .unwrap_or_default(),
        })
    }

    /// Which run of the program this is: `run_id`. Each start has another.
    ///
    /// # Errors
    ///
    /// Where the server cannot be reached.
    pub fn run_id(&self) -> Result<String, ServerError> {
        let mut info = self.info("server")?;
        info.remove("run_id")
            .ok_or_else(|| ServerError::Protocol("`INFO server` without a run_id".into()))
    }

    /// The fields of one section of `INFO`, such as `replication` or `stats`.
    ///
    /// # Errors
    ///
    /// Where the server cannot be reached.
    pub fn info(&self, section: &str) -> Result<HashMap<String, String>, ServerError> {
        let reply = self.demand(&["INFO", section])?;
        let fields = reply.as_str().unwrap_or_default().lines();
        Ok(fields
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }

    fn wait_for(
        &self,
        awaited: &'static str,
        mut is_so: impl FnMut(&Replication) -> bool,
    ) -> Result<(), ServerError> {
        let deadline = Instant::now() + WITHIN;
        loop {
            let now = self.replication();
            match now {
                Ok(now) if is_so(&now) => return Ok(()),
                now if Instant::now() >= deadline => {
                    return Err(ServerError::NotReplicating {
                        kind: self.kind(),
                        port: self.port(),
                        awaited,
                        waited: WITHIN,
                        last: format!("{now:?}"),
                    });
                }
                // While it loads its primary's data it answers nothing else.
                _ => thread::sleep(POLL),
            }
        }
    }

    /// Sends a command whose refusal is an error.
    pub(crate) fn demand(&self, command: &[&str]) -> Result<Reply, ServerError> {
        match self.command(command)? {
            Reply::Error(message) => Err(ServerError::Refused {
                kind: self.kind(),
                port: self.port(),
                command: command[..command.len().min(2)].join(" "),
                message,
            }),
            reply => Ok(reply),
        }
    }
}
