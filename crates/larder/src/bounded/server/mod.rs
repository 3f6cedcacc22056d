//! Bounded caches on the server. An application says how much one cache may hold there, and which
//! entry makes room where it is full; the server's own eviction knows only of all its memory.
//!
//! The protocol is in `docs/decisions/0008-bounded-on-the-server.md`.

mod bounded;
mod bounds;
mod index;

pub use bounded::{Bounded, ServerEviction};
pub use bounds::{Bounds, BoundsError};
pub(crate) use index::{Index, Room};
