//! One connection, and the task that keeps it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
use tokio::time::{sleep, timeout, timeout_at};

use super::backoff::{self, Backoff, chance};
use super::breaker::Breaker;
use super::connect::{ConnectError, Connected, NO_PERMISSION, Target, ask_time};
use super::server_clock::Sample;
use crate::remote::{Deadline, RemoteError, ServerInfo, ServerTime};
use crate::time::Clock;

/// Operations under way at once on one connection; more wait for their turn within their
/// deadline.
const IN_FLIGHT: usize = 4096;
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Heartbeats in a row without an answer after which the connection is given up.
const LOST_AFTER: u32 = 2;

/// The part of the configured timeout that an operation must grant for the breaker to count it:
/// one by this. A first attempt of two grants half.
const FAIR_SHARE: u32 = 4;

/// A supervised connection. Clones share it.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    target: Arc<Target>,
    clock: Clock,
    state: RwLock<State>,
    permits: Semaphore,
    breaker: Breaker,
    /// Tells the supervisor that the connection is lost.
    broken: Notify,
    /// How the attempts to connect went; `None` before the first ended.
    attempts: watch::Sender<Option<Result<(), ConnectError>>>,
}

struct State {
    connection: Connection,
    /// The server's time, kept while disconnected.
    sample: Option<Sample>,
    info: Option<ServerInfo>,
    notes: Vec<String>,
}

enum Connection {
    Up(MultiplexedConnection),
    /// Why there is none.
    Down(String),
    Closed,
}

/// What is sent in one piece.
pub(super) trait Request: Sync {
    /// The answer, which may be an error of the server's in the guise of a value.
    fn send(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> impl Future<Output = RedisResult<Value>> + Send;
}

impl Request for Cmd {
    async fn send(&self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        connection.send_packed_command(self).await
    }
}

/// Commands that the server runs all or none, with nothing between them.
pub(super) struct Transaction {
    commands: Pipeline,
    answers: usize,
}

impl Transaction {
    pub(super) fn of<const N: usize>(commands: [Cmd; N]) -> Self {
        let mut all = Pipeline::with_capacity(N + 2);
        all.cmd("MULTI");
        for command in commands {
            all.add_command(command);
        }
        all.cmd("EXEC");
        Self {
            commands: all,
            answers: N + 2,
        }
    }
}

impl Request for Transaction {
    async fn send(&self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        // Not as the crate's own transaction, whose error hides what the server said.
        let answers = connection.send_packed_commands(&self.commands, 0, self.answers);
        let mut answers = answers.await?;
        let refused = |answer: &Value| matches!(answer, Value::ServerError(_));
        // The first says why; the answer to EXEC only that there was something.
        let told = answers.iter().position(refused);
        let told = told.unwrap_or(answers.len().saturating_sub(1));
        Ok(answers.drain(told..).next().unwrap_or(Value::Nil))
    }
}

impl Link {
    /// Begins to connect, and goes on until [`close`](Self::close).
    pub(super) fn start(target: Arc<Target>, clock: Clock) -> Self {
        let link = Self(Arc::new(Inner {
            target,
            clock,
            state: RwLock::new(State {
                connection: Connection::Down("connecting".to_owned()),
                sample: None,
                info: None,
                notes: Vec::new(),
            }),
            permits: Semaphore::new(IN_FLIGHT),
            breaker: Breaker::default(),
            broken: Notify::new(),
            attempts: watch::Sender::new(None),
        }));
        tokio::spawn(link.clone().supervise());
        link
    }

    /// How the first attempt to connect went, once it ended.
    pub(super) async fn first_attempt(&self) -> Result<(), ConnectError> {
        let mut attempts = self.0.attempts.subscribe();
        match attempts.wait_for(Option::is_some).await {
            Ok(attempt) => attempt.clone().unwrap_or(Ok(())),
            // The sender lives in this link.
            Err(_) => Ok(()),
        }
    }

    /// Waits until an attempt to connect has ended, for a link that was made a moment ago.
    pub(super) async fn ready(&self, deadline: Deadline) {
        if self.0.attempts.borrow().is_none() {
            // Past the deadline the operation itself says what is wrong.
            let _ = timeout_at(deadline.instant(), self.first_attempt()).await;
        }
    }

