//! `#[cached]` and `#[invalidates]`, as users write them.

#![cfg(all(feature = "macros", feature = "json"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test fails by panicking, in its helpers too"
)]

mod errors;
mod forms;
mod keys;
mod options;
mod writes;
mod batches;
mod blocking;

use std::fmt;
use std::sync::Arc;

use larder::{Larder, LoadError};
use serde::{Deserialize, Serialize};
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

/// The process-wide larder. Where each test is a process of its own, it is each test's own.
pub async fn installed() -> Larder {
    static ONE: OnceCell<Larder> = OnceCell::const_new();
    let install = async || {
        let larder = Larder::in_memory().await.unwrap();
        larder::global::install(larder.clone()).unwrap();
        larder
    };
    ONE.get_or_init(install).await.clone()
}
