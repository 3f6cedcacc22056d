//! Starts real Valkey and Redis servers for larder's tests and benches.
//!
//! ```
//! use larder_servers::{Kind, Reply, Server};
//!
//! # fn main() -> Result<(), larder_servers::ServerError> {
//! for kind in Kind::ALL {
//!     let server = Server::start(kind)?;
//!     server.command(&["SET", "greeting", "hello"])?;
//!     assert_eq!(server.command(&["GET", "greeting"])?, Reply::Text(b"hello".to_vec()));
//! } // The server is ended and its folder removed here.
//! # Ok(())
//! # }
//! ```
//!
//! Each [`Server`] is a process of its own, on a port of its own, in a folder of its own, so tests
//! run in parallel and may kill, pause and restart theirs. A missing server is an error that names
//! the package to install; no test is skipped in silence.
//!
//! A [`Proxy`] before a server delays, holds, loses and cuts what passes, for all connections or for
//! one. [`NotAServer`] and [`Silent`] stand in for what a wrong address leads to.
//!
//! A server may follow another ([`Server::start_replica_of`]), take its place
//! ([`Server::promote`]) and come back with what it held once ([`Server::restart_from`]).
//!
//! A [`Fleet`] is several processes of the program that runs, to load from, to pause and to kill.
//!
//! A [`Companion`] is any other program that a test needs beside it, and [`Prometheus`] one that reads a
//! service's metrics.
//!
//! The crate needs a Unix: it uses signals and `sh`.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod builder;
mod companion;
mod error;
mod fakes;
mod fleet;
mod guard;
mod kind;
mod monitor;
mod port;
mod process;
mod program;
mod prometheus;
mod proxy;
mod replication;
mod resp;
mod server;
mod signal;
mod snapshot;

pub use builder::ServerBuilder;
pub use companion::Companion;
pub use error::ServerError;
pub use fakes::{NotAServer, Silent};
pub use fleet::{Fleet, FleetBuilder, Member, Order, Orders, Pending};
pub use kind::Kind;
pub use monitor::{Monitor, Recorded};
pub use program::Program;
pub use prometheus::Prometheus;
pub use proxy::{Bytes, Direction, Latency, Link, Proxy, Seen, Traffic};
pub use replication::{Replication, Role};
pub use resp::Reply;
pub use server::Server;
pub use snapshot::Snapshot;
