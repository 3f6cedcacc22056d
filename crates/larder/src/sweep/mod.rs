//! Frees the server's memory of what was removed, a little at a time.
//!
//! To clear a tenant, a cache or everything is one write, however much there is: nobody is served any of it
//! from then on. The bytes stay on the server until a *sweep* has come by. It looks through the keys under
//! the larder's prefix in the background and frees those values of which a group was removed (a tag, a
//! tenant, a cache, everything), each only if it still is what was looked at: what is stored meanwhile is
//! never lost. What larder did not write is left alone. The server is held for well below a millisecond at
//! a time.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use larder::remote::MemoryRemote;
//! use larder::{Cache, Larder};
//!
//! let larder = Larder::builder().remote(MemoryRemote::new()).build().await?;
//! let users: Cache<u64, String> = larder.cache("users").build()?;
//! for id in 0..100 {
//!     users.tenant("acme").set(&id, "Ann").await?;
//! }
//!
//! let sweep = larder.tenant("acme").clear().await?; // nobody sees them from here on
//! let swept = sweep.finished().await?; // and here the server has their memory back
//! assert_eq!(swept.freed, 100);
//! # Ok(())
//! # }
//! ```
//!
//! The protocol is in `docs/decisions/0007-what-is-cleared-is-swept.md`.

mod erase;
mod free;
mod ledger;
mod look;
mod matching;
mod pattern;
mod range;
mod run;
mod sweeper;
mod walk;

use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::key::{NameError, Tenant};
use crate::space::{Shared, Space};

use look::Looker;
use run::{Ended, Run};

pub use erase::Erased;
pub(crate) use erase::Erasure;
pub(crate) use matching::Matching;
pub(crate) use pattern::Pattern;
pub(crate) use range::Range;
pub(crate) use sweeper::Sweeper;

/// A sweep: see [the module](self). Clones are of the same sweep.
///
/// Nobody needs to keep it: dropped, the sweep goes on. It ends at its end, or with the larder.
///
/// While the server is away it waits, and goes on where it was.
#[derive(Clone)]
pub struct Sweep(Arc<Run>);

/// How far a sweep is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepProgress {
    /// Keys looked at. What else is under the prefix may be among them.
    pub scanned: u64,
    /// Values freed.
    pub freed: u64,
    /// Their keys and their values as they were sent, in bytes. What the server itself needed for them
    /// comes on top.
    pub bytes: u64,
    /// Whether it has ended, if by its end or by the larder's.
    pub is_done: bool,
}

/// What a removal by pattern took: see [`Cache::remove_matching`](crate::Cache::remove_matching).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// Values that were removed: on the server, or in memory where there is none.
    pub values: u64,
    /// Loads under way that will not be stored. Those of keys that are stored under a hash are among
    /// them, whatever they read.
    pub loads: u64,
    /// Whether the whole cache was cleared, since the pattern is `*`, or the server did not answer in
    /// between. Then nothing was counted.
    pub is_whole: bool,
}

impl Sweep {
    /// How far it is now.
    pub fn progress(&self) -> SweepProgress {
        self.0.progress()
    }

    /// Waits for its end. A sweep that was asked for while another one ran begins after that.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), larder::Error> {
    /// let larder = larder::Larder::in_memory().await?;
    /// let sweep = larder.clear().await?;
    /// assert!(sweep.finished().await?.is_done);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Closed`] where the larder was closed or dropped before; [`Error::Remote`] where the
    /// server does not let larder look through its keys, or remove them.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing: the sweep goes on.
    pub async fn finished(&self) -> Result<SweepProgress, Error> {
        self.0.ended().await
    }

    fn ended(how: Ended) -> Self {
        let run = Run::default();
        run.end(how);
        Self(Arc::new(run))
    }

    /// A sweep of a tenant whose name cannot be.
    pub(crate) fn of_nobody(error: NameError) -> Self {
        Self::ended(Ended::Named(error))
    }
}

impl fmt::Debug for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sweep").field(&self.progress()).finish()
    }
}

impl Shared {
    /// Frees what is of no use any more in `range`.
    pub(crate) fn sweep(self: &Arc<Self>, range: Range) -> Sweep {
        if self.gate.is_closed() {
            return Sweep::ended(Ended::Closed);
        }
        // Without a server there is nothing to free: memory forgets at once.
        if self.recovery.is_none() {
            return Sweep::ended(Ended::Done);
        }
        self.sweeper.sweep(self, range)
    }
}

impl<K: std::hash::Hash + Eq, V> Space<K, V> {
    /// What a view of the cache covers on the server.
    pub(crate) fn range(&self, tenant: Option<&Tenant>) -> Range {
        let is_bounded = self.options.bounded.is_some();
        Range::Cache(tenant.cloned(), self.name.clone(), is_bounded)
    }

    /// The same, of a cache that may have no server.
    pub(crate) fn sweep(&self, range: Range) -> Sweep {
        if self.server.is_none() {
            return Sweep::ended(Ended::Done);
        }
        self.shared.sweep(range)
    }
}
