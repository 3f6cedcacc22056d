//! A cache's memory in this process: what is in it, and how much of it would be enough.

use std::borrow::Borrow;
use std::sync::Arc;

use super::Cache;
use crate::key::CacheKey;
use crate::near::{NearCapacity, NearRef};
#[cfg(feature = "macros")]
use crate::options::Refresh;
use crate::sampling::{MissRatioCurve, Recording, RecordingError, Size};
use crate::value::CacheValue;

impl<K, V> Cache<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// The fresh value in this process's memory, counted as a hit where there is one. Where hits do more than
    /// that there is none.
    #[inline]
    pub(crate) fn near_value<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let tenant = self.tenant.as_ref().ok()?;
        let at = NearRef::new(tenant.as_ref(), key);
        if self.space.options.sliding {
            return None;
        }
        let stored = self.space.near_hit(&at)?;
        self.space
            .count(at.tenant, |counters| counters.near_hits.up());
        Some(stored.value)
    }

    /// [`near_value`](Self::near_value), unless it is time to load it anew.
    #[cfg(feature = "macros")]
    pub(crate) fn near_value_unless_due<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        if self.space.options.refresh == Refresh::Never {
            return self.near_value(key);
        }
        let tenant = self.tenant.as_ref().ok()?;
        let at = NearRef::new(tenant.as_ref(), key);
        let stored = self.space.near_again(&at)?;
        if self.space.options.sliding || self.space.is_due(&stored) {
            return None;
        }
        self.space.sampling.saw(at.hash64());
        self.space
            .count(at.tenant, |counters| counters.near_hits.up());
        Some(stored.value)
    }

    /// Changes the near tier's capacity, in its own unit: entries or bytes. What no longer fits is
    /// evicted. Without a near tier it does nothing.
    pub fn resize_near(&self, capacity: u64) {
        if let Some(near) = self.space.near_tier() {
            near.resize(capacity);
        }
    }

    /// How much the near tier holds.
    pub fn near_usage(&self) -> NearUsage {
        self.space.near_usage()
    }

    /// How the hit rate in memory would change with the near tier's capacity, by the lookups since the cache was
    /// opened, in this process and for all tenants. `None` for a cache that was opened without
    /// [`CacheBuilder::miss_ratio_curve`](crate::CacheBuilder::miss_ratio_curve).
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), larder::Error> {
    /// # let larder = larder::Larder::in_memory().await?;
    /// use larder::{Cache, NearCapacity};
    ///
    /// let pages: Cache<u64, String> = larder
    ///     .cache("pages")
    ///     .near(NearCapacity::Entries(50))
    ///     .miss_ratio_curve()
    ///     .build()?;
    /// for n in 0..1_000 {
    ///     let load = async || Ok::<_, std::convert::Infallible>(format!("page {n}"));
    ///     pages.get_or_load(&(n % 80), load).await.unwrap();
    /// }
    /// let curve = pages.miss_ratio_curve().expect("it was asked for");
    /// assert_eq!(curve.hit_rate(50), Some(0.0), "the least recently used is what comes next");
    /// assert_eq!(curve.hit_rate(100), Some(0.92), "all but the first round");
    /// println!("{curve}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn miss_ratio_curve(&self) -> Option<MissRatioCurve> {
        let (stats, usage) = (self.stats(), self.near_usage());
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        let mean_weight = match self.space.options.near {
            NearCapacity::Entries(_) | NearCapacity::Off => Some(1.0),
            NearCapacity::Bytes(_) => {
                (usage.entries > 0).then(|| usage.weight as f64 / usage.entries as f64)
            }
        };
        let size = Size {
            capacity: usage.capacity,
            mean_weight,
        };
        let lookups = stats.hits() + stats.misses();
        self.space.sampling.curve(lookups, size)
    }

    /// Records which keys are asked for, to find out with `larder simulate` which policy and how much room suit
    /// them: at most so many requests, for a share of the keys.
    ///
    /// Each request of a recorded key takes 16 bytes until the recording is dropped. All else costs a comparison.
    /// A share of 0.01 is enough where there are millions of keys; the simulation scales its capacities by it.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let larder = larder::Larder::in_memory().await?;
    /// # let users: larder::Cache<u64, String> = larder.cache("users").build()?;
    /// # let path = std::env::temp_dir().join(format!("users-{}.trace", std::process::id()));
    /// let recording = users.record(0.1, 1_000_000)?;
    /// // … an hour later:
    /// recording.write(std::io::BufWriter::new(std::fs::File::create(&path)?))?;
    /// # std::fs::remove_file(&path)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Where the share is not above 0 and at most 1, the number of requests not 1 to [`Recording::MOST`], or the cache is being
    /// recorded already.
    pub fn record(&self, share: f64, most: usize) -> Result<Recording, RecordingError> {
        self.space.sampling.record(share, most)
    }
}

/// How much a near tier holds. Weights are in the unit of its capacity: entries or bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearUsage {
    /// Entries held, expired ones that were not yet swept included.
    pub entries: u64,
    /// Their weight.
    pub weight: u64,
    /// The weight that they may have.
    pub capacity: u64,
    /// The heaviest entry that is taken.
    pub largest: u64,
}

impl NearUsage {
    /// Of two near tiers together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            weight: self.weight + other.weight,
            capacity: self.capacity + other.capacity,
            largest: self.largest.max(other.largest),
        }
    }
}
