//! What a cache did in a part of a test.

use std::fmt;
use std::time::{Duration, Instant};

use crate::cache::Cache;
use crate::key::CacheKey;
use crate::telemetry::CacheStats;
use crate::value::CacheValue;

/// How long [`Tally::until`] waits. In a test that passes nothing waits for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// What counts its hits and loads: a cache.
pub trait Counts: Sync {
    /// What it has counted.
    fn counted(&self) -> CacheStats;
}

impl<K, V> Counts for Cache<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    fn counted(&self) -> CacheStats {
        self.stats()
    }
}

#[cfg(feature = "json")]
impl Counts for crate::AnyCache {
    fn counted(&self) -> CacheStats {
        self.stats()
    }
}

#[cfg(feature = "blocking")]
impl<K, V> Counts for crate::blocking::Cache<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    fn counted(&self) -> CacheStats {
        self.stats()
    }
}

#[cfg(all(feature = "blocking", feature = "json"))]
impl Counts for crate::blocking::AnyCache {
    fn counted(&self) -> CacheStats {
        self.stats()
    }
}

/// What a cache did since the tally began: to assert hits and loads in a test. What fails says all that
/// was counted.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let larder = larder::Larder::in_memory().await?;
/// # let users: larder::Cache<u64, String> = larder.cache("users").build()?;
/// use larder::testing::Tally;
///
/// let tally = Tally::of(&users);
/// for _ in 0..3 {
///     users.get_or_load(&42, || async { Ok::<_, std::io::Error>("Ann".to_owned()) }).await?;
/// }
/// tally.assert_loads(1).assert_hits(2);
/// # Ok(())
/// # }
/// ```
#[must_use = "a tally asserts nothing by itself"]
pub struct Tally<'a> {
    cache: &'a dyn Counts,
    began: CacheStats,
}

/// Assertions, one for each counter.
macro_rules! assertions {
    ($($(#[doc = $doc:literal])+ $name:ident: $what:literal = $of:expr;)+) => {$(
        $(#[doc = $doc])+
        ///
        /// # Panics
        /// Where there were more or fewer.
        #[track_caller]
        pub fn $name(&self, expected: u64) -> &Self {
            self.assert($what, expected, $of)
        }
    )+};
}

impl<'a> Tally<'a> {
    /// Begins now.
    pub fn of(cache: &'a impl Counts) -> Self {
        Self {
            cache,
            began: cache.counted(),
        }
    }

    /// What was counted since it began.
    pub fn counted(&self) -> CacheStats {
        self.cache.counted().since(&self.began)
    }

    /// Asserts any counter, or a sum of them; `what` is what the message calls it.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), larder::Error> {
    /// # let larder = larder::Larder::in_memory().await?;
    /// # let users: larder::Cache<u64, String> = larder.cache("users").build()?;
    /// # let tally = larder::testing::Tally::of(&users);
    /// tally.assert("misses of a server in trouble", 0, |counted| counted.misses_remote_unavailable);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// Where there were more or fewer.
    #[track_caller]
    pub fn assert(&self, what: &str, expected: u64, of: impl FnOnce(&CacheStats) -> u64) -> &Self {
        let counted = self.counted();
        let there_were = of(&counted);
        assert!(
            there_were == expected,
            "{what}: expected {expected}, and there were {there_were}; counted since the tally began: {}",
            NotZero(&counted)
        );
        self
    }

    assertions! {
        /// Asserts how many loads were begun.
        assert_loads: "loads" = |counted| counted.loads;
        /// Asserts how many loads ended in an error or a panic.
        assert_load_failures: "loads that failed" = |counted| counted.load_failures;
        /// Asserts how many lookups were answered from a tier, stale or not.
        assert_hits: "hits" = CacheStats::hits;
        /// Asserts how many lookups were answered from memory.
        assert_near_hits: "hits in memory" = |counted| counted.near_hits;
        /// Asserts how many lookups were answered from the server.
        assert_remote_hits: "hits on the server" = |counted| counted.remote_hits;
        /// Asserts how many lookups were answered with a stale value.
        assert_stale_hits: "stale hits" = CacheStats::stale_hits;
        /// Asserts how many lookups found nothing.
        assert_misses: "misses" = CacheStats::misses;
    }

    /// Waits until what was counted is as it should be. For what happens in the background, such as the
    /// storing of a loaded value on the server, or a refresh.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use larder::testing::{FaultyRemote, Tally};
    /// # let larder = larder::Larder::builder().remote(FaultyRemote::new()).build().await?;
    /// # let users: larder::Cache<u64, String> = larder.cache("users").build()?;
    /// let tally = Tally::of(&users);
    /// users.get_or_load(&42, || async { Ok::<_, std::io::Error>("Ann".to_owned()) }).await?;
    /// tally.until("the value is on the server", |counted| counted.fills == 1).await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// Where that is not so within ten seconds.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn until(&self, what: &str, condition: impl Fn(&CacheStats) -> bool) {
        let began = Instant::now();
        loop {
            let counted = self.counted();
            if condition(&counted) {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "not within {PATIENCE:?}: {what}; counted since the tally began: {}",
                NotZero(&counted)
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl fmt::Debug for Tally<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tally({})", NotZero(&self.counted()))
    }
}

/// The counters that are not zero.
struct NotZero<'a>(&'a CacheStats);

impl fmt::Display for NotZero<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut is_first = true;
        for (name, count) in self.0.named().into_iter().filter(|(_, count)| *count > 0) {
            write!(f, "{}{name} {count}", if is_first { "" } else { ", " })?;
            is_first = false;
        }
        if is_first {
            f.write_str("nothing")?;
        }
        Ok(())
    }
}
