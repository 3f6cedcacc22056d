//! `get`, `set`, `remove` and `exists`, each with an optional tenant and TTL.

use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::handle;
use crate::any::AnyCache;
use crate::error::Error;
use crate::key::{AnyKey, CacheKey, KeyError};

/// The value under `key` as a `V`; awaited, an `Option<V>`.
pub fn get<V: DeserializeOwned>(key: &(impl CacheKey + ?Sized)) -> Call<Get<V>> {
    Call::new(key, Get(PhantomData))
}

/// Stores `value` under `key`; awaited, a `Result<(), Error>`.
pub fn set<'a, V: Serialize + Sync + ?Sized>(
    key: &(impl CacheKey + ?Sized),
    value: &'a V,
) -> Call<Set<'a, V>> {
    Call::new(key, Set(value))
}

/// Removes what is under `key`; awaited, a `Result<bool, Error>`: whether there was something.
pub fn remove(key: &(impl CacheKey + ?Sized)) -> Call<Remove> {
    Call::new(key, Remove)
}

/// Whether there is a value under `key`; awaited, a `bool`.
pub fn exists(key: &(impl CacheKey + ?Sized)) -> Call<Exists> {
    Call::new(key, Exists)
}

/// One call on the process-wide cache. Await it, after giving it a tenant or a TTL if wanted.
#[derive(Clone, Debug)]
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<Op> {
    key: Result<AnyKey, KeyError>,
    tenant: Option<String>,
    ttl: Option<Duration>,
    op: Op,
}

/// What [`get`] does.
#[derive(Clone, Debug)]
pub struct Get<V>(PhantomData<fn() -> V>);
/// What [`set`] does.
#[derive(Clone, Debug)]
pub struct Set<'a, V: ?Sized>(&'a V);
/// What [`remove`] does.
#[derive(Clone, Debug)]
pub struct Remove;
/// What [`exists`] does.
#[derive(Clone, Debug)]
pub struct Exists;

impl<Op> Call<Op> {
    fn new(key: &(impl CacheKey + ?Sized), op: Op) -> Self {
        Self {
            key: AnyKey::new(key),
            tenant: None,
            ttl: None,
            op,
        }
    }

    /// Whose key it is.
    pub fn tenant(mut self, name: impl Into<String>) -> Self {
        self.tenant = Some(name.into());
        self
    }

    fn cache(&self) -> Result<AnyCache, Error> {
        let mut cache = handle().ok_or(Error::NotInstalled)?.persistent()?;
        if let Some(tenant) = &self.tenant {
            cache = cache.tenant(tenant);
        }
        if let Some(ttl) = self.ttl {
            cache = cache.ttl(ttl);
        }
        Ok(cache)
    }
}

impl<V: ?Sized> Call<Set<'_, V>> {
    /// How long the value is fresh.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<V: DeserializeOwned + Send + 'static> IntoFuture for Call<Get<V>> {
    type Output = Option<V>;
    type IntoFuture = Answer<'static, Option<V>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.cache().ok()?.get(&self.key.ok()?).await })
    }
}

impl<'a, V: Serialize + Sync + ?Sized> IntoFuture for Call<Set<'a, V>> {
    type Output = Result<(), Error>;
    type IntoFuture = Answer<'a, Result<(), Error>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let cache = self.cache()?;
            cache.set(&self.key?, self.op.0).await
        })
    }
}

impl IntoFuture for Call<Remove> {
    type Output = Result<bool, Error>;
    type IntoFuture = Answer<'static, Result<bool, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let cache = self.cache()?;
            cache.remove(&self.key?).await
        })
    }
}

impl IntoFuture for Call<Exists> {
    type Output = bool;
    type IntoFuture = Answer<'static, bool>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            match (self.cache(), &self.key) {
                (Ok(cache), Ok(key)) => cache.exists(key).await,
                _ => false,
            }
        })
    }
}
