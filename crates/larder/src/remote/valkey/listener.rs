//! Hears what changes under a prefix: a connection of its own, on which the server tells.
//!
//! It asks for `CLIENT TRACKING ON BCAST PREFIX`, so the server tells of every change to a key under
//! the prefix, whoever made it, and to all of them at once (a flush). The client's task calls
//! the observer for each push as it reads it, so in the order of the wire.
//!
//! Why an answered `PING` proves that all changes were told that had been acknowledged before it
//! was sent: the server handles requests in rounds. At a round's end it first writes down for each
//! listener what the round changed, and then sends the answers. So whoever was told that a write was
//! done was told after the push of it had been put on its way here, ahead of the answer to any later
//! `PING`. Of a write in the same round as the `PING` this cannot be said: its push comes after.
//! An error is no such answer: a server that is busy with a script refuses `PING` within a round.
//!
//! What it cannot notice: a proxy in between that swallows pushes and passes answers on. Nobody
//! but this connection itself can turn its tracking off, and it is handed to nobody.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, RedisError, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::backoff::{self, Backoff, chance};
use super::connect::Target;
use crate::key::{Prefix, StoredKey};
use crate::remote::{Asked, Observer};

/// How often the server is asked. Trust reaches a second beyond the last question that was answered,
/// so an answer may take three quarters of it, which is longer than most scripts and forks do.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How long an answer is waited for before the connection is given up, in this many parts. A process
/// that was stopped itself finds the first part over on waking, and the answer in its socket.
const GIVE_UP_AFTER: Duration = Duration::from_secs(2);
const PARTS: u32 = 2;
/// The longest wait after the server refused: until somebody grants the right, asking is in vain.
const LONGEST_AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// Killed by hand or for its lag, cut by the network, or ended with the server: it looks the same.
const LOST: &str = "the connection was lost";

pub(super) struct Listener {
    pub(super) target: Arc<Target>,
    pub(super) prefix: Prefix,
    pub(super) observer: Weak<dyn Observer>,
}

/// Why a stream did not begin, or is no more.
struct Failure {
    reason: String,
    /// The server does not want it. Otherwise it could not be reached.
    refused: bool,
}

/// Nobody listens any more.
struct Unheard;

impl Listener {
    /// Listens until nobody hears it. To end it sooner, drop it: the observer is told.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::default();
        loop {
            let stream = Ending(Arc::new(Stream::new(&self)));
            let Err(failure) = self.listen(&stream.0, &mut backoff).await else {
                return;
            };
            let Failure { reason, refused } = failure;
            stream.0.end(&reason);
            let longest = if refused {
                LONGEST_AFTER_REFUSAL
            } else {
                backoff::LONGEST
            };
            let wait = backoff.next(longest, chance());
            tracing::warn!(
                target: "larder::remote",
                address = %self.target.address, reason, ?wait,
                "changes on the remote are not heard; trying again"
            );
            sleep(wait).await;
        }
    }

    async fn listen(
        &self,
        stream: &Arc<Stream>,
        backoff: &mut Backoff,
    ) -> Result<Unheard, Failure> {
        let heard = Arc::clone(stream);
        let connecting = self.target.listen(move |push| heard.hear(&push));
        let mut connection = connecting.await.map_err(|error| Failure {
            reason: error.reason(),
            refused: error.is_permanent(),
        })?;
        self.arm(&mut connection).await?;
        if stream.begin().is_none() {
            return Ok(Unheard);
        }
        tracing::info!(
            target: "larder::remote", address = %self.target.address, "changes on the remote are heard"
        );
        loop {
            let asked_at = Instant::now();
            let Some(asked) = stream.asks() else {
                return Ok(Unheard);
            };
            if ask(&mut connection).await? {
                stream.answered(asked);
                // Not before: a server that ends each listener at once is not asked in a circle.
                backoff.reset();
            }
            if timeout_at(asked_at + ASK_EVERY, stream.lost.notified())
                .await
                .is_ok()
            {
                return Err(lost(LOST));
            }
        }
    }

    /// Asks the server to tell of changes.
    async fn arm(&self, connection: &mut MultiplexedConnection) -> Result<(), Failure> {
        let mut tracking = redis::cmd("CLIENT");
        tracking.arg(&["TRACKING", "ON", "BCAST", "PREFIX", self.prefix.as_str()]);
        match timeout(self.target.timeout, tracking.exec_async(connection)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(refusal(&error, "CLIENT TRACKING", "+client|tracking")),
            Err(_) => Err(lost("CLIENT TRACKING was not answered")),
        }
    }
}