    /// Ends the connection for good.
    pub(super) fn close(&self) {
        self.0.state.write().connection = Connection::Closed;
        self.0.broken.notify_one();
        // Whoever waits for the first attempt need not wait for it any more.
        self.0.attempts.send_if_modified(|attempt| {
            let waited_for = attempt.is_none();
            attempt.get_or_insert(Ok(()));
            waited_for
        });
    }

    pub(super) fn server_time(&self) -> Option<ServerTime> {
        let sample = self.0.state.read().sample?;
        Some(sample.at(self.0.clock.now()))
    }

    pub(super) fn server_info(&self) -> Option<ServerInfo> {
        self.0.state.read().info.clone()
    }

    /// What works less well than it could.
    pub(super) fn notes(&self) -> Vec<String> {
        self.0.state.read().notes.clone()
    }

    /// Sends `command` and waits for its answer.
    ///
    /// Where the configuration says so, and time is left, one that was not answered is sent a
    /// second time: every operation of [`Remote`](crate::remote::Remote) has the same effect
    /// done twice.
    pub(super) async fn run(
        &self,
        command: &impl Request,
        deadline: Deadline,
    ) -> Result<Value, RemoteError> {
        let _permit = self.permit(deadline).await?;
        let granted = deadline.left();
        if self.0.target.retry_on_timeout {
            let half = granted / 2;
            match self.attempt(command, deadline.earlier(half), half).await {
                Err(RemoteError::Timeout { .. }) => {}
                answer => return answer,
            }
            return self.attempt(command, deadline, half).await;
        }
        self.attempt(command, deadline, granted).await
    }

    /// Asks whether the server answers, whatever the breaker says.
    pub(super) async fn ping(&self, deadline: Deadline) -> Result<(), RemoteError> {
        let ping = redis::cmd("PING");
        match self.send(&ping, deadline, deadline.left()).await {
            // An answer too: the server is there for those who have the right to ask.
            Err(RemoteError::Refused { code, .. }) if code == NO_PERMISSION => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// `granted` is what is left until the deadline.
    async fn attempt(
        &self,
        command: &impl Request,
        deadline: Deadline,
        granted: Duration,
    ) -> Result<Value, RemoteError> {
        self.0
            .breaker
            .admit()
            .map_err(|failures| RemoteError::CircuitOpen {
                address: self.0.target.address.clone(),
                failures,
            })?;
        // A caller that had hardly any time left says nothing about the server.
        let fair = granted >= self.0.target.timeout / FAIR_SHARE;
        let answer = self.send(command, deadline, granted).await;
        match answer {
            Err(RemoteError::Timeout { .. }) if fair => self.0.breaker.timed_out(),
            // Nothing was sent, or nobody waited for the answer: neither says anything.
            Err(
                RemoteError::Timeout { .. }
                | RemoteError::Disconnected { .. }
                | RemoteError::Closed,
            ) => {}
            _ => self.0.breaker.answered(),
        }
        answer
    }

    async fn send(
        &self,
        command: &impl Request,
        deadline: Deadline,
        granted: Duration,
    ) -> Result<Value, RemoteError> {
        let mut connection = self.connection()?;
        match timeout_at(deadline.instant(), command.send(&mut connection)).await {
            Ok(Ok(value)) => value.extract_error().map_err(|error| self.explain(&error)),
            Ok(Err(error)) => Err(self.explain(&error)),
            Err(_) => Err(RemoteError::Timeout {
                address: self.0.target.address.clone(),
                after: granted,
            }),
        }
    }

    async fn permit(&self, deadline: Deadline) -> Result<SemaphorePermit<'_>, RemoteError> {
        if let Ok(permit) = self.0.permits.try_acquire() {
            return Ok(permit);
        }
        match timeout_at(deadline.instant(), self.0.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(RemoteError::Overloaded {
                address: self.0.target.address.clone(),
                limit: IN_FLIGHT,
            }),
        }
    }

    /// The connection as it is now, for raw commands.
    pub(super) fn connection(&self) -> Result<MultiplexedConnection, RemoteError> {
        match &self.0.state.read().connection {
            Connection::Up(connection) => Ok(connection.clone()),
            Connection::Down(reason) => Err(RemoteError::Disconnected {
                address: self.0.target.address.clone(),
                reason: reason.clone(),
            }),
            Connection::Closed => Err(RemoteError::Closed),
        }
    }

    fn explain(&self, error: &RedisError) -> RemoteError {
        let address = self.0.target.address.clone();
        if error.is_connection_dropped() || error.is_io_error() {
            self.0.broken.notify_one();
            return RemoteError::Disconnected {
                address,
                reason: error.to_string(),
            };
        }
        let message = error.to_string();
        match error.code() {
            Some("WRONGTYPE") => RemoteError::WrongType { address, message },
            code => RemoteError::Refused {
                address,
                code: code.unwrap_or("ERR").to_owned(),
                message,
            },
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.0.state.read().connection, Connection::Up(_))
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.0.state.read().connection, Connection::Closed)
    }

