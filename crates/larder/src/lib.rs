//! A typed cache for Rust services: in memory, on Valkey and on Redis.
//!
//! ```
//! use std::time::Duration;
//! use larder::{Cache, Larder};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct User {
//!     name: String,
//! }
//!
//! async fn query(id: u64) -> Result<User, std::io::Error> {
//!     Ok(User { name: format!("user {id}") }) // the expensive call
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let larder = Larder::from_env().await?; // memory, Valkey or Redis
//! let users: Cache<u64, User> = larder.cache("users").ttl(Duration::from_secs(300)).build()?;
//!
//! let user = users.get_or_load(&42, || query(42)).await?; // an `Arc<User>`
//! assert_eq!(user.name, "user 42");
//!
//! users.remove(&42).await?;
//! assert!(users.get(&42).await.is_none());
//! # Ok(())
//! # }
//! ```
//!
//! Open a [`Larder`] at start and each [`Cache`] once; clones of both are cheap and share
//! everything. [`global`] keeps a larder for those who cannot pass one around.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | near tier | the memory of this process: decoded values in an `Arc` |
//! | remote tier | the server that processes share: encoded bytes |
//! | cache | a named, typed keyspace, [`Cache<K, V>`](Cache) |
//! | loader | the function that brings a value which is not cached |
//! | fresh, stale, expired | within `ttl`; past it, within `ttl + stale`; past both |
//! | outcome | what is known of an answer beside its value: [`Outcome`] |
//!
//! # Tiers
//!
//! A lookup asks the near tier, then the server. The near tier holds up to 64 MiB per cache, or what
//! [`near`](CacheBuilder::near) says. Without a server it is the only tier, and lives as long as the
//! process.
//!
//! Beside a server, a process believes its own memory for the cache's [`Coherence`], one second by
//! default, and then asks the server again. **So another process may serve a value for that long
//! after it was removed or replaced here.** A shorter time makes more requests to the server;
//! [`NearCapacity::Off`] asks it each time; without a server, where memory is the only tier, it changes
//! nothing.
//!
//! [`Larder::memory`] and [`Larder::persistent`] are caches of another kind, [`AnyCache`], whose
//! values may be of any type: for a few odd values.
//!
//! # Keys
//!
//! Whatever has `Serialize`, `Hash`, `Eq` and `Clone` is a key: numbers, strings, tuples, structs, UUIDs.
//! There is no trait to implement. A cache whose keys are `String` is asked with a `&str`. On the
//! server, numbers and short strings stay readable, and structures become a hash; [`key`] has the
//! rules.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let larder = larder::Larder::in_memory().await?;
//! #[derive(Clone, serde::Serialize, Hash, PartialEq, Eq)]
//! struct Page {
//!     user: u64,
//!     language: String,
//! }
//!
//! let pages: larder::Cache<Page, String> = larder.cache("pages").build()?;
//! let names: larder::Cache<String, u64> = larder.cache("names").build()?;
//! let page = Page { user: 42, language: "en".to_owned() };
//! pages.set(&page, "<p>Hello</p>").await?;
//! names.set("ann", 42).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Loads
//!
//! However many callers ask for a key at once, one of their loaders runs in this process, and all
//! get what it brings: the value, or the error in an `Arc` ([`LoadError`]).
//!
//! | call | the loader | where the caller is dropped |
//! |---|---|---|
//! | [`get_or_load`](Cache::get_or_load) | runs in the caller's task and may borrow | a waiting caller takes over with its own loader |
//! | [`get_or_spawn`](Cache::get_or_spawn) | owns what it needs and runs in a task of its own | the load goes on and is stored |
//!
//! [`lookup_or_load`](Cache::lookup_or_load) and [`Entry::lookup_or_spawn`] are the same two with an [`Outcome`]. A `None`,
//! an empty list or a zero that a loader returns is cached like any other value; errors are not
//! cached.
//!
//! # Stale values
//!
//! With [`stale`](CacheBuilder::stale), a value may be served for a while past its TTL where
//! nothing better can be had. `get_or_load` tries to load first, and falls back on the stale value
//! where the loader fails. [`get`](Cache::get) never returns a stale value;
//! [`lookup`](Cache::lookup) does, and its [`Freshness`] says why.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use larder::{Cache, Clock, Freshness, Larder, StaleReason};
//!
//! let clock = Clock::manual(); // time stands still until a test moves it
//! let larder = Larder::builder().clock(clock.clone()).build().await?;
//! let rates: Cache<String, f64> = larder
//!     .cache("rates")
//!     .ttl(Duration::from_secs(60))
//!     .stale(Duration::from_secs(600))
//!     .build()?;
//! rates.set("EUR", 1.09).await?;
//! clock.advance(Duration::from_secs(90));
//!
//! assert!(rates.get("EUR").await.is_none());
//! let found = rates.lookup_or_load("EUR", || async { Err("the bank is closed") }).await?;
//! assert_eq!(found.outcome.freshness, Freshness::Stale(StaleReason::LoaderFailed));
//! assert_eq!(*found, 1.09);
//! # Ok(())
//! # }
//! ```
//!
//! # Tenants
//!
//! [`Cache::tenant`] is a view of one tenant's keys, [`Entry::tenant`] names the tenant of one
//! call, and [`Larder::tenant`] opens caches as such views. Tenant, cache and key lead to a stored
//! key that no other three lead to, whatever they contain.
//!
//! # Outages
//!
//! A server that is away, slow, full or holds what this program cannot read never fails a read. A
//! lookup or a write waits for it no longer than the configuration's timeout, 4 s by default; while
//! there is no connection, none waits at all.
//!
//! - [`get`](Cache::get) misses once the trust in the near entry has ended.
//! - [`lookup`](Cache::lookup) and the loading calls take a near entry that is within its TTL, as
//!   stale with the reason [`RemoteUnavailable`](StaleReason::RemoteUnavailable); else the loader
//!   runs, and what it brings is kept in memory for up to ten seconds.
//! - [`set`](Cache::set) and [`remove`](Cache::remove) return an error, and are not tried again.
//! - [`Larder::health`] says [`is_degraded`](Health::is_degraded), and the connection is made again in
//!   the background.
//!
//! A wrong password or database, a right that larder lacks ([`config`] lists them), or what is no
//! Valkey or Redis, is an error at start, since waiting would not help.
//!
//! # Configuration
//!
//! [`Larder::from_env`] reads the environment, [`Larder::with`] takes a [`Config`] built in code, and
//! [`Config::env_builder`] replaces single values. The variables are in the page of [`config`]. With
//! `CACHE_ENABLED=false` nothing is stored, reads miss, writes succeed and loaders run.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `valkey` | yes | Valkey and Redis as the remote tier |
//! | `json` | yes | the JSON codec, [`AnyCache`], and the calls of [`global`] |
//! | `msgpack` | no | the `MessagePack` codec |
//! | `postcard` | no | the postcard codec, which wants a schema version or a type that reveals its own |
//! | `testing` | no | the conformance kit for other implementations of [`Remote`](remote::Remote) |
//!
//! # Guarantees, and their limits
//!
//! The numbers stand beside what upholds them, here and in the source.
//!
//! | | today | limit |
//! |---|---|---|
//! | G1 one load | one loader per key and process; a loader runs at most once per call | two processes may load the same key at once |
//! | G2 no resurrection | after `remove` or `set` returned `Ok`, a load that began before is not stored, and this process does not serve the old value | another process may serve it until its [`Coherence`] ends, and may store what it was loading; a call that began before may still get its own load's value |
//! | G3 the cache's trouble is not the caller's | a remote that is down, slow, full or corrupt costs a miss or a stale value | writes report it; a loading call may wait for the timeout twice, for its lookup and for storing what it loaded |
//! | G4 stale is bounded and declared | nothing is served past `ttl + stale`; `get` is fresh or nothing, outcomes give the reason | `get_or_load` returns a stale value without saying so: `lookup_or_load` says it |
//! | G5 isolation | tenant, cache and key to stored key is injective | caches with one name in two programs are one cache, unless their prefixes differ |
//! | G6 bounded | near tier, operations in flight, length of keys and values | the number of callers who wait for a load is not |
//! | G7 no shared clock | ages are differences of one server's times | after a restart of the server its values are stale at best |
//! | G8 cancel-safe | any future may be dropped at any await; a panic of a loader is an error for its callers; one in a `Serialize`, a `Deserialize` or a weigher costs no more than the storing | one in a key's `Hash` or `Eq` ends the caller's task |
//! | G9 rolling deploys | a stored value that this program cannot read is a counted miss; with [versions](CacheBuilder::schema) declared, a load of the older program does not overwrite the newer one's value | `set` and `remove` always do |
//! | G10 nothing foreign is touched | only keys under the prefix are named, one at a time | whoever writes under the prefix by hand may lose what was written |

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
// Makes the labels of what a feature adds, where the documentation is built by nightly Rust.
#![cfg_attr(docsrs, feature(doc_cfg))]

