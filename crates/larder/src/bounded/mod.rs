//! What gives way when a cache is full.
//!
//! [`Eviction`] names the policies. A cache takes one by
//! [`CacheBuilder::eviction`](crate::CacheBuilder::eviction); [`Simulation`] runs the same engine
//! on keys alone, to find out which policy and how much room suit a workload.
//!
//! ```
//! use larder::bounded::{Eviction, Request, Simulation};
//! use larder::NearCapacity;
//!
//! // A loop over a little more than fits: the least recently used is what is needed next.
//! let hits = |eviction| {
//!     let mut cache = Simulation::new(eviction, NearCapacity::Entries(100));
//!     (0..1_000).filter(|n| cache.request(&Request::new(n % 110))).count()
//! };
//! assert_eq!(hits(Eviction::Lru), 0);
//! assert!(hits(Eviction::Mru) > 800);
//! ```
//!
//! # Rules
//!
//! - Who gives way is chosen before the new entry comes in. Expired entries go first.
//! - A hit is a use, and so is the replacement of a value. A lookup of an entry that is expired, or
//!   may not be served, is none.
//! - A replaced value keeps the place of its key: in [`Fifo`](Eviction::Fifo) and
//!   [`Lifo`](Eviction::Lifo) the order is that of the keys' arrival. If room must be made for it, the
//!   old value may be what gives way; then the new one comes in as any other.
//! - Lookups of a cache with another policy than the default have no front in their thread: each goes to
//!   the engine, which sees them all.
//!
//! # One order, or several
//!
//! Up to 65,535 entries, or 128 MiB, all entries stand in one order and under one lock, and the policies
//! are exact. From there on there is one order for each 32,768 entries or 64 MiB, up to 16 of them; keys
//! are spread over them by their hash, and each gives way within its own. That serves more threads, and
//! differs little from one order in what it keeps, as each holds a fair sample of the keys.

mod eviction;
mod expiry;
#[cfg(test)]
mod model;
pub(crate) mod policy;
mod simulation;
pub(crate) mod store;

pub use eviction::{Eviction, UnknownEviction};
pub use simulation::{Request, Simulation};
pub use store::Cause;