    async fn supervise(self) {
        let mut backoff = Backoff::default();
        while !self.is_closed() {
            let inner = Arc::downgrade(&self.0);
            let broken = move || {
                if let Some(inner) = inner.upgrade() {
                    inner.broken.notify_one();
                }
            };
            let (reason, failed) = match self.0.target.connect(&self.0.clock, broken).await {
                Ok(connected) => {
                    backoff.reset();
                    (self.keep(connected).await, None)
                }
                Err(error) => (error.reason(), Some(error)),
            };
            if !self.set(Connection::Down(reason.clone())) {
                return;
            }
            // After the state, so that whoever waited for the attempt finds the reason there.
            if let Some(error) = failed {
                self.0.attempts.send_replace(Some(Err(error)));
            }
            let wait = backoff.next(backoff::LONGEST, chance());
            tracing::warn!(
                target: "larder::remote",
                address = %self.0.target.address, reason, ?wait,
                "no connection to the remote; trying again"
            );
            sleep(wait).await;
        }
    }

    /// Serves a connection until it is lost; says why it was.
    async fn keep(&self, connected: Connected) -> String {
        let Connected {
            mut connection,
            sample,
            lineage,
            info,
            notes,
        } = connected;
        tracing::info!(
            target: "larder::remote",
            address = %self.0.target.address, kind = info.kind, version = info.version,
            "connected to the remote"
        );
        for note in &notes {
            tracing::warn!(target: "larder::remote", address = %self.0.target.address, "{note}");
        }
        {
            let mut state = self.0.state.write();
            state.sample = Some(sample.or_older(state.sample));
            state.info = Some(info);
            state.notes = notes;
        }
        self.0.breaker.reset();
        if !self.set(Connection::Up(connection.clone())) {
            return String::new();
        }
        self.0.attempts.send_replace(Some(Ok(())));
        let mut unanswered = 0;
        loop {
            let woken = timeout(HEARTBEAT, self.0.broken.notified()).await.is_ok();
            if woken && self.is_closed() {
                return String::new();
            }
            // Woken or not, ask: the note may be of the connection before this one.
            let asked = ask_time(&mut connection, &self.0.clock, lineage);
            match timeout(self.0.target.timeout.min(HEARTBEAT), asked).await {
                Ok(Ok(sample)) => {
                    unanswered = 0;
                    self.0.breaker.heartbeat_answered();
                    let mut state = self.0.state.write();
                    state.sample = Some(sample.or_older(state.sample));
                }
                Ok(Err(error)) if !error.is_connection_dropped() && !error.is_io_error() => {
                    // It answers, if only with an error (LOADING, NOPERM).
                    unanswered = 0;
                    self.0.breaker.heartbeat_answered();
                }
                Ok(Err(error)) => return error.to_string(),
                Err(_) => {
                    unanswered += 1;
                    if unanswered == LOST_AFTER {
                        return format!("{unanswered} heartbeats were not answered");
                    }
                }
            }
        }
    }

    /// False where the link was closed, which is for good.
    fn set(&self, connection: Connection) -> bool {
        let mut state = self.0.state.write();
        if matches!(state.connection, Connection::Closed) {
            return false;
        }
        state.connection = connection;
        true
    }
}
