//! Configuration, from the environment or from code: a [`Config`] that has been checked as a whole.
//!
//! ```
//! use larder::config::{Backend, Config};
//!
//! let vars = [("VALKEY_HOST", "cache.internal"), ("VALKEY_DB", "2")];
//! let config = Config::from_vars(vars.map(|(name, value)| (name.into(), value.into())))?;
//! assert_eq!(config.backend, Backend::Valkey);
//! assert_eq!(config.server.map(|server| server.database), Some(2));
//! # Ok::<(), larder::config::ConfigError>(())
//! ```
//!
//! # Environment variables
//! For each setting the first variable that is set and not empty counts; whitespace around it does
//! not. A value that is not allowed is an error that names it, never a silent default.
//!
#![doc = include_str!("variables.md")]
//!
//! # Which variables count
//! Those that do not count are not looked at, and cannot be wrong.
//!
//! - **Switched off**, with `CACHE_ENABLED=false`: no other variable counts, so that an operator
//!   can always switch the cache off.
//! - **Backend `auto`** is `valkey` if `VALKEY_URL` or `VALKEY_HOST` is set, else `redis` if
//!   `REDIS_URL`, `REDIS_HOST` or `CACHE_REDIS_HOST` is set, else `memory`.
//! - **Backend `valkey`**: all variables, in the order above. So `REDIS_URL` counts where there is
//!   no `VALKEY_URL`, even beside `VALKEY_HOST`.
//! - **Backend `redis`**: no variable whose name begins with `VALKEY_`, the prefix and the TTL
//!   included. Where only `VALKEY_URL` or `VALKEY_HOST` names a server, the default, `localhost`, is
//!   taken, with a warning in the log.
//! - **Backends `memory` and `none`**: the TTLs and the prefix, in the order above, and nothing
//!   about a server.
//!
//! # URLs
//! The schemes `valkeys`, `rediss` and `https` mean TLS; `http` and `https` stand for the server at
//! that host, whose port is 6379 as with the others unless the URL says otherwise. The path is the
//! number of the database: `valkey://user:password@host:6379/3`. A socket is
//! `unix:///run/valkey.sock`, with the parameters `db`, `username` and `password` where needed.
//! User and password are percent-decoded; unknown parameters are an error.
//!
//! A URL is taken whole: beside it, the variables of host, port, database and user do not count. A
//! password or API key beside it fills in where the URL has none. Two of the three that differ are
//! an error.
//!
//! # Rights on the server
//! Where the server has an ACL, larder's user needs these commands, on the keys under the prefix:
//!
//! ```text
//! ACL SETUSER app on >password ~cache:* +get +mget +getrange +set +del +unlink +strlen +pttl +pexpire
//!     +multi +exec +eval +evalsha +scan +time +select +info +ping +client|tracking
//! ```
//!
//! For [bounded caches](crate::bounded) it needs these too:
//!
//! ```text
//! +exists +hdel +hget +hincrby +hlen +hmget +hset +pexpireat +zadd +zcard +zrandmember +zrange +zrangebyscore
//! +zrem +zscore
//! ```
//!
//! - Without `CLIENT TRACKING` or `PING` larder cannot hear of what other processes write: it asks the
//!   server for each value, or trusts its memory as the cache's [`Coherence`](crate::Coherence) says.
//!   [`Health::near`](crate::Health::near) says so.
//! - Without `EVAL` and `EVALSHA`, and the commands that the scripts call, nothing that a loader brings
//!   is stored on the server, and nothing can be removed.
//! - Without `SCAN` a clear is seen all the same, and its values stay on the server until their time is
//!   over; a removal by pattern clears the whole cache; no tenant can be erased. `SCAN` knows no limit by
//!   key: this user can see the names of others' keys. Larder asks for those under its prefix only.
//! - Without `TIME` nobody could say how old a value is, so it is an error at start. So is `SELECT`
//!   where the database is not 0; with 0 it is not needed.
//! - Without `INFO`, a value from before a restart of the server is not known as such, and counts as
//!   fresh until its TTL is over. [`RemoteHealth::notes`](crate::RemoteHealth::notes) say so.
//! - `HELLO` and `AUTH` need no right. `CLIENT SETINFO`, which tells the server the client's name, may
//!   be refused. No other command is ever sent.

mod builder;
mod defaults;
mod error;
mod parse;
mod secret;
mod server;
mod server_url;
mod settings;
mod validate;
mod variables;

use std::path::PathBuf;
use std::time::Duration;

pub use builder::{BackendChoice, ConfigBuilder};
pub use error::{ConfigError, Problem};
pub use secret::Secret;

use crate::key::Prefix;

/// One validated configuration. Its `Debug` form shows no password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Whether the cache is on. Where it is off, the backend is [`Backend::None`] and every other
    /// field has its default.
    pub enabled: bool,
    /// Where values are kept.
    pub backend: Backend,
    /// What every stored key begins with; it ends with `:`.
    pub prefix: Prefix,
    /// The TTL of caches with a remote tier that set none, in whole milliseconds; zero means "do
    /// not store".
    pub remote_ttl: Duration,
    /// The TTL of in-process caches that set none, in whole milliseconds; zero means "do not
    /// store".
    pub memory_ttl: Duration,
    /// Whether a server that cannot be reached is an error at start. Set in code only; `true` only
    /// beside a server.
    pub require_remote: bool,
    /// The server, with the backends [`Backend::Valkey`] and [`Backend::Redis`] and with no other.
    pub server: Option<ServerConfig>,
}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// A [`ConfigError`] that lists every variable whose value cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::env_builder().build()
    }

    /// Reads these variables as if they were the environment. The process's own does not count.
    ///
    /// # Errors
    /// A [`ConfigError`] that lists every variable whose value cannot be used.
    pub fn from_vars(
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        ConfigBuilder::from_vars(vars).build()
    }

    /// Starts from the defaults. The environment does not count; the backend is memory unless a
    /// URL, a host or a backend is given.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Starts from the process's environment, so that code can replace single values.
    pub fn env_builder() -> ConfigBuilder {
        ConfigBuilder::from_env()
    }
}

/// Where values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// A Valkey server.
    Valkey,
    /// A Redis server.
    Redis,
    /// This process's memory.
    Memory,
    /// Nowhere: every lookup misses.
    None,
}

/// A server and how to talk to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Where it listens.
    pub address: Address,
    /// The number of the database; whether it exists is for the server to say.
    pub database: u32,
    /// The user to log in as; `None` is the server's default user.
    pub username: Option<String>,
    /// The password to log in with.
    pub password: Option<Secret>,
    /// The number of connections, from 1 to 1024. Each is multiplexed: it carries the commands of
    /// any number of tasks at once, and one was measured best. This is no checkout pool, whose size
    /// limits the commands in flight.
    pub connections: usize,
    /// Whether a command that timed out is sent once more.
    pub retry_on_timeout: bool,
    /// How long a command may take, in whole milliseconds; more than zero, at most an hour.
    pub timeout: Duration,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A TCP port.
    Tcp {
        /// A name or an address; IPv6 without brackets.
        host: String,
        /// From 1 to 65535.
        port: u16,
        /// Whether the connection is encrypted.
        tls: bool,
    },
    /// A Unix domain socket.
    Unix {
        /// The socket's absolute path.
        path: PathBuf,
    },
}
