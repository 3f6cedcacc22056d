//! The whole API for programs that are not async: command-line tools, scripts, thread-per-request servers.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use larder::blocking::{Cache, Larder};
//!
//! fn query(id: u64) -> Result<String, std::io::Error> {
//!     Ok(format!("user {id}")) // the expensive call
//! }
//!
//! let larder = Larder::from_env()?; // memory, Valkey or Redis
//! let users: Cache<u64, String> = larder.cache("users").ttl(Duration::from_secs(300)).build()?;
//!
//! let user = users.get_or_load(&42, || query(42))?; // an `Arc<String>`
//! assert_eq!(*user, "user 42");
//!
//! users.remove(&42)?;
//! assert!(users.get(&42).is_none());
//! # Ok(())
//! # }
//! ```
//!
//! Types and calls have the names that they have in the async API, and the same guarantees. Both are one
//! cache: [`Larder::wrap`] makes a blocking handle of an async larder, and [`Larder::as_async`] gives
//! the async one of a blocking larder.
//!
//! # Where it runs
//!
//! The async core does the work, and the calling thread waits for it. Connections and timers are served by
//! one small thread, which is made with the [`Larder`] and ends when it is closed, or when the last handle
//! of it and of its caches is dropped. A program that has a tokio runtime already gives its handle instead:
//! [`LarderBuilder::runtime`].
//!
//! # Loaders
//!
//! | call | the loader | where it runs |
//! |---|---|---|
//! | [`get_or_load`](Cache::get_or_load) | may borrow | in the calling thread |
//! | [`get_or_spawn`](Cache::get_or_spawn) | owns what it needs | in a thread of its own |
//!
//! A loader may block and take its time; no other call waits for it, save those for the same key. It may use
//! the cache, and load other keys. A thread cannot be interrupted, so
//! [`load_timeout`](CacheBuilder::load_timeout) does not end a loader that runs in the calling thread. With
//! `get_or_spawn` its callers get the error in time, while the loader runs on to its end.
//!
//! # Within async code
//!
//! A thread that serves async tasks must not wait. A call that would have to is an error there,
//! [`Error::InAsyncTask`](crate::Error::InAsyncTask) or
//! [`LoadError::InAsyncTask`](crate::LoadError::InAsyncTask); it neither waits nor panics, and the loader
//! does not run. Reads have no error, so there they miss, which is logged once and counted in
//! [`CacheStats::misses_in_async_task`](crate::CacheStats::misses_in_async_task). What
//! [`get`](Cache::get), [`exists`](Cache::exists) and [`get_or_load`](Cache::get_or_load) find fresh in
//! memory they answer in any place, since that waits for nothing.
//!
//! In `tokio::task::spawn_blocking` and `block_in_place` everything works. Tasks are recognised of tokio, not
//! of other executors.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use larder::Error;
//! use larder::blocking::{Cache, Larder};
//!
//! // A blocking handle of an async program's larder, for a library that is not async.
//! let larder = Larder::wrap(larder::Larder::in_memory().await?);
//! let users: Cache<u64, String> = larder.cache("users").build()?;
//! assert!(matches!(users.set(&42, "Ann"), Err(Error::InAsyncTask)));
//!
//! tokio::task::spawn_blocking(move || users.set(&42, "Ann")).await??;
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "json")]
mod any;
mod builder;
mod cache;
mod entry;
pub mod global;
mod larder;
mod loader;
mod many;
mod runtime;
mod sweep;
mod warm;

#[cfg(feature = "json")]
pub use any::AnyCache;
pub use builder::{BoundedBuilder, CacheBuilder};
pub use cache::Cache;
pub use entry::Entry;
pub use larder::{Larder, LarderBuilder};
pub use many::LoadIter;
pub use sweep::Sweep;
pub use warm::Warm;