/// The code in the README, which is compiled with the documentation's.
#[cfg(all(doctest, feature = "json"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(feature = "json")]
mod any;
mod cache;
pub mod config;
mod entry;
mod error;
mod gate;
pub mod global;
mod health;
pub mod key;
mod larder;
mod load;
mod near;
mod options;
mod outcome;
pub mod remote;
mod scope;
mod space;
mod telemetry;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod time;
mod unwind;
mod value;
#[doc(hidden)]
pub mod wire;

#[cfg(feature = "json")]
pub use any::{AnyCache, AnyLoadError};
pub use cache::{Cache, CacheBuilder, NearUsage};
pub use config::{Backend, Config, ConfigBuilder};
pub use entry::Entry;
pub use error::Error;
pub use health::{CacheHealth, Health, NearTrust};
pub use key::CacheKey;
pub use larder::{Larder, LarderBuilder};
pub use load::{ForeignError, Load, LoadError, Loaded};
pub use near::NearCapacity;
pub use options::{Coherence, Refresh};
pub use outcome::{Found, Freshness, Outcome, Source, StaleReason};
pub use remote::{RemoteHealth, RemoteState};
pub use scope::Strength;
pub use telemetry::CacheStats;
pub use time::{Clock, MAX_TTL};
pub use value::{CacheValue, IntoValue};
pub use wire::Codec;
