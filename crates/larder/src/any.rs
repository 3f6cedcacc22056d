//! Caches whose values may be of any type, chosen at each call.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::cache::Cache;
use crate::error::Error;
use crate::key::{AnyKey, CacheKey, KeyError};
use crate::larder::Larder;
use crate::load::{LoadError, catch_panic};
use crate::outcome::Found;
use crate::space::Space;
use crate::telemetry::CacheStats;
use crate::unwind::caught;
use crate::wire::Codec;

/// A cache whose keys and values may be of any type, chosen at each call.
///
/// Values are kept as JSON, in memory too, and decoded at each hit: convenient for a few odd
/// values, where a typed [`Cache`] would be faster and would tell a mistake when it is compiled. A
/// value that does not decode as the type asked for is a miss.
///
/// Every larder has two: [`Larder::memory`] and [`Larder::persistent`].
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let larder = larder::Larder::in_memory().await?;
/// let cache = larder.persistent()?;
/// cache.set("limit", &10_u32).await?;
/// cache.set(&("page", 2), &vec!["a", "b"]).await?;
/// assert_eq!(cache.get::<u32, _>("limit").await, Some(10));
/// assert_eq!(cache.get::<Vec<String>, _>(&("page", 2)).await.unwrap_or_default().len(), 2);
/// assert_eq!(cache.get::<bool, _>("limit").await, None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AnyCache {
    cache: Cache<AnyKey, Box<RawValue>>,
    ttl: Option<Duration>,
}

impl Larder {
    /// The cache `memory`: in the memory of this process only, with the configuration's TTL for
    /// such caches (300 s by default).
    ///
    /// # Errors
    /// Where a typed cache was opened under this name.
    pub fn memory(&self) -> Result<AnyCache, Error> {
        self.any("memory", true)
    }

    /// The cache `persistent`: on the server where one is configured, else in memory, with the
    /// configuration's TTL (3,600 s by default on a server).
    ///
    /// # Errors
    /// Where a typed cache was opened under this name.
    pub fn persistent(&self) -> Result<AnyCache, Error> {
        self.any("persistent", false)
    }

    fn any(&self, name: &str, memory_only: bool) -> Result<AnyCache, Error> {
        let builder = self.cache(name).codec(Codec::Json);
        let builder = if memory_only {
            builder.memory_only()
        } else {
            builder.ttl(self.config().remote_ttl)
        };
        Ok(AnyCache {
            cache: builder.build()?,
            ttl: None,
        })
    }
}

impl AnyCache {
    /// A view of one tenant's keys, as [`Cache::tenant`].
    #[must_use]
    pub fn tenant(&self, name: impl AsRef<str>) -> Self {
        Self {
            cache: self.cache.tenant(name),
            ttl: self.ttl,
        }
    }

    /// The same cache, with another TTL for what is stored through this handle.
    #[must_use]
    pub fn ttl(&self, ttl: Duration) -> Self {
        Self {
            cache: self.cache.clone(),
            ttl: Some(ttl),
        }
    }

