//! Why the server did not do what it was asked.

use std::time::Duration;

/// Why a remote operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// There is no connection now; it is being made again in the background.
    #[error("not connected to {address}: {reason}")]
    Disconnected {
        /// Host and port, or the socket's path.
        address: String,
        /// What the last attempt to connect failed with.
        reason: String,
    },
    /// The server did not answer in time. A write may have taken effect all the same.
    #[error("{address} did not answer within {after:?}")]
    Timeout {
        /// Host and port, or the socket's path.
        address: String,
        /// How long was waited.
        after: Duration,
    },
    /// Too many operations were under way, and the deadline passed before this one's turn.
    #[error("{limit} operations were already under way to {address}")]
    Overloaded {
        /// Host and port, or the socket's path.
        address: String,
        /// How many may be under way at once.
        limit: usize,
    },
    /// The server failed too often just now; until a probe succeeds it is not asked.
    #[error("{address} is not asked for now, because it failed {failures} times in a row")]
    CircuitOpen {
        /// Host and port, or the socket's path.
        address: String,
        /// Failures in a row.
        failures: u32,
    },
    /// The server answered with an error.
    #[error("{address} refused: {message}")]
    Refused {
        /// Host and port, or the socket's path.
        address: String,
        /// The error's code, such as `OOM` or `NOAUTH`.
        code: String,
        /// The whole answer.
        message: String,
    },
    /// What is under the key is no value but a hash, a list or the like: others put it there. A
    /// lookup reads it as a value that is not ours, and a load does not overwrite it.
    #[error("{address} holds another type under the key: {message}")]
    WrongType {
        /// Host and port, or the socket's path.
        address: String,
        /// The whole answer.
        message: String,
    },
    /// The value is larger than what the server is sent.
    #[error("the value has {len} bytes, and the server is sent at most {max}")]
    TooLarge {
        /// The value's length, in bytes.
        len: usize,
        /// The longest value that is sent, in bytes.
        max: usize,
    },
    /// The value alone is more than its bounded cache may hold. It is not stored, and nothing makes room
    /// for it.
    #[error(
        "the value and its key have {len} bytes, and a partition of the bounded cache {name:?} holds at \
         most {capacity}: raise its capacity"
    )]
    BeyondCapacity {
        /// The cache's name.
        name: String,
        /// The length of both, in bytes.
        len: usize,
        /// What a partition may hold, in bytes.
        capacity: u64,
    },
    /// The bounded cache is there with other bounds.
    #[error(
        "the bounded cache {name:?} is {there} on the server, and was opened as {asked}: open it alike or \
         choose another name; a capacity alone is changed by opening it with `resizing`"
    )]
    BoundedOtherwise {
        /// The cache's name.
        name: String,
        /// What it is on the server.
        there: String,
        /// What was asked for.
        asked: String,
    },
    /// This remote keeps no bounded caches.
    #[error("this remote keeps no bounded caches")]
    Unbounded,
    /// A scan cannot go on where it was: what it went over is not what it was, as after a restart.
    #[error("{address} has restarted since the scan began, so its place is lost")]
    CursorLost {
        /// Host and port, or the socket's path.
        address: String,
    },
    /// A write of this process that concerns the key waits to reach the server.
    #[error("a write that this depends on has not reached the server yet")]
    Pending,
    /// The larder was closed.
    #[error("the larder is closed")]
    Closed,
}

impl RemoteError {
    /// Which of them, in a word.
    #[cfg(feature = "metrics")]
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::Disconnected { .. } => "disconnected",
            Self::Timeout { .. } => "timeout",
            Self::Overloaded { .. } => "overloaded",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::Refused { .. } => "refused",
            Self::WrongType { .. } => "wrong_type",
            Self::TooLarge { .. } | Self::BeyondCapacity { .. } => "too_large",
            Self::BoundedOtherwise { .. } | Self::Unbounded => "bounds",
            Self::CursorLost { .. } => "cursor_lost",
            Self::Pending => "pending",
            Self::Closed => "closed",
        }
    }

    /// Whether the same value would be refused again.
    pub(crate) fn refuses_value(&self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. } | Self::BeyondCapacity { .. } | Self::BoundedOtherwise { .. }
        )
    }
}
