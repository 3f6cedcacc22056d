//! How a remote says how it is.

use std::time::Duration;

/// How the remote tier is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteHealth {
    /// Whether it can be used.
    pub state: RemoteState,
    /// Host and port, the socket's path, or `memory`.
    pub address: String,
    /// The time that the server took to answer just now.
    pub round_trip: Option<Duration>,
    /// What answers, as far as it said.
    pub server: Option<ServerInfo>,
    /// The last failure, where the state is not `Up`.
    pub last_error: Option<String>,
    /// What works less well than it could though the server answers, and how to mend it.
    pub notes: Vec<String>,
}

impl RemoteHealth {
    /// Health in `state` of what answers at `address`, with nothing else known.
    pub fn new(state: RemoteState, address: impl Into<String>) -> Self {
        Self {
            state,
            address: address.into(),
            round_trip: None,
            server: None,
            last_error: None,
            notes: Vec::new(),
        }
    }
}

/// Whether the remote tier can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteState {
    /// It answers.
    Up,
    /// It does not answer; it is tried again in the background.
    Down,
    /// There is none: the near tier works alone.
    Absent,
    /// The larder was closed.
    Closed,
}

/// What a server said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerInfo {
    /// `valkey`, `redis`, `memory`.
    pub kind: String,
    /// Its version; empty where it did not say.
    pub version: String,
}

impl ServerInfo {
    /// A server of `kind` in `version`.
    pub fn new(kind: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            version: version.into(),
        }
    }
}
