//! Writes that could not reach the server, until they do.
//!
//! What waits here is always a removal: a value that was to be set an hour ago must not appear now,
//! but what was there before must go. Until it is gone, this process does not believe what the
//! server says of the key.
//!
//! ```text
//!   write failed ──► pending ──► removed on the server ──► gone
//!                      │  ▲ tried again, oldest first
//!                      ├──┘
//!                      ├── a later write of the key succeeded ──► gone
//!                      └── everything that the server may hold has expired ──► gone
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::sleep;

use crate::key::StoredKey;
use crate::remote::{Deadline, Remote, RemoteError};
use crate::time::{Clock, MAX_TTL, Tick};

/// How many keys may wait.
const MAX_PENDING: usize = 1 << 16;
/// Between two attempts.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Recovery {
    remote: Arc<dyn Remote>,
    clock: Clock,
    runtime: tokio::runtime::Handle,
    timeout: Duration,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The turn in which each key waits, and until when it need to.
    pending: HashMap<StoredKey, (u64, Tick)>,
    /// Oldest first. A turn that is not its key's any more is passed over.
    turns: VecDeque<(u64, StoredKey)>,
    next: u64,
    working: bool,
}

impl Recovery {
    pub(crate) fn new(
        remote: Arc<dyn Remote>,
        clock: Clock,
        runtime: tokio::runtime::Handle,
        timeout: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            remote,
            clock,
            runtime,
            timeout,
            queue: Mutex::default(),
        })
    }

    /// Lets the removal of `key` wait for the server; `false` where too many do. What the server
    /// holds expires within `life`.
    pub(crate) fn put(self: &Arc<Self>, key: &StoredKey, life: Duration) -> bool {
        let queue = self.queue.lock();
        if queue.pending.len() >= MAX_PENDING && !queue.pending.contains_key(key) {
            return false;
        }
        drop(queue);
        self.push(key, life);
        true
    }

    fn push(self: &Arc<Self>, key: &StoredKey, life: Duration) {
        let until = self.clock.now().plus(life);
        let mut queue = self.queue.lock();
        let turn = queue.next;
        queue.next += 1;
        let until = match queue.pending.get(key) {
            Some((_, before)) => until.max(*before),
            None => until,
        };
        queue.pending.insert(key.clone(), (turn, until));
        queue.turns.push_back((turn, key.clone()));
        if !std::mem::replace(&mut queue.working, true) {
            self.runtime.spawn(work(Arc::downgrade(self)));
        }
    }

    /// Lets the removal of a group's stamp wait. Where too many writes do, that of everything's
    /// stamp waits instead: coarser, and never lost.
    pub(crate) fn put_group(self: &Arc<Self>, stamp: &StoredKey, everything: &StoredKey) {
        if !self.put(stamp, MAX_TTL) {
            self.push(everything, MAX_TTL);
        }
    }

    /// A later write of `key` reached the server.
    pub(crate) fn done(&self, key: &StoredKey) {
        let mut queue = self.queue.lock();
        if !queue.pending.is_empty() {
            queue.pending.remove(key);
        }
    }

    /// Whether what the server says of `key` is not to be believed.
    pub(crate) fn is_pending(&self, key: &StoredKey) -> bool {
        let queue = self.queue.lock();
        !queue.pending.is_empty() && queue.pending.contains_key(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.lock().pending.len()
    }

    /// The oldest key whose turn still is its own.
    fn oldest(&self) -> Option<(u64, StoredKey)> {
        let now = self.clock.now();
        let mut queue = self.queue.lock();
        while let Some((turn, key)) = queue.turns.pop_front() {
            match queue.pending.get(&key) {
                Some((own, until)) if *own == turn => {
                    if now < *until {
                        return Some((turn, key));
                    }
                    queue.pending.remove(&key);
                }
                _ => {}
            }
        }
        queue.working = false;
        None
    }

    /// Puts a turn that failed back to the front.
    fn again(&self, turn: u64, key: StoredKey) {
        self.queue.lock().turns.push_front((turn, key));
    }

    fn succeeded(&self, turn: u64, key: &StoredKey) {
        let mut queue = self.queue.lock();
        // A write that failed meanwhile has another turn, and stays.
        if queue.pending.get(key).is_some_and(|(own, _)| *own == turn) {
            queue.pending.remove(key);
        }
    }
}

/// Removes what waits, one after another, until nothing does.
async fn work(recovery: Weak<Recovery>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let Some(recovery) = recovery.upgrade() else {
            return;
        };
        let Some((turn, key)) = recovery.oldest() else {
            return;
        };
        let deadline = Deadline::after(recovery.timeout);
        match recovery.remote.remove(&key, deadline).await {
            Ok(_) => {
                tracing::debug!(target: "larder::load", %key, "removed, as was asked for before");
                recovery.succeeded(turn, &key);
                pause = SHORTEST_PAUSE;
                continue;
            }
            Err(RemoteError::Closed) => return,
            Err(error) => {
                tracing::debug!(target: "larder::load", %key, %error, "a removal still waits");
                recovery.again(turn, key);
            }
        }
        drop(recovery);
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
