//! A cache's options.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::near::NearCapacity;
use crate::time::MAX_TTL;
use crate::wire::Codec;

/// How long a value may be served, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// Within it, the value is fresh. Zero: it is not stored.
    pub(crate) ttl: Duration,
    /// How long beyond it may be served, declared as stale.
    pub(crate) stale: Duration,
}

impl Lifetime {
    pub(crate) fn total(self) -> Duration {
        self.ttl + self.stale
    }

    /// With one call's own times in place of the cache's, cut to what is allowed.
    pub(crate) fn with(self, ttl: Option<Duration>, stale: Option<Duration>) -> Self {
        Self {
            ttl: whole(ttl.unwrap_or(self.ttl).min(MAX_TTL)),
            stale: whole(stale.unwrap_or(self.stale).min(MAX_TTL)),
        }
    }
}

/// Rounded up to whole milliseconds, so that no positive time becomes none.
fn whole(time: Duration) -> Duration {
    let part = time.subsec_nanos() % 1_000_000;
    if part == 0 {
        time
    } else {
        time + Duration::from_nanos(u64::from(1_000_000 - part))
    }
}

/// How near tiers of several processes stay in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coherence {
    /// A near entry is taken at its word for this long, and then asked for again at the server.
    /// So a value that another process removed or replaced may be served for this long at most.
    Ttl(Duration),
}

impl Default for Coherence {
    /// One second.
    fn default() -> Self {
        Self::Ttl(Duration::from_secs(1))
    }
}

/// Says what an entry weighs, in bytes.
pub(crate) type Weigher<K, V> = Arc<dyn Fn(&K, &V) -> u64 + Send + Sync>;

/// Everything about a cache that its opener chooses, types aside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) lifetime: Lifetime,
    pub(crate) codec: Option<Codec>,
    pub(crate) schema: Option<u32>,
    pub(crate) near: NearCapacity,
    pub(crate) coherence: Coherence,
    pub(crate) memory_only: bool,
    pub(crate) has_weigher: bool,
}

impl Options {
    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        if self.memory_only && self.near == NearCapacity::Off {
            return Err(Error::NoTier {
                name: name.to_owned(),
            });
        }
        for (what, value) in [("ttl", self.lifetime.ttl), ("stale", self.lifetime.stale)] {
            if value > MAX_TTL {
                return Err(Error::TooLong {
                    name: name.to_owned(),
                    what,
                    value,
                    max: MAX_TTL,
                });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ttl {:?}, stale {:?}, near {:?}, {:?}",
            self.lifetime.ttl, self.lifetime.stale, self.near, self.coherence
        )?;
        if let Some(codec) = self.codec {
            write!(f, ", codec {codec:?}")?;
        }
        if let Some(schema) = self.schema {
            write!(f, ", schema {schema}")?;
        }
        if self.memory_only {
            f.write_str(", memory only")?;
        }
        if self.has_weigher {
            f.write_str(", a weigher")?;
        }
        Ok(())
    }
}