    /// The value under `key` as a `V`, if there is one within its TTL.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn get<V: DeserializeOwned, Q: CacheKey + ?Sized>(&self, key: &Q) -> Option<V> {
        let key = AnyKey::new(key).ok()?;
        decode(&self.cache.get(&key).await?).ok()
    }

    /// The value under `key` as a `V`, with its source, freshness and age; also a stale one, as
    /// [`Cache::lookup`].
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn lookup<V: DeserializeOwned, Q: CacheKey + ?Sized>(
        &self,
        key: &Q,
    ) -> Option<Found<V>> {
        let raw = self.cache.lookup(&AnyKey::new(key).ok()?).await?;
        Some(Found::new(Arc::new(decode(&raw).ok()?), raw.outcome))
    }

    /// Stores `value` under `key`.
    ///
    /// # Errors
    /// As [`Cache::set`]; also where the value cannot be written as JSON.
    ///
    /// # Cancel safety
    /// As [`Cache::set`].
    pub async fn set<V, Q>(&self, key: &Q, value: &V) -> Result<(), Error>
    where
        V: Serialize + ?Sized,
        Q: CacheKey + ?Sized,
    {
        let any = AnyKey::new(key)?;
        let raw = encode(value).map_err(|message| Error::Json {
            key: any.to_string(),
            message,
        })?;
        self.entry(&any).set(raw).await
    }

    /// Removes the value under `key`; whether there was one.
    ///
    /// # Errors
    /// As [`Cache::remove`].
    ///
    /// # Cancel safety
    /// As [`Cache::remove`].
    pub async fn remove<Q: CacheKey + ?Sized>(&self, key: &Q) -> Result<bool, Error> {
        self.cache.remove(&AnyKey::new(key)?).await
    }

    /// Whether there is a value under `key`, of whatever type.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn exists<Q: CacheKey + ?Sized>(&self, key: &Q) -> bool {
        match AnyKey::new(key) {
            Ok(key) => self.cache.exists(&key).await,
            Err(_) => false,
        }
    }

    /// How much longer the value under `key` is fresh.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn ttl_left<Q: CacheKey + ?Sized>(&self, key: &Q) -> Option<Duration> {
        self.cache.ttl_left(&AnyKey::new(key).ok()?).await
    }

    /// The value under `key`, loaded where there is none, as [`Cache::get_or_load`].
    ///
    /// # Errors
    /// [`LoadError::Loader`] with [`AnyLoadError`]: the loader's error, or a value that JSON
    /// cannot hold, or a stored one that is no `V`.
    ///
    /// # Cancel safety
    /// As [`Cache::get_or_load`].
    pub async fn get_or_load<V, Q, L, F, E>(
        &self,
        key: &Q,
        loader: L,
    ) -> Result<V, LoadError<AnyLoadError<E>>>
    where
        V: Serialize + DeserializeOwned,
        Q: CacheKey + ?Sized,
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
        E: Display + Send + Sync + 'static,
    {
        decode_loaded(&self.raw_or_load(key, loader).await?)
    }

    /// [`get_or_load`](Self::get_or_load), with source, freshness and age beside the value.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Cancel safety
    /// As [`Cache::get_or_load`].
    pub async fn lookup_or_load<V, Q, L, F, E>(
        &self,
        key: &Q,
        loader: L,
    ) -> Result<Found<V>, LoadError<AnyLoadError<E>>>
    where
        V: Serialize + DeserializeOwned,
        Q: CacheKey + ?Sized,
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
        E: Display + Send + Sync + 'static,
    {
        let raw = self.raw_or_load(key, loader).await?;
        Ok(Found::new(Arc::new(decode_loaded(&raw)?), raw.outcome))
    }

    /// [`get_or_load`](Self::get_or_load) in a task of its own, as [`Cache::get_or_spawn`].
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Cancel safety
    /// Dropped while it loads, the load goes on in the background.
    pub async fn get_or_spawn<V, Q, L, F, E>(
        &self,
        key: &Q,
        loader: L,
    ) -> Result<V, LoadError<AnyLoadError<E>>>
    where
        V: Serialize + DeserializeOwned + 'static,
        Q: CacheKey + ?Sized,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        decode_loaded(&self.raw_or_spawn(key, loader).await?)
    }

    /// [`get_or_spawn`](Self::get_or_spawn), with source, freshness and age beside the value.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Cancel safety
    /// Dropped while it loads, the load goes on in the background.
    pub async fn lookup_or_spawn<V, Q, L, F, E>(
        &self,
        key: &Q,
        loader: L,
    ) -> Result<Found<V>, LoadError<AnyLoadError<E>>>
    where
        V: Serialize + DeserializeOwned + 'static,
        Q: CacheKey + ?Sized,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        let raw = self.raw_or_spawn(key, loader).await?;
        Ok(Found::new(Arc::new(decode_loaded(&raw)?), raw.outcome))
    }

    /// What this cache has counted in this process.
    pub fn stats(&self) -> CacheStats {
        self.cache.stats()
    }

    #[cfg(feature = "blocking")]
    pub(crate) fn counters(&self) -> &crate::telemetry::Counters {
        self.cache.counters()
    }

    fn entry<'a>(
        &'a self,
        key: &'a AnyKey,
    ) -> crate::entry::Entry<'a, AnyKey, Box<RawValue>, AnyKey> {
        let entry = self.cache.entry(key);
        match self.ttl {
            Some(ttl) => entry.ttl(ttl),
            None => entry,
        }
    }

    async fn raw_or_load<V, Q, L, F, E>(&self, key: &Q, loader: L) -> Loaded<E>
    where
        V: Serialize,
        Q: CacheKey + ?Sized,
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
        E: Display + Send + Sync + 'static,
    {
        match AnyKey::new(key) {
            Ok(key) => self.entry(&key).lookup_or_load(|| load(loader)).await,
            Err(error) => unstored(&error, loader).await,
        }
    }

    async fn raw_or_spawn<V, Q, L, F, E>(&self, key: &Q, loader: L) -> Loaded<E>
    where
        V: Serialize + 'static,
        Q: CacheKey + ?Sized,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        match AnyKey::new(key) {
            Ok(key) => self.entry(&key).lookup_or_spawn(|| load(loader)).await,
            Err(error) => unstored(&error, loader).await,
        }
    }
}

