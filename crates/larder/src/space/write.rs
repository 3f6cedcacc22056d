//! Writes: the near tier forgets before the server hears, and learns when it confirmed.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Scoped, Server, Space};
use crate::error::Error;
use crate::key::{CacheKey, StoredKey, Tag};
use crate::load::{Loaded, Owed};
use crate::near::{Admission, Life, NearRef, Stored};
use crate::options::{Call, Lifetime};
use crate::remote::RemoteError;
use crate::scope::{Borne, Scopes};
use crate::time::Tick;
use crate::unwind::caught;
use crate::value::CacheValue;
use crate::wire::{self, EncodeError, Envelope, Header};

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
        call: Call,
    ) -> Result<(), Error>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let Some(_pass) = self.shared.enter() else {
            return self.off(());
        };
        let key = self.stored_key(&at)?;
        let lifetime = self.lifetime(&Loaded::of(Arc::clone(&value)), &call);
        let borne = self.borne(at.tenant, &call.tags);
        self.failures.forget(&at);
        self.refreshes.forget(&at);
        if lifetime.ttl.is_zero() {
            // "Do not store": what was there before would be read as the value that was set.
            return self.erase(at, key).await.map(drop);
        }
        let life = Life::new(self.now(), lifetime.ttl, lifetime.stale);
        let Some(server) = &self.server else {
            let weight =
                self.weigh(at.key, &value, None)
                    .map_err(|message| Error::WeigherPanicked {
                        name: self.name.to_string(),
                        key: key.to_string(),
                        message,
                    })?;
            self.count(at.tenant, |counters| counters.sets.up());
            let proof = self.proof(&key);
            let stored = self.stored(value, life, weight, true, proof, Duration::ZERO);
            Scopes::record(&borne, proof);
            return self.set_near(at, &key, stored);
        };
        let payload = server.payload(&*value).map_err(|source| Error::Encode {
            key: key.to_string(),
            source,
        })?;
        let weight = self.weigh(at.key, &value, Some(payload.len())).ok();
        self.count(at.tenant, |counters| counters.sets.up());
        let mark = self.watch.mark(&key);
        // So that the change of a group is one that came between.
        let _since = Scopes::record(&borne, mark);
        self.table.void(&at, || {
            self.near_remove(&at);
        });
        let (space, near_key) = (Arc::clone(self), at.to_key());
        self.complete(async move {
            let at = (&key, life.born);
            let answer = space.write(at, &payload, lifetime, &borne, &call.tags);
            let answer = answer.await;
            // Where another write came between, or may have in a gap, nobody here knows which of the
            // two the server took last: the next lookup asks.
            let alone = space.holds(mark);
            let watch = &space.watch;
            let mark = watch.mark(&key);
            if let (true, Some(weight)) = (alone, weight)
                && Scopes::record(&borne, mark)
            {
                // What the server refused for its own reasons may be served here for a short
                // while; the caller is told all the same.
                let stored =
                    space.stored(value, life, weight, answer.is_ok(), mark, Duration::ZERO);
                let _counted = space.near_insert(near_key, stored);
            }
            space.settled("set", &key, answer)
        })
        .await
    }

    /// Writes a value that was set at `born`, with the stamps of now.
    async fn write(
        &self,
        (key, born): (&StoredKey, Tick),
        payload: &[u8],
        lifetime: Lifetime,
        borne: &Borne,
        tags: &[Tag],
    ) -> Result<(), RemoteError> {
        let Some(server) = &self.server else {
            return Ok(());
        };
        let deadline = self.shared.deadline();
        let stamps = self.capture(borne, lifetime.total(), deadline).await?;
        let scoped = Scoped {
            stamps: &stamps,
            tags,
        };
        let times = Times {
            lifetime,
            cost: Duration::ZERO,
            age: self.now().since(born),
        };
        let bytes = server.seal(key, payload, times, scoped)?;
        let remote = &server.remote;
        remote.set(key, bytes, lifetime.total(), deadline).await
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
        self.count(at.tenant, |counters| counters.removes.up());
        self.erase(at, key).await
    }

    async fn erase<Q>(self: &Arc<Self>, at: NearRef<'_, Q>, key: StoredKey) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
    {
        let now = self.now();
        self.failures.forget(&at);
        let mut was_here = false;
        let Some(server) = &self.server else {
            self.table.void(&at, || {
                was_here = self.near_take(&at, now);
            });
            return Ok(was_here);
        };
        let _mark = self.watch.mark(&key);
        self.table.void(&at, || {
            self.near_remove(&at);
        });
        let deadline = self.shared.deadline();
        let remote = Arc::clone(&server.remote);
        let space = Arc::clone(self);
        self.complete(async move {
            let answer = remote.remove(&key, deadline).await;
            // Again: what was read meanwhile may be what was there before.
            let _mark = space.watch.mark(&key);
            space.settled("remove", &key, answer)
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

    /// What the caller of a write is told. What may not have reached the server waits for it, as a
    /// removal.
    fn settled<T>(
        &self,
        operation: &'static str,
        key: &StoredKey,
        answer: Result<T, RemoteError>,
    ) -> Result<T, Error> {
        let Some(server) = &self.server else {
            return answer.map_err(|source| failed(operation, key, source));
        };
        let source = match answer {
            Ok(done) => {
                server.recovery.done(key);
                return Ok(done);
            }
            Err(source) => source,
        };
        if !matches!(source, RemoteError::Closed) && !source.refuses_value() {
            let everything = &self.scopes.everything().key;
            server.recovery.put(key, Owed::Removal, everything);
            return Err(Error::Pending {
                operation,
                key: key.to_string(),
                source: Box::new(source),
            });
        }
        Err(failed(operation, key, source))
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
    pub(super) fn off<T>(&self, answer: T) -> Result<T, Error> {
        if self.shared.enabled {
            Err(Error::Closed)
        } else {
            Ok(answer)
        }
    }
}

/// What an envelope says of its value's times.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) lifetime: Lifetime,
    /// How long the value took to load.
    pub(crate) cost: Duration,
    /// How old it is by now: its stamps may have had to be asked for (G4).
    pub(crate) age: Duration,
}

impl Server {
    /// A value as the codec writes it.
    pub(crate) fn payload<V: CacheValue>(&self, value: &V) -> Result<Vec<u8>, EncodeError> {
        let mut payload = Vec::new();
        match caught(|| self.codec.encode(value, &mut payload)) {
            Ok(encoded) => encoded?,
            Err(message) => return Err(EncodeError::Panicked { message }),
        }
        Ok(payload)
    }

    /// The bytes that the server keeps for a value.
    pub(crate) fn seal(
        &self,
        key: &StoredKey,
        payload: &[u8],
        times: Times,
        scoped: Scoped<'_>,
    ) -> Result<Bytes, RemoteError> {
        let Times {
            lifetime,
            cost,
            age,
        } = times;
        let (written_ms, lineage) = self.written(age);
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
        let Scoped { stamps, tags } = scoped;
        let sealed = wire::encode(&header, key.original(), stamps, tags, |out| {
            out.extend_from_slice(payload);
            Ok(())
        });
        // Some part is longer than an envelope can say: more than four gigabytes.
        sealed.map_err(|_| RemoteError::TooLarge {
            len: payload.len(),
            max: u32::MAX as usize,
        })
    }

    /// The bytes that were sealed before, as if they were written now, and how long they live. Stamps and
    /// tags are what they were.
    pub(crate) fn seal_again(&self, key: &StoredKey, bytes: &[u8]) -> Option<(Bytes, Duration)> {
        let envelope = Envelope::parse(bytes).ok()?;
        let (written_ms, lineage) = self.written(Duration::ZERO);
        let header = Header {
            fill: getrandom::u64().unwrap_or_default(),
            written_ms,
            lineage,
            ..envelope.header
        };
        let stamps: Vec<_> = envelope.stamps.iter().collect();
        let tags = envelope.tags.iter().map(|tag| Tag::new(tag?).ok());
        let tags = tags.collect::<Option<Vec<Tag>>>()?;
        let sealed = wire::encode(&header, key.original(), &stamps, &tags, |out| {
            out.extend_from_slice(envelope.payload);
            Ok(())
        });
        let life = Duration::from_millis(header.ttl_ms.saturating_add(header.stale_ms));
        Some((sealed.ok()?, life))
    }

    /// When a value of this age was written, by the server's clock, and in which lineage of it. At its
    /// earliest, so that no reader takes the value for younger than it is.
    fn written(&self, age: Duration) -> (u64, u64) {
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        // Without a server time there is no connection either, and the write fails by itself.
        self.remote.server_time().map_or((0, 0), |server| {
            let earliest = server.now_ms.saturating_sub(server.error_ms);
            (earliest.saturating_sub(age_ms), server.lineage)
        })
    }
}

fn failed(operation: &'static str, key: &StoredKey, source: RemoteError) -> Error {
    Error::Remote {
        operation,
        key: key.to_string(),
        source: Box::new(source),
    }
}
