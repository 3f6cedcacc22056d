//! What has to be installed.

use std::env;
use std::fmt;

/// A program that tests start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    name: &'static str,
}

impl Program {
    /// `valkey-server`.
    pub const VALKEY: Self = Self {
        name: "valkey-server",
    };
    /// `redis-server`.
    pub const REDIS: Self = Self {
        name: "redis-server",
    };
    /// `prometheus`.
    pub const PROMETHEUS: Self = Self { name: "prometheus" };

    /// Every program.
    pub const ALL: [Self; 3] = [Self::VALKEY, Self::REDIS, Self::PROMETHEUS];

    /// The program, as found on `PATH`.
    pub const fn binary(self) -> &'static str {
        self.name
    }

    /// The Debian package that holds the program.
    pub const fn package(self) -> &'static str {
        // Debian names all of them after their program.
        self.name
    }

    /// Whether the program is on `PATH`.
    pub fn is_installed(self) -> bool {
        env::var_os("PATH").is_some_and(|path| {
            env::split_paths(&path).any(|folder| folder.join(self.binary()).is_file())
        })
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
