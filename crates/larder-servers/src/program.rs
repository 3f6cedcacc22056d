//! What has to be installed.

use std::env;
use std::fmt;
use std::path::PathBuf;

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

    /// `nginx`.
    pub const NGINX: Self = Self { name: "nginx" };

    /// Every program.
    pub const ALL: [Self; 4] = [Self::VALKEY, Self::REDIS, Self::PROMETHEUS, Self::NGINX];

    /// What the program is called.
    pub const fn binary(self) -> &'static str {
        self.name
    }

    /// The Debian package that holds the program.
    pub const fn package(self) -> &'static str {
        // Debian names all of them after their program.
        self.name
    }

    /// Where the program is: on `PATH`, or with those of the system's own, which `PATH` often lacks.
    pub fn find(self) -> Option<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain(["/usr/sbin".into()]);
        let mut all = folders.map(|folder| folder.join(self.binary()));
        all.find(|program| program.is_file())
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