/// Whether the server answered that it handles requests.
async fn ask(connection: &mut MultiplexedConnection) -> Result<bool, Failure> {
    let ping = redis::cmd("PING");
    let mut answer = pin!(ping.exec_async(connection));
    for _ in 0..PARTS {
        match timeout(GIVE_UP_AFTER / PARTS, &mut answer).await {
            Ok(Ok(())) => return Ok(true),
            // It loads its data, or a script keeps it busy.
            Ok(Err(error)) if !is_lost(&error) && !is_forbidden(&error) => return Ok(false),
            Ok(Err(error)) => return Err(refusal(&error, "PING", "+ping")),
            Err(_) => {}
        }
    }
    Err(lost(&format!("no answer within {GIVE_UP_AFTER:?}")))
}

fn is_lost(error: &RedisError) -> bool {
    error.is_connection_dropped() || error.is_io_error()
}

fn is_forbidden(error: &RedisError) -> bool {
    error.code() == Some("NOPERM")
}

fn lost(reason: &str) -> Failure {
    Failure {
        reason: reason.to_owned(),
        refused: false,
    }
}

fn refusal(error: &RedisError, command: &str, right: &str) -> Failure {
    if is_lost(error) {
        return lost(&error.to_string());
    }
    let remedy = if is_forbidden(error) {
        format!(" (grant its user the right: `{right}`)")
    } else {
        String::new()
    };
    Failure {
        reason: format!("the server refused {command}: {error}{remedy}"),
        refused: true,
    }
}

/// What comes over one connection, on its way to the observer.
struct Stream {
    prefix: Prefix,
    observer: Weak<dyn Observer>,
    /// Held while the observer is told, so that nothing is told after the end.
    state: Mutex<State>,
    /// The connection is gone.
    lost: Notify,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// What is pushed belongs to what changed before.
    Arming,
    Live,
    Ended,
}

impl Stream {
    fn new(listener: &Listener) -> Self {
        Self {
            prefix: listener.prefix.clone(),
            observer: Weak::clone(&listener.observer),
            state: Mutex::new(State::Arming),
            lost: Notify::new(),
        }
    }

    fn begin(&self) -> Option<()> {
        let mut state = self.state.lock();
        self.observer.upgrade()?.began();
        *state = State::Live;
        Some(())
    }

    fn asks(&self) -> Option<Asked> {
        Some(self.observer.upgrade()?.asks())
    }

    fn answered(&self, asked: Asked) {
        self.tell(|observer| observer.answered(asked));
    }

    /// Tells the observer that it is over, and why. Idempotent.
    fn end(&self, reason: &str) {
        let mut state = self.state.lock();
        if *state != State::Ended
            && let Some(observer) = self.observer.upgrade()
        {
            observer.ended(reason);
        }
        *state = State::Ended;
    }

    fn tell(&self, what: impl FnOnce(&dyn Observer)) {
        let state = self.state.lock();
        if *state == State::Live
            && let Some(observer) = self.observer.upgrade()
        {
            what(&*observer);
        }
    }

    /// Called by the client's task for each push, in the order of the wire.
    fn hear(&self, push: &PushInfo) {
        match push.kind {
            PushKind::Invalidate => self.tell(|observer| self.invalidate(observer, &push.data)),
            PushKind::Disconnection => {
                let live = *self.state.lock() == State::Live;
                // One that did not begin is told with what was attempted.
                if live {
                    self.end(LOST);
                }
                self.lost.notify_one();
            }
            _ => {}
        }
    }

    fn invalidate(&self, observer: &dyn Observer, data: &[Value]) {
        let [Value::Array(keys)] = data else {
            // A flush comes as nothing. What cannot be read may be anything.
            return observer.flushed();
        };
        for key in keys {
            // A key of ours is plain ASCII, so what is not text is somebody else's.
            let Value::BulkString(key) = key else {
                continue;
            };
            let Ok(key) = str::from_utf8(key) else {
                continue;
            };
            if let Some(of) = StoredKey::of_lease_key(self.prefix.as_str(), key) {
                observer.lease_changed(of);
            } else if StoredKey::is_index(&self.prefix, key) {
                // It changes with each use, and nobody keeps a copy of it.
            } else if key.starts_with(self.prefix.as_str()) {
                observer.changed(key);
            }
        }
    }
}

/// Tells the observer when listening is given up, wherever that was.
struct Ending(Arc<Stream>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end("the larder was closed");
    }
}
