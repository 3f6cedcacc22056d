//! Why a command of `cargo xtask` failed.

use std::io;

use larder_servers::ServerError;

/// A message for whoever ran the command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Still to be shown.
    #[error("{0}")]
    Message(String),
    /// Already shown, above the sum of the tests, which stays the last line.
    #[error("the message was shown")]
    Shown,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }

    /// For `map_err`: an I/O error, with what was attempted.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |error| Self::Message(format!("could not {doing}: {error}"))
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::Message(error.to_string())
    }
}
