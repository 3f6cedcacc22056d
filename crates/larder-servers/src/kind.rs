//! Which server program to start.

use std::env;
use std::fmt;

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

    /// The program, as found on `PATH`.
    pub const fn binary(self) -> &'static str {
        match self {
            Self::Valkey => "valkey-server",
            Self::Redis => "redis-server",
        }
    }

    /// The Debian package that holds the program.
    pub const fn package(self) -> &'static str {
        // Debian names both packages after their program.
        self.binary()
    }

    /// The scheme of the server's URL.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Valkey => "valkey",
            Self::Redis => "redis",
        }
    }

    /// Whether the program is on `PATH`.
    pub fn is_installed(self) -> bool {
        env::var_os("PATH").is_some_and(|path| {
            env::split_paths(&path).any(|folder| folder.join(self.binary()).is_file())
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme())
    }
}