/// What a load brings, before it is decoded as the type asked for.
type Loaded<E> = Result<Found<Box<RawValue>>, LoadError<AnyLoadError<E>>>;

async fn load<V, F, E>(loader: impl FnOnce() -> F) -> Result<Box<RawValue>, AnyLoadError<E>>
where
    V: Serialize,
    F: Future<Output = Result<V, E>>,
{
    let value = loader().await.map_err(AnyLoadError::Loader)?;
    encode(&value).map_err(AnyLoadError::Json)
}

/// A key that cannot be stored keeps nobody from the value.
async fn unstored<V, F, E>(error: &KeyError, loader: impl FnOnce() -> F) -> Loaded<E>
where
    V: Serialize,
    F: Future<Output = Result<V, E>>,
{
    tracing::debug!(target: "larder::load", %error, "a key that cannot be stored");
    match catch_panic(|| load(loader)).await {
        Ok(Ok(raw)) => Ok(Space::<AnyKey, _>::loaded(Arc::new(raw), Duration::ZERO)),
        Ok(Err(error)) => Err(LoadError::Loader(Arc::new(error))),
        Err(message) => Err(LoadError::Panicked(message)),
    }
}

/// The value's JSON. What its `Serialize` says where it fails or panics is the error, as in a
/// typed cache.
fn encode<V: Serialize + ?Sized>(value: &V) -> Result<Box<RawValue>, String> {
    match caught(|| serde_json::value::to_raw_value(value)) {
        Ok(encoded) => encoded.map_err(|error| error.to_string()),
        Err(message) => Err(format!("its `Serialize` panicked: {message}")),
    }
}

fn decode<V: DeserializeOwned>(raw: &RawValue) -> Result<V, String> {
    match caught(|| serde_json::from_str(raw.get())) {
        Ok(decoded) => decoded.map_err(|error| error.to_string()),
        Err(message) => Err(format!("its `Deserialize` panicked: {message}")),
    }
}

fn decode_loaded<V: DeserializeOwned, E>(raw: &RawValue) -> Result<V, LoadError<AnyLoadError<E>>> {
    decode(raw).map_err(|message| LoadError::Loader(Arc::new(AnyLoadError::Json(message))))
}

/// Why a load through an [`AnyCache`] brought no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnyLoadError<E> {
    /// The loader's error.
    Loader(E),
    /// The value cannot be written as JSON, or the stored one is not of the type asked for.
    Json(String),
}

impl<E: Display> Display for AnyLoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loader(error) => Display::fmt(error, f),
            Self::Json(message) => write!(f, "not the value's JSON: {message}"),
        }
    }
}

impl<E: fmt::Debug + Display> std::error::Error for AnyLoadError<E> {}
