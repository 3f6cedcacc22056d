//! Which server program to start.

use std::fmt;

use crate::Program;

/// A server program that larder speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `valkey-server`.
    Valkey,
    /// `redis-server`.
    Redis,
}

impl Kind {
    /// Every kind, for tests that run on each.
    pub const ALL: [Self; 2] = [Self::Valkey, Self::Redis];

    /// The program.
    pub const fn program(self) -> Program {
        match self {
            Self::Valkey => Program::VALKEY,
            Self::Redis => Program::REDIS,
        }
    }

    /// The scheme of the server's URL.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Valkey => "valkey",
            Self::Redis => "redis",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme())
    }
}
