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
//!   `publish` writes to it, so no caller falls between the two. In the fleet, the leader loads
//!   under the key's [`lease`]; who finds it held waits for its end, which is pushed.
//! - **No resurrection (G2).** A local write first *marks* its key in [`watch`], so that nothing
//!   read before is a hit, and *voids* the flight: it takes it out of the table, so that it gains
//!   no joiners and is not stored near. When the server has answered, the key is marked again. A
//!   change that is heard of from elsewhere marks it too, and a flight whose [`Proof`] does not hold
//!   any more gains no joiners. The server itself refuses the fill, since whatever invalidates a key
//!   ends its lease.
//! - **Cancel safety (G8).** A leader is a guard: dropped before it published, it hands over to
//!   a waiter, each of which brought its own loader, with the lease; or gives the lease back and
//!   leaves no trace, where nobody waits.
//! - **Bounded (G6).** Flights and waiters are counted; who comes too much gets a stale value, or
//!   an error.
//!
//! # What a leader does
//!
//! ```text
//!   look at the server ── fresh ─────────────────────────────► publish
//!         │ nothing, stale (kept for who does not wait), or unreadable
//!         ▼
//!   ask for the lease ── a value has come, fresh ────────────► publish
//!     ▲   │      │ held by another: wait for its end (push, or timer), ask again
//!     └───┼──────┘
//!         │ granted            not to be had: the server is away, or the last load left a note
//!         ▼                                  ▼
//!   load under the lease              load without one
//!         │ value        │ error             │ value
//!         ▼              ▼                   ▼
//!   publish, fill    leave a note,     publish; the near tier keeps it for a short time
//!                    publish the error
//!                    or a stale value
//! ```
//!
//! Every request to the server is paid from one budget of time (G3); the loader's time and the time
//! spent waiting for another process's load are not remote time, and have limits of their own.
//!
//! The protocol between processes is in `docs/decisions/0005-one-load-in-the-fleet.md`. The I/O
//! around the decisions is in [`fetch`], [`lead`], [`claim`] and [`land`], for
//! flights that nobody waits for in [`background`] and [`slide`], and for many keys at once in [`batch`]. What could not reach the server waits in [`recovery`].

mod background;
mod batch;
mod chain;
mod claim;
mod failure;
mod fetch;
mod land;
mod lead;
mod lease;
mod limit;
mod loader;
#[cfg(test)]
mod model;
mod recovery;
mod resting;
mod run;
mod slide;
mod table;
mod watch;

/// What [`table`] locks with: the model has another.
mod sync {
    pub(super) use parking_lot::Mutex;
}

pub(crate) use batch::Answer;
#[cfg(feature = "blocking")]
pub(crate) use chain::Chain;
pub(crate) use failure::Failure;
pub use failure::{ForeignError, LoadError};
pub(crate) use lease::Lessor;
pub(crate) use limit::{Limit, Taken};
pub use loader::{Load, Loaded};
pub(crate) use recovery::{Owed, Recovery};
pub(crate) use resting::Resting;
pub(crate) use run::catch_panic;
pub(crate) use table::Table;
pub(crate) use watch::{Proof, Watch};
