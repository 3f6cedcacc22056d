//! Many keys at once.

#![cfg(all(feature = "testing", feature = "valkey", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;
mod loads;
mod overlaps;
mod plain;
mod warm;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex};

use larder::{Cache, Larder};
use tokio::sync::Notify;

type Texts = Cache<u32, String>;

fn texts(larder: &Larder) -> Texts {
    larder.cache("texts").build().unwrap()
}

/// The answers as a test writes them down.
fn told<T: AsRef<String>>(all: HashMap<u32, T>) -> BTreeMap<u32, String> {
    let told = |(key, value): (u32, T)| (key, value.as_ref().clone());
    all.into_iter().map(told).collect()
}

fn expect<const N: usize>(all: [(u32, &str); N]) -> BTreeMap<u32, String> {
    all.map(|(key, value)| (key, value.to_owned())).into()
}

/// A source that brings `"<name> <key>"`, writes down what it was asked for, and waits where it is
/// told to.
#[derive(Clone)]
struct Source(Arc<Inner>);

struct Inner {
    name: &'static str,
    asked: Mutex<Vec<Vec<u32>>>,
    begun: Notify,
    go_on: Option<Notify>,
}

impl Source {
    fn new(name: &'static str) -> Self {
        Self::with(name, None)
    }

    /// One that brings nothing before [`go_on`](Self::go_on).
    fn slow(name: &'static str) -> Self {
        Self::with(name, Some(Notify::new()))
    }

    fn with(name: &'static str, go_on: Option<Notify>) -> Self {
        Self(Arc::new(Inner {
            name,
            asked: Mutex::default(),
            begun: Notify::new(),
            go_on,
        }))
    }

    async fn begun(&self) {
        common::soon("the load begins", self.0.begun.notified()).await;
    }

    fn go_on(&self) {
        self.0.go_on.as_ref().unwrap().notify_one();
    }

    /// What it was asked for, call by call, each in order.
    fn asked(&self) -> Vec<Vec<u32>> {
        let mut asked = self.0.asked.lock().unwrap().clone();
        for keys in &mut asked {
            keys.sort_unstable();
        }
        asked
    }

    fn load(&self) -> impl Fn(Vec<u32>) -> Loading + Clone + Send + Sync + 'static {
        let source = self.clone();
        move |keys| {
            let source = source.clone();
            Box::pin(async move {
                source.0.asked.lock().unwrap().push(keys.clone());
                source.0.begun.notify_one();
                if let Some(go_on) = &source.0.go_on {
                    go_on.notified().await;
                }
                let value = |key| (key, format!("{} {key}", source.0.name));
                Ok(keys.into_iter().map(value).collect())
            })
        }
    }
}

type Loading =
    std::pin::Pin<Box<dyn Future<Output = Result<Vec<(u32, String)>, Infallible>> + Send>>;
