//! Caches that hold so much and no more: in memory, and on the server.
//!
//! # In memory
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
//! ## Which, and how much
//!
//! - [`CacheBuilder::miss_ratio_curve`](crate::CacheBuilder::miss_ratio_curve) tells, while the cache works, what half
//!   or twice the capacity would do.
//! - [`Cache::record`](crate::Cache::record) writes down which keys are asked for, and the program
//!   `larder simulate` runs that through all policies and sizes.
//! - [`on_evicted`](crate::CacheBuilder::on_evicted) tells which entries leave, and why.
//!
//! ## Rules
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
//! ## One order, or several
//!
//! Up to 65,535 entries, or 128 MiB, all entries stand in one order and under one lock, and the policies
//! are exact. From there on there is one order for each 32,768 entries or 64 MiB, up to 16 of them; keys
//! are spread over them by their hash, and each gives way within its own. That serves more threads, and
//! differs little from one order in what it keeps, as each holds a fair sample of the keys: on the trace OLTP
//! two orders of 32,768 brought between 0.01 less and 0.05 more of 100 than one of 65,535. How many there
//! are is settled when the cache is opened; a resize changes how much each holds.
//!
//! ## Measured
//!
//! Hits in percent on traces of the literature, and what a cache could reach that knows the future:
//!
//! | trace, entries | default | FIFO | LIFO | LRU | MRU | LFU | SIEVE | S3-FIFO | W-TinyLFU | possible |
//! |---|---|---|---|---|---|---|---|---|---|---|
//! | gli, 1,000 | 49.1 | 11.1 | 49.9 | 11.2 | 49.8 | 31.3 | 31.3 | 35.0 | 50.3 | 53.2 |
//! | loop, 512 | 49.0 | 0.0 | 50.4 | 0.0 | 50.5 | 0.0 | 0.0 | 33.7 | 50.0 | 50.5 |
//! | multi3, 2,000 | 61.4 | 39.7 | 58.4 | 44.6 | 29.0 | 46.7 | 46.7 | 54.4 | 60.7 | 68.8 |
//! | web12, 2,000 | 74.7 | 68.6 | 54.2 | 72.6 | 18.5 | 68.2 | 75.0 | 75.6 | 73.9 | 82.3 |
//! | OLTP, 1,000 | 36.4 | 28.5 | 14.1 | 32.8 | 0.5 | 13.8 | 32.6 | 40.9 | 35.5 | 53.6 |
//!
//! A hit of one thread takes 1.0 to 1.1 times the instructions of the default engine's, with LFU 1.3 and
//! with W-TinyLFU 1.5 times; but it has no front, and threads that share a shard wait for each other.
//!
//! # On the server
//!
//! The server decides evictions for all of its memory. "At most 10,000 reports, the least recently used goes"
//! is a matter of one cache:
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use larder::bounded::Bounded;
//! use larder::remote::MemoryRemote;
//! use larder::{Cache, Larder, NearCapacity};
//!
//! let larder = Larder::builder().remote(MemoryRemote::new()).build().await?;
//! let reports: Cache<u64, String> = larder
//!     .cache("reports")
//!     .near(NearCapacity::Off)
//!     .bounded(Bounded::lru(2))
//!     .open()
//!     .await?;
//! reports.set(&1, "one").await?;
//! reports.set(&2, "two").await?;
//! reports.get(&1).await;
//! reports.set(&3, "three").await?; // 2 was used least recently
//! assert!(reports.exists(&1).await && !reports.exists(&2).await);
//! # Ok(())
//! # }
//! ```
//!
//! It is a cache like any other: loads run once, fills are fenced, tags, tenants, stale windows, sweeps and
//! the near tiers of other processes work on top. [`ServerEviction`] says which entry makes room.
//!
//! - **All processes share it**, and have to open it with the same [`Bounded`]. Else opening it is an error that
//!   names both. [`Bounded::resizing`] changes the capacity.
//! - **A near hit is no use.** It does not reach the server, which so takes an entry for unused that is
//!   served from memory all the time. Where that matters, turn the near tier
//!   [`Off`](crate::NearCapacity::Off), or let it believe its entries for a shorter time
//!   ([`Coherence::Ttl`](crate::Coherence::Ttl)). What is evicted on the server is dropped from near tiers.
//! - **Reads cost more** with `Lru`, `Mru` and `Lfu`: each is a script that notes the use. With `Fifo` and `Lifo` it
//!   is a plain `GET`.
//! - **What has expired does not count**, and goes before anything else. What was invalidated by a group does
//!   count until it is swept, evicted or asked for and replaced.
//! - **What the server itself evicts or loses heals**: an entry without a value goes when its turn comes or its
//!   time ends; where the index is lost, what is still there is noted anew, in any order.
//! - **Without a server** the same code keeps to the same bounds in the memory of its process, by the policy of the
//!   same name: bytes are weights there, as those of [`NearCapacity`](crate::NearCapacity). In tests,
//!   [`MemoryRemote`](crate::remote::MemoryRemote) keeps them as a server does.
//!
//! The protocol is in `docs/decisions/0008-bounded-on-the-server.md`.

mod eviction;
mod expiry;
#[cfg(test)]
mod model;
pub(crate) mod policy;
mod server;
mod simulation;
pub(crate) mod store;

pub use eviction::{Eviction, UnknownEviction};
pub use server::{Bounded, Bounds, BoundsError, ServerEviction};
pub(crate) use server::{Index, Room};
pub use simulation::{Request, Simulation};
pub use store::Cause;
