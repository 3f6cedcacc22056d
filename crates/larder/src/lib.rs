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
//! What keeps the memory of several processes in step is in [Several processes](#several-processes).
//! [`NearCapacity::Off`] asks the server each time; without a server, where memory is the only tier,
//! it changes nothing.
//!
//! Which entries give way when it is full is the default engine's choice, or that of a policy:
//! [`eviction`](CacheBuilder::eviction) takes one, [`bounded`] says what each is good for, and the program
//! `larder simulate` tries them on a trace of your requests. [`on_evicted`](CacheBuilder::on_evicted) tells
//! of each value that leaves.
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
//! However many callers ask for a key at once, one of their loaders runs, and all get what it brings:
//! the value, or the error in an `Arc` ([`LoadError`]). Beside a server that holds for all processes:
//! one has the right to load, the others wait for its value.
//!
//! | call | the loader | where the caller is dropped |
//! |---|---|---|
//! | [`get_or_load`](Cache::get_or_load) | runs in the caller's task and may borrow | a waiting caller takes over with its own loader |
//! | [`get_or_spawn`](Cache::get_or_spawn) | owns what it needs and runs in a task of its own | the load goes on and is stored |
//!
//! [`lookup_or_load`](Cache::lookup_or_load) and [`Entry::lookup_or_spawn`] are the same two with an [`Outcome`]. A `None`,
//! an empty list or a zero that a loader returns is cached like any other value; errors are not
//! cached, unless [`cache_errors`](CacheBuilder::cache_errors) or
//! [`pause_after_failure`](CacheBuilder::pause_after_failure) say so.
//!
//! A load ends after five minutes, or [`load_timeout`](CacheBuilder::load_timeout). A loader may load
//! other keys; one that would wait for itself gets [`LoadError::Circular`].
//!
//! A loader that takes a [`Load`] is told what it replaces, and one that returns a [`Loaded`] says how
//! long that lives: [`Entry::lookup_or_load_with`] and [`Entry::lookup_or_spawn_with`].
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::io;
//! use std::time::Duration;
//! use larder::{Cache, Clock, Larder, Load, Loaded};
//!
//! # let clock = Clock::manual();
//! # let larder = Larder::builder().clock(clock.clone()).build().await?;
//! let users: Cache<u64, Option<String>> = larder
//!     .cache("users")
//!     .ttl(Duration::from_secs(300))
//!     .negative_ttl(Duration::from_secs(5)) // for `None`: there is no such user
//!     .jitter(0.1) // up to a tenth shorter, so that not all expire at once
//!     .build()?;
//! let nobody = users.get_or_load(&7, || async { Ok::<_, io::Error>(None) }).await?;
//! assert!(nobody.is_none());
//! assert!(users.ttl_left(&7).await.is_some_and(|left| left <= Duration::from_secs(5)));
//!
//! let found = users.entry(&8).lookup_or_load_with(async |load: Load<Option<String>>| {
//!     assert!(load.stale().is_none(), "nothing to replace");
//!     Ok::<_, io::Error>(Loaded::new(Some("a guest".to_owned())).do_not_store())
//! }).await?;
//! assert_eq!(found.as_deref(), Some("a guest"));
//! assert!(users.get(&8).await.is_none());
//! # Ok(())
//! # }
//! ```
//!
//! # Many keys
//!
//! [`Cache::get_many`], [`set_many`](Cache::set_many) and [`remove_many`](Cache::remove_many) do for many
//! keys what `get`, `set` and `remove` do for one. [`Cache::get_or_load_many`] loads what is missing with
//! one call of its loader, which is given those keys and returns pairs; a key that another call is
//! loading is not among them. Each key is a load like any other: shared, fenced, and with its own
//! outcome in [`Cache::lookup_or_load_many`].
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let larder = larder::Larder::in_memory().await?;
//! # let users: larder::Cache<u64, String> = larder.cache("users").build()?;
//! # struct Database;
//! # impl Database {
//! #     async fn users(&self, ids: Vec<u64>) -> Result<Vec<(u64, String)>, std::io::Error> {
//! #         Ok(ids.into_iter().map(|id| (id, format!("user {id}"))).collect())
//! #     }
//! # }
//! # let db = Database;
//! let users_by_id = users.get_or_load_many(&[1, 2, 3], |missing| db.users(missing)).await?;
//! assert_eq!(*users_by_id[&3], "user 3");
//!
//! // Ahead of time, and for as many keys as there are.
//! let warmed = users.warm(1..=1_000).concurrency(2).load(|missing| db.users(missing)).await;
//! assert_eq!((warmed.keys.present, warmed.keys.loaded), (3, 997));
//! # Ok(())
//! # }
//! ```
//!
//! [`Cache::load_stream`] gives the answers as they come.
//!
//! # Stale values
//!
//! With [`stale`](CacheBuilder::stale), a value may be served for a while past its TTL where
//! nothing better can be had. `get_or_load` tries to load first, and falls back on the stale value
//! where the loader fails. [`get`](Cache::get) never returns a stale value;
//! [`lookup`](Cache::lookup) does, and its [`Freshness`] says why.
//!
//! | option | when else a stale value is served |
//! |---|---|
//! | [`soft_timeout`](CacheBuilder::soft_timeout) | the load takes longer; zero: at once, and the load goes on behind it |
//! | [`remote_soft_timeout`](CacheBuilder::remote_soft_timeout) | the server takes longer to answer |
//! | [`pause_after_failure`](CacheBuilder::pause_after_failure) | the key's load failed a moment ago |
//! | [`cache_errors`](CacheBuilder::cache_errors) | the same, for errors of one type |
//!
//! [`Entry::max_stale`] is one call's own limit.
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
//! # Before a value expires
//!
//! [`refresh`](CacheBuilder::refresh) loads a value again in the background while it is still served,
//! in one process of the fleet: once a share of its TTL has passed ([`Refresh::After`]), or at random,
//! the sooner the longer the load took ([`Refresh::ByCost`]). It is begun by a hit of
//! [`get_or_spawn`](Cache::get_or_spawn), whose loader can outlive the call. One that fails leaves the
//! value, and is tried again a second later.
//!
//! [`sliding`](CacheBuilder::sliding) stores a value again that is asked for past half of its TTL, so
//! that it lives until nobody has asked for it for that long.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use larder::{Cache, Larder, Refresh};
//!
//! # let larder = Larder::in_memory().await?;
//! let rates: Cache<String, f64> = larder
//!     .cache("rates")
//!     .ttl(Duration::from_secs(60))
//!     .refresh(Refresh::After(0.8)) // from 48 s on
//!     .stale(Duration::from_secs(600))
//!     .soft_timeout(Duration::from_millis(50)) // then an old rate will do
//!     .build()?;
//! let sessions: Cache<String, u64> = larder
//!     .cache("sessions")
//!     .ttl(Duration::from_secs(1800)) // after the last use
//!     .sliding()
//!     .build()?;
//!
//! let rate = rates.get_or_spawn("EUR", || async { Ok::<_, std::io::Error>(1.09) }).await?;
//! # let _ = (rate, sessions);
//! # Ok(())
//! # }
//! ```
//!
//! # Several processes
//!
//! Beside a server each process keeps what it read in its own memory, and the server tells it of each
//! change ([`Coherence::Pushed`]). It believes its memory while the server answers on the connection
//! that it tells on: within a second of the last answer.
//!
//! | after `set` or `remove` returned `Ok` | who sees it |
//! |---|---|
//! | in the same process | every call that begins later. The first one asks the server, since the process does not tell its own write from another's |
//! | in another process | every call once the push has come, in general within a millisecond, and at the latest a second after it |
//! | in another process, [`entry(&key).skip_near()`](Entry::skip_near) | every call that begins later: it asks the server |
//!
//! The load of a key belongs to one process at a time, by a lease on the server of three seconds that is
//! renewed while the load runs. `set` and `remove` end it, so a load that began before them is not
//! stored, in whichever process it runs and however long it is stopped.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use larder::{Cache, Coherence, Larder};
//!
//! # let larder = Larder::in_memory().await?;
//! // As it is unless said otherwise: the server tells of changes.
//! let users: Cache<u64, String> = larder.cache("users").build()?;
//! // Memory is believed for a minute, whatever others write: fewer questions to the server.
//! let countries: Cache<String, String> = larder
//!     .cache("countries")
//!     .coherence(Coherence::Ttl(Duration::from_secs(60)))
//!     .build()?;
//! // Memory is believed until the value expires.
//! let constants: Cache<String, f64> =
//!     larder.cache("constants").coherence(Coherence::Off).build()?;
//!
//! // Another process has changed the user, and told this one so.
//! let current = users.entry(&42).skip_near().get().await;
//! # let _ = (countries, constants, current);
//! # Ok(())
//! # }
//! ```
//!
//! With `Ttl` and `Off` what the server tells is heeded as well, where it tells; a change that was
//! missed shows when the time is over.
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
//! - [`set`](Cache::set) and [`remove`](Cache::remove) return [`Error::Pending`], and the *removal* of
//!   the key waits for the server: a value that was to be set an hour ago does not appear now, but what
//!   was there before goes. Until then this process does not believe what the server says of the key.
//!   A later write of it that succeeds ends the wait. Up to 65,536 keys wait, in memory: they are lost
//!   with the process.
//! - [`Larder::health`] says [`is_degraded`](Health::is_degraded), how many writes wait
//!   ([`pending_writes`](Health::pending_writes)) and whether the server tells of changes
//!   ([`near`](Health::near)). The connections are made again in the background.
//!
//! A server that is back is used as soon as it answered on both connections. What was in memory before
//! is asked for again, since changes may have been missed.
//!
//! ```
//! # async fn write(users: larder::Cache<u64, String>, larder: larder::Larder) {
//! use larder::{Error, NearTrust};
//!
//! match users.set(&42, "Ann").await {
//!     Ok(()) => {}
//!     // The old value is not served here, and will be removed from the server.
//!     Err(error @ Error::Pending { .. }) => eprintln!("{error}"),
//!     Err(error) => eprintln!("not stored: {error}"),
//! }
//! let health = larder.health().await;
//! if let NearTrust::Untrusted { reason } = &health.near {
//!     eprintln!("{} writes wait, and memory is not trusted: {reason}", health.pending_writes);
//! }
//! # }
//! ```
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
//! | `macros` | yes | [`cached`](macro@cached) and [`invalidates`](macro@invalidates) |
//! | `msgpack` | no | the `MessagePack` codec |
//! | `postcard` | no | the postcard codec, which wants a schema version or a type that reveals its own |
//! | `metrics` | no | counters, gauges and times through the `metrics` facade: [the guide](guide::metrics) has the table |
//! | `http` | no | the layer that stores the responses of `tower` services, and the postcard codec |
//! | `axum` | no | extractors and routes for axum, `http` and `json` |
//! | `blocking` | no | `blocking`: the whole API for programs that are not async |
//! | `testing` | no | the conformance kit for other implementations of [`Remote`](remote::Remote) |
//!
//! # Guarantees, and their limits
//!
//! The numbers stand beside what upholds them, here and in the source. The [guide] has a page for each,
//! with what to watch and an example.
//!
//! | | today | limit |
//! |---|---|---|
//! | [G1 one load](guide::g1_one_load) | one loader per key in all processes on a server; a loader runs at most once per call | while the server is away, each process loads for itself; after a load that stored nothing, those who waited for it in other processes load at once; a process that is stopped for three seconds loses its turn |
//! | [G2 no resurrection](guide::g2_no_resurrection) | after `remove` or `set` returned `Ok`, no load that began before is stored, in any process, and this process does not serve the old value | another process may serve it until the push comes, at most a second later, or as its [`Coherence`] says; a call that began before may still get its own load's value; a server that fails over to a replica may lose the write |
//! | [G3 the cache's trouble is not the caller's](guide::g3_trouble_is_not_the_callers) | a remote that is down, slow, full or corrupt costs a miss or a stale value | writes report it; a call's own requests take no longer than the timeout in all, but it may wait for another process's load as long as for its own |
//! | [G4 stale is bounded and declared](guide::g4_stale_is_declared) | nothing is served past `ttl + stale`; `get` is fresh or nothing, outcomes give the reason | `get_or_load` returns a stale value without saying so: `lookup_or_load` says it |
//! | [G5 isolation](guide::g5_isolation) | tenant, cache and key to stored key is injective | caches with one name in two programs are one cache, unless their prefixes differ |
//! | [G6 bounded](guide::g6_bounded) | near tier, operations in flight, length of keys and values, waiting removals; in one cache 16,384 loads and 65,536 callers who wait for them, above which a caller gets a stale value or [`LoadError::Overloaded`] | what loaders themselves use |
//! | [G7 no shared clock](guide::g7_no_shared_clock) | ages are differences of one server's times | after a restart of the server its values are stale at best |
//! | [G8 cancel-safe](guide::g8_cancel_safe) | any future may be dropped at any await; a panic of a loader is an error for its callers; one in a `Serialize`, a `Deserialize` or a weigher costs no more than the storing | one in a key's `Hash` or `Eq` ends the caller's task |
//! | [G9 rolling deploys](guide::g9_rolling_deploys) | a stored value that this program cannot read is a counted miss; with [versions](CacheBuilder::schema) declared, a load of the older program does not overwrite the newer one's value | `set` and `remove` always do |
//! | [G10 nothing foreign is touched](guide::g10_nothing_foreign) | only keys under the prefix are touched, and what a sweep frees is first recognised as larder's | whoever writes under the prefix by hand may lose what was written |

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
// Makes the labels of what a feature adds, where the documentation is built by nightly Rust.
#![cfg_attr(docsrs, feature(doc_cfg))]

