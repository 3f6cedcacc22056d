//! What the integration tests share: conditions to wait for, larders on real servers, and a remote
//! whose every step a test decides.

#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    unreachable_pub,
    clippy::missing_panics_doc,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too, and no test uses all of them"
)]

mod place;

use std::convert::Infallible;
use std::future::Ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use larder::Larder;
use larder::config::{Config, ConfigBuilder};
use larder_servers::{Kind, Monitor, Recorded, Server};

pub use self::place::Place;
pub(crate) use self::place::everywhere;
#[cfg(feature = "testing")]
pub use larder::testing::{Fault, FaultyRemote, Held, Operation, When};

/// How long a condition may take to come true. Nothing waits for this in a run that passes.
pub const BOUND: Duration = Duration::from_secs(10);

/// Waits until `check` holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let began = Instant::now();
    while !check().await {
        assert!(began.elapsed() < BOUND, "not within {BOUND:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Awaits a future that must not hang.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(BOUND, future).await else {
        panic!("hangs: {what}");
    };
    value
}

pub const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A loader that cannot fail, for `get_or_load(&key, always(value))`.
pub fn always<V>(value: V) -> impl FnOnce() -> Ready<Result<V, Infallible>> {
    move || std::future::ready(Ok(value))
}

/// Counts runs of a loader.
#[derive(Clone, Debug, Default)]
pub struct Runs(Arc<AtomicUsize>);

impl Runs {
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A loader of `value` that counts itself.
    pub fn load<V>(&self, value: V) -> impl FnOnce() -> Ready<Result<V, Infallible>> + use<V> {
        let runs = self.clone();
        move || {
            runs.count();
            std::future::ready(Ok(value))
        }
    }
}

pub fn start(kind: Kind) -> Server {
    Server::start(kind).unwrap()
}

/// The configuration of a larder on `server`, with a short timeout.
pub fn config(server: &Server) -> ConfigBuilder {
    Config::builder().url(server.url()).timeout(secs(2))
}

/// A larder on `server`.
pub async fn larder(server: &Server) -> Larder {
    larder_with(config(server)).await
}

pub async fn larder_with(config: ConfigBuilder) -> Larder {
    Larder::with(config.build().unwrap()).await.unwrap()
}

/// The commands that larder itself sent for its callers, without its heartbeat, its greeting and
/// the stamps of groups, which a process reads once and then hears of.
pub fn traffic(monitor: &Monitor) -> Vec<Recorded> {
    let mut commands = monitor.commands().unwrap();
    commands.retain(|command| {
        !["TIME", "PING", "HELLO", "INFO", "SELECT", "CLIENT", "ECHO"]
            .contains(&command.name().as_str())
            && !command.args.iter().any(|arg| is_stamp(arg))
    });
    commands
}

/// Whether a key is that of a group's stamp.
pub fn is_stamp(key: &[u8]) -> bool {
    key.starts_with(b"cache:stamp:")
}

/// How many keys the server holds, without the stamps of groups.
pub fn keys(server: &Server) -> usize {
    let keys = server.command(&["KEYS", "*"]).unwrap();
    let larder_servers::Reply::List(keys) = keys else {
        panic!("{keys:?}");
    };
    keys.iter()
        .filter(|key| !key.as_str().unwrap().starts_with("cache:stamp:"))
        .count()
}

/// The names of [`traffic`], without what scripts did on the server.
pub fn names(monitor: &Monitor) -> Vec<String> {
    let mut commands = traffic(monitor);
    commands.retain(|command| !command.from_script());
    commands.iter().map(Recorded::name).collect()
}

/// How often a value was written, by a command or within a script. Leases are none.
pub fn writes(monitor: &Monitor) -> usize {
    let writes = |command: &&Recorded| {
        let key = command.args.get(1).map(Vec::as_slice).unwrap_or_default();
        command.name() == "SET" && !key.starts_with(b"cache:lease:")
    };
    traffic(monitor).iter().filter(writes).count()
}

/// Runs each named test once on Valkey and once on Redis.
macro_rules! on_each_server {
    ($($test:ident),+ $(,)?) => {
        mod on_valkey {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(larder_servers::Kind::Valkey).await;
            })+
        }
        mod on_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(larder_servers::Kind::Redis).await;
            })+
        }
    };
}
pub(crate) use on_each_server;
