//! `#[larder::cached]`, and the same call by hand: a handle that is kept in a static, and a loader.

use std::fmt::{self, Display};
use std::sync::{Arc, OnceLock};

use larder::{Cache, Larder, LoadError, NearCapacity, cached, global};

use super::CAPACITY;
use super::subject::{Near, Payload};
use crate::Failure;

/// All that is asked for is there, so no function and no loader runs.
#[derive(Clone, Debug)]
struct Missing;

impl Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value is not in memory")
    }
}

impl From<LoadError<Self>> for Missing {
    fn from(_: LoadError<Self>) -> Self {
        Self
    }
}

#[cached(ttl = "1h", options = |cache| cache.near(NearCapacity::Entries(CAPACITY as u64)))]
async fn by_int(key: u64) -> Result<Arc<Payload>, Missing> {
    let _ = key;
    std::future::ready(Err(Missing)).await
}

#[cached(ttl = "1h", options = |cache| cache.near(NearCapacity::Entries(CAPACITY as u64)))]
async fn by_string(key: &str) -> Result<Arc<Payload>, Missing> {
    let _ = key;
    std::future::ready(Err(Missing)).await
}

#[cached(
    ttl = "1h",
    key = "{key}",
    options = |cache| cache.near(NearCapacity::Entries(CAPACITY as u64))
)]
async fn by_template(key: &str) -> Result<Arc<Payload>, Missing> {
    let _ = key;
    std::future::ready(Err(Missing)).await
}

static INTS: OnceLock<Cache<u64, Payload>> = OnceLock::new();
static STRINGS: OnceLock<Cache<String, Payload>> = OnceLock::new();

async fn int_by_hand(key: u64) -> Result<Arc<Payload>, LoadError<Missing>> {
    let cache = INTS.get().ok_or(LoadError::Overloaded)?;
    cache.get_or_load(&key, || async { Err(Missing) }).await
}

async fn string_by_hand(key: &str) -> Result<Arc<Payload>, LoadError<Missing>> {
    let cache = STRINGS.get().ok_or(LoadError::Overloaded)?;
    cache.get_or_load(key, || async { Err(Missing) }).await
}

async fn installed() -> Result<Larder, Failure> {
    if global::handle().is_none() {
        global::install(Larder::in_memory().await?)?;
    }
    Ok(global::handle().ok_or("no larder is installed")?)
}

/// A subject of one function, which stores with its cache's own `set`.
macro_rules! subject {
    ($subject:ident, $name:literal, $key:ty, $cache:expr, |$asked:ident| $call:expr) => {
        impl Near<$key> for $subject {
            const NAME: &'static str = $name;
            type Hit = Arc<Payload>;

            async fn open(_capacity: usize) -> Result<Self, Failure> {
                installed().await?;
                Ok(Self)
            }

            async fn put(&self, key: $key, value: Payload) -> Result<(), Failure> {
                Ok($cache.set(&key, value).await?)
            }

            async fn get(&self, $asked: &$key) -> Option<Arc<Payload>> {
                $call.await.ok()
            }

            async fn settle(&self) -> Result<usize, Failure> {
                Ok($cache.near_usage().entries as usize)
            }
        }
    };
}

/// `get_or_load` on a handle in a static.
pub(super) struct ByHand;
/// The macro, whose key its argument is.
pub(super) struct Macro;
/// The macro, whose key a template makes.
pub(super) struct Template;

fn kept<K: larder::CacheKey + Clone + 'static>(
    place: &'static OnceLock<Cache<K, Payload>>,
    name: &str,
) -> Result<&'static Cache<K, Payload>, Failure> {
    if let Some(cache) = place.get() {
        return Ok(cache);
    }
    let larder = global::handle().ok_or("no larder is installed")?;
    let cache = larder.cache(name).ttl(std::time::Duration::from_hours(1));
    let cache = cache.near(NearCapacity::Entries(CAPACITY as u64)).build()?;
    Ok(place.get_or_init(|| cache))
}

subject!(ByHand, "by-hand", u64, kept(&INTS, "ints")?, |key| {
    int_by_hand(*key)
});
subject!(
    ByHand,
    "by-hand",
    String,
    kept(&STRINGS, "strings")?,
    |key| string_by_hand(key)
);
subject!(Macro, "larder-macro", u64, by_int_cache()?, |key| by_int(
    *key
));
subject!(Macro, "larder-macro", String, by_string_cache()?, |key| {
    by_string(key)
});
subject!(
    Template,
    "larder-template",
    String,
    by_template_cache()?,
    |key| by_template(key)
);
