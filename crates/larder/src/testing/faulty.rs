//! A server in memory that fails as a test says.

use std::collections::HashMap;
use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::sync::Weak;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tokio::time::{sleep, sleep_until};

use super::fault::{Fault, Held, Operation, When};
use super::relay::Relay;
use crate::bounded::Bounds;
use crate::key::{Prefix, StoredKey};
use crate::remote::operations::operations;
use crate::remote::{
    Acquired, Claim, Cursor, Deadline, Lease, MemoryRemote, Observer, Page, Pushes, Remote,
    RemoteError, RemoteFuture, RemoteHealth, RemoteState, ServerTime, Sighting,
};
use crate::time::Clock;

/// What a [`FaultyRemote`] calls itself in errors.
const ADDRESS: &str = "faulty";
const CAPACITY: u64 = 256 << 20;

/// A server in memory that fails as a test says. Clones are the same server, and several larders may
/// share it, as several processes do.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use larder::testing::{Fault, FaultyRemote, Operation};
/// use larder::{Cache, Larder};
///
/// let server = FaultyRemote::new();
/// let larder = Larder::builder().remote(server.clone()).build().await?;
/// let users: Cache<u64, String> = larder.cache("users").build()?;
///
/// server.inject_next(1, [Operation::Set], Fault::Fail);
/// assert!(users.set(&42, "Ann").await.is_err());
/// users.set(&42, "Ann").await?;
///
/// server.go_down();
/// assert!(larder.health().await.is_degraded());
/// let user = users.get_or_load(&7, || async { Ok::<_, std::io::Error>("Bob".to_owned()) }).await?;
/// assert_eq!(*user, "Bob");
/// server.heal();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FaultyRemote(Arc<Inner>);

struct Inner {
    /// Another one after each [`wipe`](FaultyRemote::wipe).
    store: RwLock<MemoryRemote>,
    clock: Clock,
    has_pushes: bool,
    faults: Mutex<Faults>,
    relays: Mutex<Relays>,
}

#[derive(Default)]
struct Faults {
    injected: HashMap<Operation, Injected>,
    calls: HashMap<Operation, usize>,
    holds: HashMap<(Operation, When), Vec<Held>>,
}

struct Injected {
    fault: Fault,
    /// For how many calls more; `None`: until it is healed.
    left: Option<usize>,
}

#[derive(Default)]
struct Relays {
    all: Vec<(Prefix, Arc<Relay>)>,
    are_broken: bool,
    are_silent: bool,
}

impl FaultyRemote {
    /// An empty server that works, by the system's clock.
    pub fn new() -> Self {
        Self::with(Clock::system())
    }

    /// An empty server that works, by `clock`: the larder's own, where that is moved by hand.
    pub fn with(clock: Clock) -> Self {
        Self::made(clock, true)
    }

    /// The same of a kind that tells nobody of changes: memory is trusted by the cache's
    /// [`Coherence`](crate::Coherence) alone.
    pub fn without_pushes(clock: Clock) -> Self {
        Self::made(clock, false)
    }

    fn made(clock: Clock, has_pushes: bool) -> Self {
        Self(Arc::new(Inner {
            store: RwLock::new(MemoryRemote::with(CAPACITY, clock.clone())),
            clock,
            has_pushes,
            faults: Mutex::default(),
            relays: Mutex::default(),
        }))
    }

