//! What was cleared is freed on the server: all of it, nothing else, and a little at a time.

#![cfg(all(feature = "testing", feature = "valkey", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod clear;
mod erase;
mod patterns;

use larder::remote::{Deadline, MemoryRemote, Remote};
use larder::{Cache, Larder};
use larder_servers::{Kind, Server};

use common::{larder, secs, start};

/// Two larders of one server, or of memory, and a way to look at what lies there.
pub(crate) struct Site {
    pub(crate) here: Larder,
    pub(crate) there: Larder,
    store: Store,
}

enum Store {
    Server(Box<Server>),
    Memory(MemoryRemote),
}

impl Site {
    pub(crate) async fn on_server(kind: Kind) -> Self {
        let server = start(kind);
        Self {
            here: larder(&server).await,
            there: larder(&server).await,
            store: Store::Server(Box::new(server)),
        }
    }

    pub(crate) async fn in_memory() -> Self {
        let store = MemoryRemote::new();
        let on = async || Larder::builder().remote(store.clone()).build().await;
        Self {
            here: on().await.unwrap(),
            there: on().await.unwrap(),
            store: Store::Memory(store),
        }
    }

    /// All keys that there are, in order.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = match &self.store {
            Store::Server(server) => keys_of(server),
            Store::Memory(memory) => {
                let all = memory.scan("", None, usize::MAX, Deadline::after(secs(1)));
                all.await.unwrap().keys
            }
        };
        keys.sort();
        keys
    }

    /// How many keys begin like this.
    pub(crate) async fn count(&self, beginning: &str) -> usize {
        let keys = self.keys().await;
        keys.iter().filter(|key| key.starts_with(beginning)).count()
    }
}

pub(crate) fn keys_of(server: &Server) -> Vec<String> {
    let all = server.command(&["KEYS", "*"]).unwrap();
    let keys = all.as_list().iter();
    keys.map(|key| key.as_str().unwrap().to_owned()).collect()
}

pub(crate) fn cache(larder: &Larder, name: &str) -> Cache<u32, String> {
    larder.cache(name).build().unwrap()
}

/// Stores values under these keys.
pub(crate) async fn fill(cache: &Cache<u32, String>, keys: std::ops::Range<u32>) {
    for key in keys {
        cache.set(&key, "value").await.unwrap();
    }
}

macro_rules! everywhere {
    ($($test:ident),+ $(,)?) => {
        mod by_memory {
            $(#[tokio::test]
            async fn $test() { super::$test(crate::Site::in_memory().await).await; })+
        }
        mod by_valkey {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::Site::on_server(larder_servers::Kind::Valkey).await).await;
            })+
        }
        mod by_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::Site::on_server(larder_servers::Kind::Redis).await).await;
            })+
        }
    };
}
pub(crate) use everywhere;
