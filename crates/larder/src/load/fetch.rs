//! Runs a flight: lookup, loader, fill. The decisions are the table's.

use std::borrow::Borrow;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::table::{Joined, Landing, Lead, Waited};
use super::{Failure, LoadError, catch_panic};
use crate::gate::Stay;
use crate::key::{CacheKey, StoredKey};
use crate::near::{Life, NearRef};
use crate::options::Lifetime;
use crate::outcome::{Found, Freshness, Outcome, Source};
use crate::remote::{Deadline, Remote};
use crate::space::{Look, Space};
use crate::telemetry::Miss;
use crate::value::CacheValue;

impl<K, V> Space<K, V>
where
    K: CacheKey + Clone + 'static,
    V: CacheValue,
{
    /// `loader` runs in the caller's task. Dropped with the caller, the load passes to a waiter.
    pub(crate) async fn fetch<Q, L, F, E>(
        self: &Arc<Self>,
        at: NearRef<'_, Q>,
        lifetime: Lifetime,
        loader: L,
    ) -> Result<Found<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
        E: Display + Send + Sync + 'static,
    {
        self.fly(at, |lead| self.lead(lead, lifetime, loader))
            .await
            .map_err(Failure::into_error)
    }

    /// `loader` runs in a task of its own, to its end, whether or not the caller stays.
    pub(crate) async fn fetch_spawned<Q, L, F, E>(
        self: &Arc<Self>,
        at: NearRef<'_, Q>,
        lifetime: Lifetime,
        loader: L,
    ) -> Result<Found<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Display + Send + Sync + 'static,
    {
        let spawn = |lead| async move {
            let (space, stay) = (Arc::clone(self), self.shared.gate.stay());
            let flight = async move {
                let _stay = stay;
                space.lead(lead, lifetime, loader).await
            };
            let task = self.shared.runtime.spawn(flight);
            task.await.unwrap_or(Err(Failure::RuntimeGone))
        };
        self.fly(at, spawn).await.map_err(Failure::into_error)
    }

    /// Takes the caller through a flight: as the one who leads it, or as one who waits, and
    /// perhaps leads it later.
    async fn fly<Q, F>(
        self: &Arc<Self>,
        at: NearRef<'_, Q>,
        lead: impl FnOnce(Option<Lead<K, V>>) -> F,
    ) -> Landing<V>
    where
        K: Borrow<Q>,
        Q: CacheKey + ToOwned<Owned = K> + ?Sized,
        F: Future<Output = Landing<V>>,
    {
        let Some(_pass) = self.shared.enter() else {
            // Switched off or closed, each caller loads for itself.
            return lead(None).await;
        };
        match self.table.join(&at, || self.near_found(&at)) {
            Joined::Hit(found) => Ok(found),
            Joined::Lead(own) => lead(Some(own)).await,
            Joined::Wait(waiter) => {
                let end = waiter.wait().await;
                drop(waiter);
                match end {
                    Waited::Lead(own) => lead(Some(own)).await,
                    Waited::Landed(landing) => {
                        self.counters.loads_joined.up();
                        landing.map(|mut found| {
                            found.outcome.joined = true;
                            found
                        })
                    }
                }
            }
        }
    }

    /// Leads a flight to its end. The function is run at most once, whatever the cache does.
    async fn lead<L, F, E>(
        self: &Arc<Self>,
        lead: Option<Lead<K, V>>,
        lifetime: Lifetime,
        loader: L,
    ) -> Landing<V>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
        E: Display + Send + Sync + 'static,
    {
        let Some(lead) = lead else {
            let value = self.load(loader).await?;
            return Ok(Self::loaded(Arc::new(value), Duration::ZERO));
        };
        let at = lead.key().as_ref();
        let key = self.stored_key(&at).ok();
        let deadline = self.shared.deadline();
        let look = match &key {
            Some(key) => self.look(&at, key, deadline).await,
            None => Look::Missed {
                why: Miss::InvalidKey,
                may_fill: false,
            },
        };
        let (kept, reached, may_fill) = match look {
            Look::Fresh(found) => {
                self.counters.remote_hits.up();
                // The lookup has offered it to the near tier.
                let _ = lead.publish(Ok(found.clone()), || {});
                return Ok(found);
            }
            // Better than to load what may not be stored.
            Look::Suspect(found) => {
                self.counters.stale_hits.up();
                let _ = lead.publish(Ok(found.clone()), || {});
                return Ok(found);
            }
            Look::Stale(kept) => (Some(kept), true, true),
            Look::Unreached(kept) => {
                self.counters.missed(Miss::RemoteUnavailable);
                (kept, false, false)
            }
            Look::Missed { why, may_fill } => {
                self.counters.missed(why);
                (None, true, may_fill)
            }
        };
        // The loader's time is the loader's; the rest of the remote's is left for the fill (G3).
        let remote_time = deadline.left();
        let began = self.now();
        match self.load(loader).await {
            Ok(value) => {
                let cost = self.now().since(began);
                let landed = Landed {
                    value: Arc::new(value),
                    key,
                    lifetime,
                    cost,
                    remote_time,
                    reached,
                    may_fill,
                };
                self.land(lead, landed).await
            }
            Err(failure) => {
                let landing = match kept.and_then(|kept| kept.after_failed_load(self.now())) {
                    Some(found) => {
                        self.counters.stale_hits.up();
                        Ok(found)
                    }
                    None => Err(failure),
                };
                let _ = lead.publish(landing.clone(), || {});
                landing
            }
        }
    }

    /// Runs a loader, counted.
    pub(crate) async fn load<L, F, E>(&self, loader: L) -> Result<V, Failure>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
        E: Display + Send + Sync + 'static,
    {
        self.counters.loads.up();
        let result = match catch_panic(loader).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => Failure::loader(error),
            Err(message) => Failure::Panicked(message),
        };
        self.counters.load_failures.up();
        Err(result)
    }

    /// Hands a loaded value to all who wait, and writes it to both tiers.
    async fn land(self: &Arc<Self>, lead: Lead<K, V>, landed: Landed<V>) -> Landing<V> {
        let Landed {
            value,
            key,
            lifetime,
            cost,
            remote_time,
            reached,
            may_fill,
        } = landed;
        let found = Self::loaded(Arc::clone(&value), lifetime.ttl);
        let Some(key) = key.filter(|_| !lifetime.ttl.is_zero()) else {
            let _ = lead.publish(Ok(found.clone()), || {});
            return Ok(found);
        };
        let server = self.server.as_ref().filter(|_| reached);
        let bytes = server
            .filter(|_| may_fill)
            .map(|server| server.encode(&key, &*value, lifetime, cost))
            .transpose()
            .unwrap_or_else(|error| {
                tracing::warn!(target: "larder::load", %key, %error, "cannot encode a loaded value");
                None
            });
        let encoded = bytes.as_ref().map(Bytes::len);
        let weight = self.weigh(&lead.key().key, &value, encoded).ok();
        let life = Life::new(self.now(), lifetime.ttl, lifetime.stale);
        let stored =
            weight.map(|weight| self.stored(value, life, weight, bytes.is_some(), life.born));
        let near_key = lead.key().clone();
        let published = lead.publish(Ok(found.clone()), || {
            if let Some(stored) = stored {
                let _counted = self.near_insert(near_key, stored);
            }
        });
        match (server, bytes) {
            (Some(server), Some(bytes)) if !published.voided && !self.shared.gate.has_ended() => {
                let deadline = Deadline::after(remote_time);
                let fill = Fill {
                    remote: Arc::clone(&server.remote),
                    key,
                    bytes,
                    ttl: lifetime.total(),
                    deadline,
                    stay: self.shared.gate.stay(),
                };
                let fill = Arc::clone(self).fill(lead, fill);
                // In a task of its own: a fill that was sent must be looked after, whether or
                // not the caller stays.
                let fill = self.shared.runtime.spawn(fill);
                let _ = tokio::time::timeout_at(deadline.instant(), fill).await;
            }
            (Some(_), _) => self.counters.fills_refused.up(),
            (None, _) => {}
        }
        Ok(found)
    }

    /// Writes a loaded value to the server. The lead is held until then, so that a local write
    /// meanwhile still voids the flight.
    async fn fill(self: Arc<Self>, lead: Lead<K, V>, fill: Fill) {
        let Fill {
            remote,
            key,
            bytes,
            ttl,
            deadline,
            stay: _stay,
        } = fill;
        match remote.set(&key, bytes, ttl, deadline).await {
            Ok(()) if !lead.is_voided() => self.counters.fills.up(),
            Ok(()) => {
                // A local write came while the fill was on its way, and the server may have taken
                // the fill last (G2).
                self.counters.fills_refused.up();
                if let Err(error) = remote.remove(&key, self.shared.deadline()).await {
                    tracing::warn!(
                        target: "larder::load",
                        %key, %error, "cannot take back a value that was invalidated while written"
                    );
                }
            }
            Err(error) => {
                self.counters.fills_failed.up();
                tracing::debug!(target: "larder::load", %key, %error, "fill failed");
            }
        }
    }

    /// What a caller gets of a load; `ttl` is zero where the value is not stored.
    pub(crate) fn loaded(value: Arc<V>, ttl: Duration) -> Found<V> {
        let outcome = Outcome {
            source: Source::Loader,
            freshness: Freshness::Fresh,
            age: Duration::ZERO,
            ttl_left: ttl,
            joined: false,
        };
        Found::new(value, outcome)
    }
}

/// A loaded value on its way into the tiers.
struct Landed<V> {
    value: Arc<V>,
    /// `None` where it cannot be stored.
    key: Option<StoredKey>,
    lifetime: Lifetime,
    cost: Duration,
    /// What is left of the time that the call grants to the remote.
    remote_time: Duration,
    /// Whether the lookup reached the server.
    reached: bool,
    may_fill: bool,
}

/// A write to the server that ends a load.
struct Fill {
    remote: Arc<dyn Remote>,
    key: StoredKey,
    bytes: Bytes,
    ttl: Duration,
    deadline: Deadline,
    stay: Stay,
}
