//! Random operations, beside the model: after each the same keys are there.

use std::sync::Arc;
use std::time::Duration;

use larder::Clock;
use larder::bounded::{Bounded, ServerEviction};
use larder::remote::valkey::Valkey;
use larder::remote::{MemoryRemote, Remote};
use larder_servers::{Kind, Server};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;

use super::common::{on_each_server, start};
use super::model::Model;
use super::store::{Store, bounds, connect, soon};

const KEYS: u32 = 12;
/// Outlives all that a test does.
const LONG: Duration = Duration::from_hours(1_000);
/// Never over while a test runs, unless the test says so.
const SHORT: Duration = Duration::from_mins(30);

#[derive(Clone, Debug)]
enum Op {
    Get(u32),
    GetMany(Vec<u32>),
    Set {
        key: u32,
        len: usize,
        short: bool,
    },
    Fill {
        key: u32,
        len: usize,
        short: bool,
    },
    Remove(u32),
    /// Those that live shortly expire.
    Expire,
    Resize(u64),
}

fn op(most: u64) -> impl Strategy<Value = Op> {
    let key = || 0..KEYS;
    let len = || prop_oneof![10..60_usize, 100..250_usize];
    let short = || prop::bool::weighted(0.2);
    prop_oneof![
        6 => key().prop_map(Op::Get),
        1 => prop::collection::vec(key(), 1..5).prop_map(Op::GetMany),
        8 => (key(), len(), short()).prop_map(|(key, len, short)| Op::Set { key, len, short }),
        3 => (key(), len(), short()).prop_map(|(key, len, short)| Op::Fill { key, len, short }),
        2 => key().prop_map(Op::Remove),
        1 => Just(Op::Expire),
        1 => (1..=most).prop_map(Op::Resize),
    ]
}

impl<R: Remote> Store<R> {
    async fn run(
        &self,
        mut model: Model,
        in_bytes: bool,
        ops: &[Op],
        expire: impl Fn(&Self, &Model),
    ) {
        for (at, op) in ops.iter().enumerate() {
            let size = |store: &Self, key, len: usize| {
                if in_bytes {
                    (store.key(key).as_str().len() + len) as u64
                } else {
                    1
                }
            };
            let value = |len| vec![u8::try_from(at % 251).unwrap(); len];
            match op.clone() {
                Op::Get(key) => {
                    let found = self.get(key).await;
                    assert_eq!(found.map(Vec::from), model.get(key), "{at}: {op:?}");
                }
                Op::GetMany(keys) => {
                    let stored: Vec<_> = keys.iter().map(|key| self.key(*key)).collect();
                    let all: Vec<_> = stored.iter().collect();
                    let found = self.remote.get_many(&all, soon()).await.unwrap();
                    for (key, found) in keys.iter().zip(found) {
                        assert_eq!(found.map(Vec::from), model.get(*key), "{at}: {op:?}");
                    }
                }
                Op::Set { key, len, short } => {
                    let stored = self
                        .set(key, &value(len), if short { SHORT } else { LONG })
                        .await;
                    let size = size(self, key, len);
                    let fits = model.set(key, value(len), size, short);
                    assert_eq!(stored.is_ok(), fits, "{at}: {op:?}: {stored:?}");
                }
                Op::Fill { key, len, short } => {
                    let filled = self
                        .fill(key, &value(len), if short { SHORT } else { LONG })
                        .await;
                    let size = size(self, key, len);
                    // A load whose value is too large leaves what was there.
                    let fits = size <= model.capacity && model.set(key, value(len), size, short);
                    assert_eq!(filled.is_ok(), fits, "{at}: {op:?}: {filled:?}");
                }
                Op::Remove(key) => {
                    let removed = self.remove(key).await;
                    assert_eq!(removed, model.take(key).is_some(), "{at}: {op:?}");
                }
                Op::Expire => {
                    expire(self, &model);
                    model.expire();
                }
                Op::Resize(capacity) => {
                    let mut bounded = Bounded::new(model.eviction, capacity).resizing();
                    if in_bytes {
                        bounded = bounded.in_bytes();
                    }
                    let other = bounds(self.bounds.name().as_str(), bounded);
                    self.remote.open_bounded(&other, soon()).await.unwrap();
                    model.capacity = capacity;
                }
            }
            assert_eq!(self.there(KEYS).await, model.keys(), "{at}: after {op:?}");
        }
    }
}

on_each_server!(
    a_cache_of_entries_does_what_the_model_does,
    a_cache_of_bytes_does_what_the_model_does,
);

async fn a_cache_of_entries_does_what_the_model_does(kind: Kind) {
    on_server(kind, false).await;
}

async fn a_cache_of_bytes_does_what_the_model_does(kind: Kind) {
    on_server(kind, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_does_what_the_model_does() {
    for in_bytes in [false, true] {
        let clock = Clock::manual();
        let remote = Arc::new(MemoryRemote::with(64 << 20, clock.clone()));
        let expire = move |_: &Store<MemoryRemote>, _: &Model| clock.advance(SHORT);
        compare(remote, in_bytes, 300, expire).await;
    }
}

async fn on_server(kind: Kind, in_bytes: bool) {
    let server = start(kind);
    let remote = Arc::new(connect(&server).await);
    let expire = move |store: &Store<Valkey>, model: &Model| expire(&server, store, model);
    compare(remote, in_bytes, 40, expire).await;
}

async fn compare<R: Remote>(
    remote: Arc<R>,
    in_bytes: bool,
    cases: u32,
    expire: impl Fn(&Store<R>, &Model) + Send + 'static,
) {
    let most = if in_bytes { 600 } else { 6 };
    let runtime = Handle::current();
    let test = move || {
        for eviction in ServerEviction::ALL {
            let plan = (1..=most, prop::collection::vec(op(most), 1..80));
            let config = Config {
                cases,
                failure_persistence: None,
                ..Config::default()
            };
            let run = TestRunner::new(config).run(&plan, |(capacity, ops)| {
                let mut bounded = Bounded::new(eviction, capacity);
                if in_bytes {
                    bounded = bounded.in_bytes();
                }
                let store = Store::new(Arc::clone(&remote), bounded);
                let model = Model::new(eviction, capacity);
                runtime.block_on(async {
                    store.open().await;
                    store.run(model, in_bytes, &ops, &expire).await;
                });
                Ok(())
            });
            run.unwrap_or_else(|error| panic!("{eviction:?}: {error}"));
        }
    };
    tokio::task::spawn_blocking(test).await.unwrap();
}

/// Moves the end of those that live shortly into the past, for the server and for the index.
fn expire(server: &Server, store: &Store<Valkey>, model: &Model) {
    for entry in model.entries.iter().filter(|entry| entry.short) {
        let key = store.key(entry.key);
        let expiry = format!("{}:expiry", store.index());
        let commands = [
            ["ZADD", &expiry, "1", key.as_str()].to_vec(),
            ["PEXPIREAT", key.as_str(), "1"].to_vec(),
        ];
        for command in commands {
            server.command(&command).unwrap();
        }
    }
}
