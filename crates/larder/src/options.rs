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

/// How the near tiers of several processes stay in step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coherence {
    /// The server tells of each change. A near entry is believed while the server answers on the
    /// connection that it tells on: within a second of its last answer. Where it does not answer,
    /// or cannot tell, the entry is asked for again.
    ///
    /// A remote that has no pushes is treated as by `Ttl` of one second.
    #[default]
    Pushed,
    /// A near entry is taken at its word for this long, and then asked for again at the server.
    /// So a value that another process removed or replaced may be served for this long at most.
    Ttl(Duration),
    /// A near entry is taken at its word as long as it is fresh. Another process's writes are not
    /// seen before.
    Off,
}

/// How long a loader may take, unless the cache says otherwise.
pub(crate) const LOAD_TIMEOUT: Duration = Duration::from_mins(5);

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
    /// How long callers wait for a load before a stale value will do.
    pub(crate) soft_timeout: Option<Duration>,
    /// How long a loader may take.
    pub(crate) load_timeout: Duration,
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