    /// Lets these operations go wrong until they are [healed](Self::heal). It takes the place of what was
    /// said of them before.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "who injects a fault is done with it"
    )]
    pub fn inject(&self, operations: impl IntoIterator<Item = Operation>, fault: Fault) {
        self.put(operations, &fault, None);
    }

    /// Lets each of these operations go wrong `times` times, and then no more.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "who injects a fault is done with it"
    )]
    pub fn inject_next(
        &self,
        times: usize,
        operations: impl IntoIterator<Item = Operation>,
        fault: Fault,
    ) {
        self.put(operations, &fault, Some(times));
    }

    /// Lets these operations work again.
    pub fn heal_only(&self, operations: impl IntoIterator<Item = Operation>) {
        let mut faults = self.0.faults.lock();
        for operation in operations {
            faults.injected.remove(&operation);
        }
    }

    fn put(
        &self,
        operations: impl IntoIterator<Item = Operation>,
        fault: &Fault,
        left: Option<usize>,
    ) {
        let mut faults = self.0.faults.lock();
        for operation in operations {
            let fault = fault.clone();
            faults.injected.insert(operation, Injected { fault, left });
        }
    }

    /// Cannot be reached from now on: all operations fail, and nothing is told of changes.
    pub fn go_down(&self) {
        self.inject(Operation::ALL, Fault::Fail);
        self.break_pushes();
    }

    /// Ends all faults, and tells of changes again: what was not told of meanwhile is not believed.
    pub fn heal(&self) {
        self.0.faults.lock().injected.clear();
        let mut relays = self.0.relays.lock();
        let were_silent = std::mem::take(&mut relays.are_silent);
        relays.are_broken = false;
        for (_, relay) in &relays.all {
            relay.silence(false);
            // Who missed changes begins anew, as after a broken stream.
            if were_silent {
                relay.mend();
            }
        }
    }

    /// Tells nobody of changes any more, and nobody has noticed: the connection stands and nothing comes.
    /// A real server's larder notices within a second; here the test says when, by
    /// [`break_pushes`](Self::break_pushes).
    pub fn silence_pushes(&self) {
        let mut relays = self.0.relays.lock();
        relays.are_silent = true;
        for (_, relay) in &relays.all {
            relay.silence(true);
        }
    }

    /// Tells nobody of changes any more, and everybody knows: memory is not trusted, until it is
    /// [healed](Self::heal).
    pub fn break_pushes(&self) {
        let mut relays = self.0.relays.lock();
        relays.are_broken = true;
        relays.are_silent = true;
        for (_, relay) in &relays.all {
            relay.silence(true);
            relay.sever();
        }
    }

    /// Loses all that it holds, as by `FLUSHALL`.
    pub fn wipe(&self) {
        let empty = MemoryRemote::with(CAPACITY, self.0.clock.clone());
        let mut relays = self.0.relays.lock();
        relays.all.retain(|(_, relay)| relay.is_heard());
        for (prefix, relay) in &relays.all {
            empty.watch(prefix, Arc::<Relay>::downgrade(relay));
        }
        *self.0.store.write() = empty;
        for (_, relay) in &relays.all {
            relay.flushed();
        }
    }

    /// How often this operation was asked for.
    pub fn calls(&self, operation: Operation) -> usize {
        let faults = self.0.faults.lock();
        faults.calls.get(&operation).copied().unwrap_or_default()
    }

    /// Holds the next operation of this kind that is not held yet, until the test releases it.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use larder::{Cache, Larder};
    /// use larder::testing::{FaultyRemote, Operation, When};
    ///
    /// # let server = FaultyRemote::new();
    /// # let larder = Larder::builder().remote(server.clone()).build().await?;
    /// # let users: Cache<u64, String> = larder.cache("users").build()?;
    /// let held = server.hold(Operation::Remove, When::After);
    /// let removal = tokio::spawn({
    ///     let users = users.clone();
    ///     async move { users.remove(&42).await }
    /// });
    /// held.reached().await; // the server has removed it, and nobody knows
    /// held.release();
    /// assert!(!removal.await??, "there was none");
    /// # Ok(())
    /// # }
    /// ```
    pub fn hold(&self, operation: Operation, when: When) -> Held {
        let held = Held::default();
        let mut faults = self.0.faults.lock();
        let holds = faults.holds.entry((operation, when)).or_default();
        holds.push(held.clone());
        held
    }

    fn store(&self) -> MemoryRemote {
        self.0.store.read().clone()
    }

    /// Counts a call; what goes wrong with it.
    fn begin(&self, operation: Operation) -> Option<Fault> {
        let mut faults = self.0.faults.lock();
        *faults.calls.entry(operation).or_default() += 1;
        let injected = faults.injected.get_mut(&operation)?;
        match &mut injected.left {
            Some(0) => return None,
            Some(left) => *left -= 1,
            None => {}
        }
        Some(injected.fault.clone())
    }

    async fn pause(&self, operation: Operation, when: When) {
        let held = {
            let mut faults = self.0.faults.lock();
            match faults.holds.get_mut(&(operation, when)) {
                Some(waiting) if !waiting.is_empty() => waiting.remove(0),
                _ => return,
            }
        };
        held.pass().await;
    }

    /// Runs an operation as the faults let it. `run` is told what lookups find.
    async fn through<T, F>(
        &self,
        operation: Operation,
        deadline: Deadline,
        run: impl FnOnce(MemoryRemote, Option<Bytes>) -> F,
    ) -> Result<T, RemoteError>
    where
        F: Future<Output = Result<T, RemoteError>>,
    {
        let fault = self.begin(operation);
        self.pause(operation, When::Before).await;
        let mut garbled = None;
        match &fault {
            Some(Fault::Fail) => return Err(disconnected()),
            Some(Fault::Hang) => return Err(hang(deadline).await),
            Some(Fault::Delay(by)) if *by >= deadline.left() => return Err(hang(deadline).await),
            Some(Fault::Delay(by)) => sleep(*by).await,
            Some(Fault::Full) if operation.takes_room() => return Err(full()),
            Some(Fault::Garble(bytes)) => garbled = Some(bytes.clone()),
            Some(Fault::LoseAnswer | Fault::Full) | None => {}
        }
        let answer = run(self.store(), garbled).await;
        self.pause(operation, When::After).await;
        if fault == Some(Fault::LoseAnswer) {
            return Err(disconnected());
        }
        answer
    }
}

