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
//! - **No resurrection (G2), within this process.** A local write first *voids*: it takes the
//!   flight out of the table, so that it gains no joiners and its result is not stored, raises
//!   the shard's version, so that no remote read begun before is admitted to the near tier, and
//!   removes the near entry; all under the lock, before the server hears of it. A fill that the
//!   server took while its flight was voided is removed again, and the write waits for that.
//!   When the server confirmed the write it *settles*: a flight that began meanwhile and may
//!   have read the old value gains no joiners either.
//! - **Cancel safety (G8).** A leader is a guard: dropped before it published, it hands over to
//!   a waiter, each of which brought its own loader, or leaves no trace where nobody waits.
//!
//! The I/O around these decisions is in [`fetch`].

mod chain;
mod failure;
mod fetch;
mod lease;
mod run;
mod table;
mod watch;

pub(crate) use failure::Failure;
pub use failure::{ForeignError, LoadError};
pub(crate) use lease::Lessor;
pub(crate) use run::catch_panic;
pub(crate) use table::{Shares, Table};
pub(crate) use watch::{Proof, Stream, Watch};
