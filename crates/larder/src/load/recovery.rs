//! Writes that could not reach the server, until they do.
//!
//! What waits here is always an invalidation: a value that was to be set an hour ago must not appear
//! now, but what was there before must go. A key is removed; a group's stamp is replaced by a fresh
//! one, since an absent stamp may be made by whoever misses it. Until that is done, this process does
//! not believe what the server says of the key.
//!
//! ```text
//!   write failed ──► pending ──► invalidated on the server ──► gone
//!                      │  ▲ tried again, one after another
//!                      ├──┘
//!                      └── a later write of the key succeeded ──► gone
//! ```
//!
//! Nothing is given up because its time has passed: how long the server keeps what another process or an
//! earlier program wrote, nobody here knows.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::key::StoredKey;
use crate::remote::{Deadline, Remote, RemoteError};
use crate::wire::Stamp;

/// How many keys may wait.
const MAX_PENDING: usize = 1 << 16;
/// Between two attempts.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Recovery {
    remote: Arc<dyn Remote>,
    runtime: tokio::runtime::Handle,
    timeout: Duration,
    queue: Mutex<Queue>,
    /// How many wait: what every read asks first, without the lock that all threads would pass around.
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Queue {
    pending: HashMap<StoredKey, Pending>,
    /// Oldest first. A turn that is not its key's any more is passed over.
    turns: VecDeque<(u64, StoredKey)>,
    next: u64,
    working: bool,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    /// In which it waits.
    turn: u64,
    what: Owed,
}

/// What the server is to be told of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    /// That its value is gone.
    Removal,
    /// That the group is invalidated whose stamp it is.
    Restamp {
        /// How many of the stamp's first bytes stay.
        kept: usize,
        /// How long the new one lives; `None`: for ever.
        life: Option<Duration>,
    },
}

impl Owed {
    /// Both, as one.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Restamp { kept, life }, Self::Restamp { kept: also, .. }) => Self::Restamp {
                kept: kept.min(also),
                life,
            },
            (_, other) => other,
        }
    }
}

impl Recovery {
    pub(crate) fn new(
        remote: Arc<dyn Remote>,
        runtime: tokio::runtime::Handle,
        timeout: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            remote,
            runtime,
            timeout,
            queue: Mutex::default(),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Lets an invalidation of `key` wait for the server.
    ///
    /// Where too many wait, the invalidation of everything, whose stamp lies under `everything`, takes
    /// its place: coarser, and never lost (G6).
    pub(crate) fn put(self: &Arc<Self>, key: &StoredKey, what: Owed, everything: &StoredKey) {
        let mut queue = self.queue.lock();
        if queue.pending.len() < MAX_PENDING || queue.pending.contains_key(key) {
            self.push(&mut queue, key, what);
        } else {
            let all = Owed::Restamp {
                kept: 0,
                life: None,
            };
            self.push(&mut queue, everything, all);
        }
    }

    fn push(self: &Arc<Self>, queue: &mut Queue, key: &StoredKey, what: Owed) {
        let turn = queue.next;
        queue.next += 1;
        let before = queue.pending.get(key);
        let what = before.map_or(what, |before| before.what.and(what));
        queue.pending.insert(key.clone(), Pending { turn, what });
        queue.turns.push_back((turn, key.clone()));
        if queue.turns.len() > 2 * queue.pending.len() + 64 {
            // Writes of a key that waits already leave turns that are no longer its own.
            let Queue { pending, turns, .. } = &mut *queue;
            turns.retain(|(turn, key)| pending.get(key).is_some_and(|own| own.turn == *turn));
        }
        self.counted(queue);
        if !std::mem::replace(&mut queue.working, true) {
            self.runtime.spawn(work(Arc::downgrade(self)));
        }
    }

    /// A later write of `key` reached the server.
    pub(crate) fn done(&self, key: &StoredKey) {
        if self.len() > 0 {
            let mut queue = self.queue.lock();
            queue.pending.remove(key);
            self.counted(&queue);
        }
    }

    /// Whether what the server says of `key` is not to be believed.
    pub(crate) fn is_pending(&self, key: &StoredKey) -> bool {
        self.len() > 0 && self.queue.lock().pending.contains_key(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// After each change, under the lock.
    fn counted(&self, queue: &Queue) {
        self.waiting.store(queue.pending.len(), Ordering::SeqCst);
    }

    /// The oldest key whose turn still is its own.
    fn oldest(&self) -> Option<(StoredKey, Pending)> {
        let mut queue = self.queue.lock();
        while let Some((turn, key)) = queue.turns.pop_front() {
            if let Some(pending) = queue.pending.get(&key).filter(|p| p.turn == turn) {
                let pending = *pending;
                return Some((key, pending));
            }
        }
        queue.working = false;
        None
    }

    /// Lets a turn that failed come after all others: what the server does not take of one key must not
    /// keep the others waiting.
    fn again(&self, turn: u64, key: StoredKey) {
        self.queue.lock().turns.push_back((turn, key));
    }

    fn succeeded(&self, turn: u64, key: &StoredKey) {
        let mut queue = self.queue.lock();
        // A write that failed meanwhile has another turn, and stays.
        let is_own = |pending: &Pending| pending.turn == turn;
        if queue.pending.get(key).is_some_and(is_own) {
            queue.pending.remove(key);
            self.counted(&queue);
        }
    }

    async fn tell(&self, key: &StoredKey, what: Owed) -> Result<(), RemoteError> {
        let deadline = Deadline::after(self.timeout);
        match what {
            Owed::Removal => self.remote.remove(key, deadline).await.map(drop),
            Owed::Restamp { kept, life } => {
                let stamp = Bytes::copy_from_slice(&Stamp::draw().to_bytes());
                let splice = self.remote.splice(key, kept, stamp, life, deadline);
                splice.await.map(drop)
            }
        }
    }
}

/// Tells the server what waits, one after another, until nothing does.
async fn work(recovery: Weak<Recovery>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let Some(recovery) = recovery.upgrade() else {
            return;
        };
        let Some((key, Pending { turn, what })) = recovery.oldest() else {
            return;
        };
        match recovery.tell(&key, what).await {
            Ok(()) => {
                tracing::debug!(target: "larder::load", %key, "invalidated, as was asked for before");
                recovery.succeeded(turn, &key);
                pause = SHORTEST_PAUSE;
                continue;
            }
            Err(RemoteError::Closed) => return,
            Err(error) => {
                tracing::debug!(target: "larder::load", %key, %error, "an invalidation still waits");
                recovery.again(turn, key);
            }
        }
        drop(recovery);
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
