//! A cache's options.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::bounded::{Bounded, Eviction};
use crate::error::Error;
use crate::key::Tag;
use crate::near::{NearCapacity, OnEvicted};
use crate::outcome::Outcome;
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

    /// Shortened at random by up to `share` of the TTL, so that values that were stored together do
    /// not expire together.
    pub(crate) fn jittered(self, share: f64) -> Self {
        if share == 0.0 {
            return self;
        }
        let cut = self.ttl.mul_f64(share * random());
        Self {
            ttl: whole(self.ttl.saturating_sub(cut)),
            stale: self.stale,
        }
    }

    /// With one call's own times in place of the cache's, cut to what is allowed.
    pub(crate) fn with(self, ttl: Option<Duration>, stale: Option<Duration>) -> Self {
        Self {
            ttl: whole(ttl.unwrap_or(self.ttl).min(MAX_TTL)),
            stale: whole(stale.unwrap_or(self.stale).min(MAX_TTL)),
        }
    }
}

/// From 0 to below 1.
pub(crate) fn random() -> f64 {
    let bits = getrandom::u64().unwrap_or_default() >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let share = bits as f64 / (1_u64 << 53) as f64;
    share
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

/// How one call is to be served.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(crate) struct Call {
    pub(crate) lifetime: Lifetime,
    /// Whether the call chose its TTL, so that the value does not.
    pub(crate) own_ttl: bool,
    /// Whether the near tier may answer.
    pub(crate) near: bool,
    /// Whether the server is looked at and filled.
    pub(crate) remote: bool,
    /// Whether what is found or loaded may be kept.
    pub(crate) store: bool,
    /// Whether the loader runs even where a fresh value is at hand.
    pub(crate) force: bool,
    /// How long past its TTL a stale value will do.
    pub(crate) max_stale: Option<Duration>,
    /// Whether a miss counts: not where the caller counts what its lookups come to.
    pub(crate) counts: bool,
    /// What a value that the call stores has in common with others.
    pub(crate) tags: Arc<[Tag]>,
}

impl Call {
    pub(crate) fn new(lifetime: Lifetime) -> Self {
        Self {
            lifetime,
            own_ttl: false,
            near: true,
            remote: true,
            store: true,
            force: false,
            max_stale: None,
            counts: true,
            tags: Arc::default(),
        }
    }

    /// Whether an answer is not staler than the caller takes.
    pub(crate) fn takes(&self, outcome: &Outcome) -> bool {
        // What nobody vouches for may be within its TTL. Zero takes none of that either.
        let enough = |most: Duration| !most.is_zero() && outcome.past_ttl <= most;
        outcome.freshness.is_fresh() || self.max_stale.is_none_or(enough)
    }
}

/// When a value is loaded again before its TTL ends, so that nobody waits for it.
///
/// The load runs in the background, begun by a caller of
/// [`get_or_spawn`](crate::Cache::get_or_spawn), whose loader can outlive the call; one process of
/// the fleet does it at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Refresh {
    /// Not before it has expired.
    #[default]
    Never,
    /// Once this share of its TTL has passed, above 0 and below 1.
    After(f64),
    /// At random, the likelier the nearer its end is and the longer the load took (`XFetch`, by
    /// Vattani, Chierichetti and Lowenstein, 2015). The factor is usually 1; above it, earlier.
    ByCost(f64),
}

/// How the near tiers of several processes stay in step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coherence {
    /// The server tells of each change. A near entry is believed while the server answers on the
    /// connection that it tells on: within a second of its last answer. Where it does not answer,
    /// or may not be asked to tell, the entry is asked for again;
    /// [`Health::near`](crate::Health::near) says why.
    ///
    /// After its own write a process reads the key once from the server, which tells it of that too.
    ///
    /// A remote that has no pushes is treated as by `Ttl` of one second.
    #[default]
    Pushed,
    /// A near entry is taken at its word for this long, and then asked for again at the server.
    /// So a value that another process removed or replaced may be served for this long at most, also
    /// where the server does not tell of it.
    Ttl(Duration),
    /// A near entry is taken at its word as long as it is fresh. Another process's write may not be
    /// seen before, where the server does not tell of it.
    Off,
}

/// How long a loader may take, unless the cache says otherwise.
pub(crate) const LOAD_TIMEOUT: Duration = Duration::from_mins(5);

