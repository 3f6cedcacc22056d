//! Tells a cache's user what left the near tier.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{NearKey, Stored};
use crate::bounded::Cause;
use crate::key::Tenant;
use crate::telemetry::Counter;
use crate::time::Tick;
use crate::unwind::caught;

/// What is waiting to be told, at most; what comes on top of it is counted (G6).
const WAITING: usize = 4096;

/// A value that left the near tier: see [`on_evicted`](crate::CacheBuilder::on_evicted).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Evicted<K, V> {
    /// The tenant whose key it is.
    pub tenant: Option<Tenant>,
    /// The key.
    pub key: K,
    /// The value.
    pub value: Arc<V>,
    /// Why it left.
    pub cause: Cause,
}

/// What the user wants to be told by.
pub(crate) type OnEvicted<K, V> = Arc<dyn Fn(Evicted<K, V>) + Send + Sync>;

type Message<K, V> = (NearKey<K>, Arc<V>, Cause);

/// Takes messages up, and lets a task of its own deliver them: who changes the cache neither waits
/// for the user's code nor runs it under a lock.
pub(crate) struct Listener<K, V> {
    messages: Sender<Message<K, V>>,
    untold: Arc<Counter>,
}

impl<K, V> Listener<K, V>
where
    K: Send + 'static,
    V: Send + Sync + 'static,
{
    /// `untold` counts what could not be delivered.
    pub(crate) fn new(tell: OnEvicted<K, V>, untold: Arc<Counter>, runtime: &Handle) -> Self {
        let (messages, waiting) = channel(WAITING);
        runtime.spawn(deliver(waiting, tell));
        Self { messages, untold }
    }
}

impl<K, V> Listener<K, V> {
    /// Called under no lock, since a message that has no room is dropped here. Whatever took it away,
    /// an entry that was past its time by `now` has expired.
    pub(super) fn tell(&self, key: NearKey<K>, stored: Stored<V>, now: Tick, cause: Cause) {
        let has_expired = stored.life().expires <= now;
        let cause = if has_expired { Cause::Expired } else { cause };
        if self.messages.try_send((key, stored.value, cause)).is_err() {
            self.untold.up();
        }
    }
}

/// Until the cache is gone and all is told.
async fn deliver<K, V>(mut waiting: Receiver<Message<K, V>>, tell: OnEvicted<K, V>) {
    while let Some((key, value, cause)) = waiting.recv().await {
        let evicted = Evicted {
            tenant: key.tenant,
            key: key.key,
            value,
            cause,
        };
        if let Err(message) = caught(|| tell(evicted)) {
            tracing::error!(target: "larder::near", %message, "a listener of evictions panicked");
        }
    }
}
