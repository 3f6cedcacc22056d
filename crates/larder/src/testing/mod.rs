//! For tests: of programs that use larder, and of other implementations of
//! [`Remote`](crate::remote::Remote).
//!
//! - [`conformance`] holds an implementation of `Remote` to what the trait promises. It needs no
//!   test framework: it gives back what was broken.
//! - [`bounded_conformance`] does the same for bounded caches.
//! - [`Recorder`] is an observer that writes down what a `Remote` tells.
//! - [`stored_key`] makes a key for tests that speak to a `Remote` themselves.
//! - [`Clock::manual`](crate::Clock::manual) is a clock that a test moves by hand.
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
mod leases;
mod promises;
mod pushes;
mod recorder;
mod scans;
mod together;

pub use conformance::{BrokenPromise, BrokenPromises, bounded_conformance, conformance};
pub use recorder::{Heard, Recorder};

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
