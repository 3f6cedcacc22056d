//! For tests: of programs that use larder, and of other implementations of
//! [`Remote`](crate::remote::Remote).
//!
//! Of programs:
//!
//! - [`FaultyRemote`] is a server in memory that fails as a test says: it goes down, is slow or full, loses
//!   answers and pushes, garbles or forgets what it holds.
//! - [`Tally`] asserts hits and loads.
//! - [`Clock::manual`](crate::Clock::manual) is a clock that a test moves by hand.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use larder::testing::{FaultyRemote, Tally};
//! use larder::{Cache, Clock, Larder};
//!
//! let clock = Clock::manual();
//! let server = FaultyRemote::with(clock.clone());
//! let larder = Larder::builder().remote(server.clone()).clock(clock.clone()).build().await?;
//! let rates: Cache<String, f64> = larder
//!     .cache("rates")
//!     .ttl(Duration::from_secs(60))
//!     .stale(Duration::from_secs(600))
//!     .build()?;
//! rates.set("EUR", 1.09).await?;
//! assert_eq!(rates.get("EUR").await.as_deref(), Some(&1.09)); // now it is in memory, too
//!
//! // The rate expires, and both the server and the bank are away.
//! clock.advance(Duration::from_secs(90));
//! server.go_down();
//! let tally = Tally::of(&rates);
//! let rate = rates.get_or_load("EUR", || async { Err("the bank is closed") }).await?;
//! assert_eq!(*rate, 1.09);
//! tally.assert_loads(1).assert_load_failures(1);
//! # Ok(())
//! # }
//! ```
//!
//! Of other remotes:
//!
//! - [`conformance`] holds an implementation of `Remote` to what the trait promises. It needs no
//!   test framework: it gives back what was broken.
//! - [`bounded_conformance`] does the same for bounded caches.
//! - [`Recorder`] is an observer that writes down what a `Remote` tells.
//! - [`stored_key`] makes a key for tests that speak to a `Remote` themselves.
//!
//! ```
//! use larder::remote::MemoryRemote;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), larder::testing::BrokenPromises> {
//! // Each call of the closure makes another handle of one store.
//! let store = MemoryRemote::new();
//! larder::testing::conformance(async || store.clone()).await?;
//! # Ok(())
//! # }
//! ```

mod bounds;
mod conformance;
mod fault;
mod faulty;
mod leases;
mod promises;
mod pushes;
mod recorder;
mod relay;
mod scans;
mod tally;
mod together;

pub use conformance::{BrokenPromise, BrokenPromises, bounded_conformance, conformance};
pub use fault::{Fault, Held, Operation, When};
pub use faulty::FaultyRemote;
pub use recorder::{Heard, Recorder};
pub use tally::{Counts, Tally};

use crate::error::Error;
use crate::key::{CacheKey, CacheName, Prefix, StoredKey};

/// The stored key of `key` in the cache called `name`, under the default prefix.
///
/// ```
/// let key = larder::testing::stored_key("users", &42)?;
/// assert_eq!(key.as_str(), "cache:users:42");
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// Where the name is empty or too long, or the key cannot be stored.
pub fn stored_key<Q: CacheKey + ?Sized>(name: &str, key: &Q) -> Result<StoredKey, Error> {
    let (prefix, name) = (Prefix::default(), CacheName::new(name)?);
    Ok(StoredKey::new(&prefix, None, &name, key)?)
}
