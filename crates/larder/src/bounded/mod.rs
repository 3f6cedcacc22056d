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
//! differs little from one order in what it keeps, as each holds a fair sample of the keys: on the trace OLTP
//! two orders of 32,768 brought between 0.01 less and 0.05 more of 100 than one of 65,535. How many there
//! are is settled when the cache is opened; a resize changes how much each holds.
//!
//! # Measured
//!
//! Hits in percent on traces of the literature, and what a cache could reach that knows the future:
//!
//! | trace, entries | default | FIFO | LIFO | LRU | MRU | LFU | SIEVE | S3-FIFO | W-TinyLFU | possible |
//! |---|---|---|---|---|---|---|---|---|---|---|
//! | gli, 1,000 | 48.9 | 11.1 | 49.9 | 11.2 | 49.8 | 31.3 | 31.3 | 35.0 | 50.3 | 53.2 |
//! | loop, 512 | 49.0 | 0.0 | 50.4 | 0.0 | 50.5 | 0.0 | 0.0 | 33.7 | 50.0 | 50.5 |
//! | multi3, 2,000 | 61.5 | 39.7 | 58.4 | 44.6 | 29.0 | 46.7 | 46.7 | 54.4 | 60.7 | 68.8 |
//! | web12, 2,000 | 74.3 | 68.6 | 54.2 | 72.6 | 18.5 | 68.2 | 75.0 | 75.6 | 73.9 | 82.3 |
//! | OLTP, 1,000 | 32.8 | 28.5 | 14.1 | 32.8 | 0.5 | 13.8 | 32.6 | 40.9 | 35.5 | 53.6 |
//!
//! A hit of one thread takes 1.0 to 1.1 times the instructions of the default engine's, with LFU 1.3 and
//! with W-TinyLFU 1.5 times; but it has no front, and threads that share a shard wait for each other.

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
