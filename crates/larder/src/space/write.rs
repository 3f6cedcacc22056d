//! Writes: the near tier forgets before the server hears, and learns when it confirmed.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Server, Space};
use crate::error::Error;
use crate::key::{CacheKey, StoredKey};
use crate::load::Proof;
use crate::near::{Admission, Engine, Life, NearRef, Stored};
use crate::options::Lifetime;
use crate::remote::RemoteError;
use crate::time::Tick;
use crate::value::CacheValue;
use crate::wire::{self, EncodeError, Header};

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// Stores a value. Loads of the key that are under way are not stored after it (G2).
    ///
    /// Once begun it runs to its end, whether or not the caller stays: a write that was sent must
    /// be marked again when it is confirmed.
    pub(crate) async fn set<Q>(
        self: &Arc<Self>,
        at: NearRef<'_, Q>,
        value: Arc<V>,
        lifetime: Lifetime,
    ) -> Result<(), Error>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let Some(_pass) = self.shared.enter() else {
            return self.off(());
        };
        let key = self.stored_key(&at)?;
        if lifetime.ttl.is_zero() {
            // "Do not store": what was there before would be read as the value that was set.
            return self.erase(at, key).await.map(drop);
        }
        let life = Life::new(self.now(), lifetime.ttl, lifetime.stale);
        let Some(server) = &self.server else {
            let weight = self.weigh(at.key, &value, None);
            self.counters.sets.up();
            let stored = self.stored(value, life, weight, true, Proof::LOCAL);
            return self.set_near(at, &key, stored);
        };
        let bytes = server
            .encode(&key, &*value, lifetime, Duration::ZERO)
            .map_err(|source| Error::Encode {
                key: key.to_string(),
                source,
            })?;
        let weight = self.weigh(at.key, &value, Some(bytes.len()));
        self.counters.sets.up();
        let mark = server.watch.mark(&key);
        self.table.void(&at, || {
            self.near_remove(&at);
        });
        let (space, near_key) = (Arc::clone(self), at.to_key());
        let (remote, watch) = (Arc::clone(&server.remote), Arc::clone(&server.watch));
        self.complete(async move {
            let deadline = space.shared.deadline();
            let answer = remote.set(&key, bytes, lifetime.total(), deadline).await;
            // Where another write came between, or may have in a gap, nobody here knows which of the
            // two the server took last: the next lookup asks.
            let alone = space.holds(mark);
            let mark = watch.mark(&key);
            if alone {
                // What the server refused for its own reasons may be served here for a short
                // while; the caller is told all the same.
                let stored = space.stored(value, life, weight, answer.is_ok(), mark);
                let _counted = space.near_insert(near_key, stored);
            }
            answer.map_err(|source| failed("set", &key, source))
        })
        .await
    }

    /// Removes a value; whether there was one. Loads of the key that are under way are not stored
    /// after it (G2). Runs to its end like [`set`](Self::set).
    pub(crate) async fn remove<Q>(self: &Arc<Self>, at: NearRef<'_, Q>) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let Some(_pass) = self.shared.enter() else {
            return self.off(false);
        };
        let key = self.stored_key(&at)?;
        self.counters.removes.up();
        self.erase(at, key).await
    }

    async fn erase<Q>(self: &Arc<Self>, at: NearRef<'_, Q>, key: StoredKey) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let now = self.now();
        let mut was_here = false;
        let Some(server) = &self.server else {
            self.table.void(&at, || {
                was_here = self.near_take(&at, now);
            });
            return Ok(was_here);
        };
        let _mark = server.watch.mark(&key);
        self.table.void(&at, || {
            self.near_remove(&at);
        });
        let deadline = self.shared.deadline();
        let (remote, watch) = (Arc::clone(&server.remote), Arc::clone(&server.watch));
        self.complete(async move {
            let answer = remote.remove(&key, deadline).await;
            // Again: what was read meanwhile may be what was there before.
            let _mark = watch.mark(&key);
            answer.map_err(|source| failed("remove", &key, source))
        })
        .await
    }

    fn set_near<Q>(
        &self,
        at: NearRef<'_, Q>,
        key: &StoredKey,
        stored: Stored<V>,
    ) -> Result<(), Error>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let mut admission = Admission::Stored;
        self.table.void(&at, || {
            admission = self.near_insert(at.to_key(), stored);
        });
        match admission {
            Admission::Stored => Ok(()),
            Admission::TooLarge { weight, limit } => Err(Error::TooLarge {
                name: self.name.to_string(),
                key: key.to_string(),
                weight,
                limit,
            }),
        }
    }

    /// Removes a near entry; whether it had not expired.
    fn near_take<Q>(&self, at: &NearRef<'_, Q>, now: Tick) -> bool
    where
        K: Borrow<Q>,
        Q: CacheKey + ?Sized,
    {
        let Some(near) = self.near_tier() else {
            return false;
        };
        let live = near
            .get(at)
            .is_some_and(|stored| now < stored.life().expires);
        near.remove(at) && live
    }

    /// Runs a write on the runtime, so that it ends even where the caller is dropped.
    pub(crate) async fn complete<T: Send + 'static>(
        &self,
        write: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let stay = self.shared.gate.stay();
        let write = async move {
            let _stay = stay;
            write.await
        };
        match self.shared.runtime.spawn(write).await {
            Ok(result) => result,
            // The runtime ended, or the task panicked, which nothing in it does.
            Err(_) => Err(Error::Closed),
        }
    }

    /// The answer where nothing is stored: switched off it is no error, closed it is.
    fn off<T>(&self, answer: T) -> Result<T, Error> {
        if self.shared.enabled {
            Err(Error::Closed)
        } else {
            Ok(answer)
        }
    }
}

impl Server {
    /// The bytes that the server keeps for a value. `cost` is how long it took to load.
    pub(crate) fn encode<V: CacheValue>(
        &self,
        key: &StoredKey,
        value: &V,
        lifetime: Lifetime,
        cost: Duration,
    ) -> Result<Bytes, EncodeError> {
        // At its earliest, so that no reader takes the value for younger than it is. Without a
        // server time there is no connection either, and the write fails by itself.
        let server = self.remote.server_time();
        let (written_ms, lineage) = server.map_or((0, 0), |server| {
            (
                server.now_ms.saturating_sub(server.error_ms),
                server.lineage,
            )
        });
        let millis = |d: Duration| u64::try_from(d.as_millis());
        let header = Header {
            codec: self.codec.id(),
            schema: self.schema,
            fill: getrandom::u64().unwrap_or_default(),
            written_ms,
            lineage,
            ttl_ms: millis(lifetime.ttl).unwrap_or(u64::MAX),
            stale_ms: millis(lifetime.stale).unwrap_or(u64::MAX),
            cost_us: u32::try_from(cost.as_micros()).unwrap_or(u32::MAX),
        };
        wire::encode(&header, key.original(), &[], |out| {
            Ok(self.codec.encode(value, out)?)
        })
    }
}

fn failed(operation: &'static str, key: &StoredKey, source: RemoteError) -> Error {
    Error::Remote {
        operation,
        key: key.to_string(),
        source,
    }
}
