//! `#[cached]` and `#[invalidates]`, as users write them.

#![cfg(all(feature = "macros", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

mod batches;
mod blocking;
mod bodies;
mod errors;
mod forms;
mod global;
mod isolation;
mod keys;
mod lints;
mod options;
#[cfg(feature = "valkey")]
mod servers;
mod templates;
mod writes;

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use larder::{Larder, LoadError};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// What the functions of these tests return.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    pub id: u64,
    pub name: String,
}

impl User {
    pub fn new(id: u64, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
        }
    }
}

/// An error as an application has one.
#[derive(Clone, Debug)]
pub enum DbError {
    NotFound,
    Load(Arc<LoadError<DbError>>),
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("not found"),
            Self::Load(error) => error.fmt(f),
        }
    }
}

impl From<LoadError<Self>> for DbError {
    fn from(error: LoadError<Self>) -> Self {
        Self::Load(Arc::new(error))
    }
}

/// The process-wide larder, on a runtime that outlives each test's.
pub async fn installed() -> Larder {
    static ONE: OnceCell<Larder> = OnceCell::const_new();
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    let install = async || {
        let larder = RUNTIME.spawn(Larder::in_memory()).await.unwrap().unwrap();
        larder::global::install(larder.clone()).unwrap();
        larder
    };
    ONE.get_or_init(install).await.clone()
}

/// How often anything ran, in one test.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU32>);

impl Counter {
    pub fn up(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub fn get(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}