/// The code in the README, which is compiled with the documentation's.
#[cfg(all(doctest, feature = "axum", feature = "macros"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(feature = "macros")]
#[doc(hidden)]
#[path = "macros/mod.rs"]
pub mod __private;
#[cfg(feature = "json")]
mod any;
mod batch;
#[cfg(feature = "blocking")]
#[cfg_attr(docsrs, doc(cfg(feature = "blocking")))]
pub mod blocking;
pub mod bounded;
mod cache;
pub mod config;
mod entry;
mod error;
mod gate;
pub mod global;
#[cfg(all(feature = "json", feature = "valkey"))]
pub mod guide;
mod health;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod http;
pub mod key;
mod larder;
mod load;
mod near;
mod options;
mod outcome;
pub mod remote;
mod sampling;
mod scope;
mod space;
pub mod sweep;
mod telemetry;
mod tenant;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod time;
mod unwind;
mod value;
#[cfg(any(feature = "blocking", feature = "macros"))]
mod wait;
#[doc(hidden)]
pub mod wire;

#[cfg(feature = "json")]
pub use any::{AnyCache, AnyLoadError};
pub use batch::{Batch, BatchError};
pub use cache::{BoundedBuilder, Cache, CacheBuilder, NearUsage, Warm, WarmProgress, Warmed};
pub use config::{Backend, Config, ConfigBuilder};
pub use entry::Entry;
pub use error::{BoundedError, Error};
pub use health::{CacheHealth, Health, NearTrust};
pub use key::CacheKey;
pub use larder::{Larder, LarderBuilder};
pub use load::{ForeignError, Load, LoadError, Loaded};
pub use near::{Evicted, NearCapacity};
pub use options::{Coherence, Refresh};
pub use outcome::{Found, Freshness, Outcome, Source, StaleReason};
pub use remote::{RemoteHealth, RemoteState};
pub use sampling::{MissRatioCurve, Recording, RecordingError};
pub use scope::Strength;
pub use sweep::{Erased, Removed, Sweep, SweepProgress};
pub use telemetry::CacheStats;
pub use tenant::{TenantHealth, TenantOptions};
pub use time::{Clock, MAX_TTL};
pub use value::{CacheValue, IntoValue};
pub use wire::Codec;

#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use __private::Invalidation;
#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use larder_macros::{cached, invalidates};
