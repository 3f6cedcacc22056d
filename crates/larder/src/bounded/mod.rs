//! Bounded caches: at most so many entries on the server, or bytes, and a choice of which one goes.
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
//! the near tiers of other processes work on top. [`Eviction`] says which entry makes room.
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
//! - **Backend `memory` has no server**, so there opening one is an error. In tests,
//!   [`MemoryRemote`](crate::remote::MemoryRemote) keeps them by the same rules.
//!
//! The protocol is in `docs/decisions/0008-bounded-on-the-server.md`.

mod server;

pub use server::{Bounded, Bounds, BoundsError, Eviction};
pub(crate) use server::{Index, Room};