fn disconnected() -> RemoteError {
    RemoteError::Disconnected {
        address: ADDRESS.to_owned(),
        reason: "the test says so".to_owned(),
    }
}

fn full() -> RemoteError {
    RemoteError::Refused {
        address: ADDRESS.to_owned(),
        code: "OOM".to_owned(),
        message: "OOM the test lets the server be full".to_owned(),
    }
}

async fn hang(deadline: Deadline) -> RemoteError {
    let after = deadline.left();
    sleep_until(deadline.instant()).await;
    RemoteError::Timeout {
        address: ADDRESS.to_owned(),
        after,
    }
}

impl Default for FaultyRemote {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FaultyRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyRemote")
    }
}

/// The methods that only go through.
macro_rules! through {
    (
        lookups { $($_lookups:tt)* }
        others { $($name:ident($operation:ident $(, $arg:ident: $type:ty)*) -> $answer:ty;)+ }
    ) => {$(
        fn $name<'a>(
            &'a self,
            $($arg: $type,)*
            deadline: Deadline,
        ) -> RemoteFuture<'a, Result<$answer, RemoteError>> {
            Box::pin(self.through(Operation::$operation, deadline, async move |store, _| {
                store.$name($($arg,)* deadline).await
            }))
        }
    )+};
}

impl Remote for FaultyRemote {
    fn get<'a>(
        &'a self,
        key: &'a StoredKey,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Option<Bytes>, RemoteError>> {
        let get = async move |store: MemoryRemote, garbled: Option<Bytes>| {
            let found = store.get(key, deadline).await?;
            Ok(found.map(|bytes| garbled.unwrap_or(bytes)))
        };
        Box::pin(self.through(Operation::Get, deadline, get))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a StoredKey],
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Vec<Option<Bytes>>, RemoteError>> {
        let get = async move |store: MemoryRemote, garbled: Option<Bytes>| {
            let mut found = store.get_many(keys, deadline).await?;
            if let Some(garbled) = garbled {
                found
                    .iter_mut()
                    .flatten()
                    .for_each(|bytes| *bytes = garbled.clone());
            }
            Ok(found)
        };
        Box::pin(self.through(Operation::GetMany, deadline, get))
    }

    fn acquire<'a>(
        &'a self,
        key: &'a StoredKey,
        claim: Claim<'a>,
        deadline: Deadline,
    ) -> RemoteFuture<'a, Result<Acquired, RemoteError>> {
        let acquire = async move |store: MemoryRemote, garbled: Option<Bytes>| {
            if garbled.is_none() {
                return store.acquire(key, claim, deadline).await;
            }
            // What is there cannot be read, and counts as what the caller has seen.
            let seen = store.get(key, deadline).await?.unwrap_or_default();
            let claim = Claim {
                seen: &seen,
                ..claim
            };
            store.acquire(key, claim, deadline).await
        };
        Box::pin(self.through(Operation::Acquire, deadline, acquire))
    }

    operations!(through);

    fn watch(&self, prefix: &Prefix, observer: Weak<dyn Observer>) -> Pushes {
        if !self.0.has_pushes {
            return Pushes::None;
        }
        let mut relays = self.0.relays.lock();
        let relay = Arc::new(Relay::new(observer));
        let pushes = self.store().watch(prefix, Arc::<Relay>::downgrade(&relay));
        relay.silence(relays.are_silent);
        let is_broken = relays.are_broken;
        if is_broken {
            relay.sever();
        }
        relays.all.retain(|(_, relay)| relay.is_heard());
        relays.all.push((prefix.clone(), relay));
        // What is told later begins when the stream is mended.
        if is_broken { Pushes::Later } else { pushes }
    }

    fn server_time(&self) -> Option<ServerTime> {
        self.store().server_time()
    }

    fn health(&self, deadline: Deadline) -> RemoteFuture<'_, RemoteHealth> {
        let faults = self.0.faults.lock();
        let on_reads = faults.injected.get(&Operation::Get);
        let fault = on_reads.filter(|on| on.left != Some(0)).map(|on| &on.fault);
        if matches!(fault, Some(Fault::Fail | Fault::Hang)) {
            let mut health = RemoteHealth::new(RemoteState::Down, ADDRESS);
            health.last_error = Some("the test says so".to_owned());
            return Box::pin(ready(health));
        }
        drop(faults);
        let store = self.store();
        Box::pin(async move { store.health(deadline).await })
    }

    /// Leaves the server to the other larders that share it.
    fn close(&self) -> RemoteFuture<'_, ()> {
        Box::pin(ready(()))
    }
}