/// Says what an entry weighs, in bytes.
pub(crate) type Weigher<K, V> = Arc<dyn Fn(&K, &V) -> u64 + Send + Sync>;

/// Says how long a value is fresh, where it is another time than the cache's.
pub(crate) type TtlBy<V> = Arc<dyn Fn(&V) -> Option<Duration> + Send + Sync>;

/// The user's code that a cache calls.
pub(crate) struct Callbacks<K, V> {
    pub(crate) weigher: Option<Weigher<K, V>>,
    pub(crate) ttl_by: Option<TtlBy<V>>,
    pub(crate) on_evicted: Option<OnEvicted<K, V>>,
}

impl<K, V> Default for Callbacks<K, V> {
    fn default() -> Self {
        Self {
            weigher: None,
            ttl_by: None,
            on_evicted: None,
        }
    }
}

/// Everything about a cache that its opener chooses, types aside.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(crate) struct Options {
    pub(crate) lifetime: Lifetime,
    /// Whether the opener chose them, so that a tenant's own do not count.
    pub(crate) own_ttl: bool,
    pub(crate) own_stale: bool,
    pub(crate) codec: Option<Codec>,
    pub(crate) schema: Option<u32>,
    pub(crate) near: NearCapacity,
    pub(crate) eviction: Eviction,
    pub(crate) coherence: Coherence,
    /// How long callers wait for a load before a stale value will do.
    pub(crate) soft_timeout: Option<Duration>,
    /// How long a loader may take.
    pub(crate) load_timeout: Duration,
    /// How long the server may take before a stale value will do.
    pub(crate) remote_soft_timeout: Option<Duration>,
    /// How long a key is left in peace after its load failed.
    pub(crate) pause: Duration,
    /// How long errors of these types count.
    pub(crate) cached_errors: Vec<(TypeId, Duration)>,
    /// By which share a TTL is shortened at random.
    pub(crate) jitter: f64,
    pub(crate) refresh: Refresh,
    /// Whether hits prolong a value's life.
    pub(crate) sliding: bool,
    /// Whether the value says how long it is fresh.
    pub(crate) has_ttl_by: bool,
    pub(crate) memory_only: bool,
    pub(crate) has_weigher: bool,
    pub(crate) has_listener: bool,
    /// Whether it is found out how the hit rate depends on the near tier's size.
    pub(crate) has_curve: bool,
    /// How much the server may hold of it.
    pub(crate) bounded: Option<Bounded>,
}

impl Options {
    /// Whether a cache that is open with these is what was asked for. Who opened it first has said whether
    /// its times were chosen.
    pub(crate) fn suit(&self, asked: &Self) -> bool {
        *self
            == Self {
                own_ttl: self.own_ttl,
                own_stale: self.own_stale,
                ..asked.clone()
            }
    }

    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        if self.memory_only && self.near == NearCapacity::Off {
            return Err(Error::NoTier {
                name: name.to_owned(),
            });
        }
        let share = match self.refresh {
            Refresh::After(share) if !(share > 0.0 && share < 1.0) => {
                Some(("refresh after a share", share, "above 0 and below 1"))
            }
            Refresh::ByCost(factor) if !(factor > 0.0 && factor.is_finite()) => {
                Some(("refresh by cost with a factor", factor, "above 0"))
            }
            _ if !(0.0..1.0).contains(&self.jitter) => {
                Some(("jitter", self.jitter, "from 0 to below 1"))
            }
            _ => None,
        };
        if let Some((what, value, allowed)) = share {
            return Err(Error::OutOfRange {
                name: name.to_owned(),
                what,
                value: value.to_string(),
                allowed,
            });
        }
        if self.load_timeout.is_zero() {
            return Err(Error::OutOfRange {
                name: name.to_owned(),
                what: "load_timeout",
                value: "0 s".to_owned(),
                allowed: "a positive time",
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
        if self.eviction != Eviction::Default {
            write!(f, ", eviction {}", self.eviction)?;
        }
        if self.has_weigher {
            f.write_str(", a weigher")?;
        }
        if self.has_listener {
            f.write_str(", a listener of evictions")?;
        }
        if self.has_curve {
            f.write_str(", a miss ratio curve")?;
        }
        if let Some(bounded) = self.bounded {
            write!(f, ", {bounded}")?;
        }
        Ok(())
    }
}
