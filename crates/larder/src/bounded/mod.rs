//! Bounded caches: at most so many entries, or bytes, and a choice of which one goes.

mod server;

pub use server::{Bounded, Bounds, BoundsError, Eviction};
pub(crate) use server::{Index, Room};
