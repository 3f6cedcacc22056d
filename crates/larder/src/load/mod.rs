//! The load path: who loads, who waits, and what may be stored. The only place that decides.
//!
//! # The flight of a key
//!
//! A *flight* is the one load of a key in progress in this process. All of a flight's decisions
//! are taken in [`table`], under the lock of the key's shard, without I/O:
//!
//! ```text
//!            join: near tier has it ─────────────────────────► Hit
//!              │
//!   join: no flight                    join: a flight
//!              ▼                             ▼
//!   ┌────────────────────┐  publish   ┌─────────────┐
//!   │ Led by one caller  │──────────► │ Done(result)│ ──► every waiter has the result
//!   └────────────────────┘            └─────────────┘
//!      │ leader dropped   ▲                  │ retire (after the fill)
//!      ▼                  │ a waiter,        ▼
//!   ┌────────────────────┐│ or a newcomer  gone
//!   │ Vacant             │┘
//!   └────────────────────┘
//!      │ last waiter dropped
//!      ▼
//!     gone
//! ```
//!
//! - **One load (G1).** `join` looks into the near tier under the same lock under which
//!   `publish` writes to it, so no caller falls between the two.
//! - **One load in the fleet (G1).** The flight's right to load is a [`lease`] on the server. Who
//!   finds it held waits for its end, which is pushed.
//! - **No resurrection (G2).** A local write first *marks* its key in [`watch`], so that nothing
//!   read before is a hit, and *voids* the flight: it takes it out of the table, so that it gains
//!   no joiners and its result is not stored, and removes the near entry. When the server has
//!   answered, the key is marked again. The server refuses the fill of a flight whose lease a write
//!   ended, wherever that came from. A flight whose [`Proof`] does not hold any more gains no joiners.
//! - **Writes that did not reach the server** wait in [`recovery`], as removals.
//! - **Cancel safety (G8).** A leader is a guard: dropped before it published, it hands over to
//!   a waiter, each of which brought its own loader, or leaves no trace where nobody waits.
//!
//! The I/O around these decisions is in [`fetch`].

mod chain;
mod failure;
mod fetch;
mod lease;
mod loader;
mod recovery;
mod resting;
mod run;
mod table;
mod watch;

pub(crate) use failure::Failure;
pub use failure::{ForeignError, LoadError};
pub(crate) use lease::Lessor;
pub use loader::{Load, Loaded};
pub(crate) use recovery::Recovery;
pub(crate) use resting::Resting;
pub(crate) use run::catch_panic;
pub(crate) use table::Table;
pub(crate) use watch::{Proof, Stream, Watch};
