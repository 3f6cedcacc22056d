//! The code under test: prices in a cache, from a supplier that is not always there.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{Cache, Freshness, Larder, LoadError};

type Failure = Box<dyn Error + Send + Sync>;

/// A supplier's price list; `CLOSED` stands for no answer.
#[derive(Clone)]
pub(crate) struct Supplier(Arc<AtomicU64>);

const CLOSED: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct SupplierClosed;

impl fmt::Display for SupplierClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the supplier does not answer")
    }
}

impl Supplier {
    pub(crate) fn new(cents: u64) -> Self {
        Self(Arc::new(AtomicU64::new(cents)))
    }

    pub(crate) fn open(&self, cents: u64) {
        self.0.store(cents, Ordering::SeqCst);
    }

    pub(crate) fn close(&self) {
        self.open(CLOSED);
    }

    fn ask(&self) -> Result<u64, SupplierClosed> {
        match self.0.load(Ordering::SeqCst) {
            CLOSED => Err(SupplierClosed),
            cents => Ok(cents),
        }
    }
}

/// What the shop shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) cents: u64,
    /// Whether to say "subject to change".
    pub(crate) is_old: bool,
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.cents / 100, self.cents % 100)?;
        f.write_str(if self.is_old {
            ", subject to change"
        } else {
            ""
        })
    }
}

pub(crate) struct Prices {
    cache: Cache<String, u64>,
    supplier: Supplier,
}

impl Prices {
    /// The larder is passed in, so that tests can pass theirs.
    pub(crate) fn new(larder: &Larder, supplier: Supplier) -> Result<Self, Failure> {
        let cache = larder
            .cache("prices")
            .ttl(Duration::from_mins(10))
            .stale(Duration::from_hours(24))
            .build()?;
        Ok(Self { cache, supplier })
    }

    pub(crate) async fn of(&self, article: &str) -> Result<Price, LoadError<SupplierClosed>> {
        let load = || async { self.supplier.ask() };
        let found = self.cache.lookup_or_load(article, load).await?;
        Ok(Price {
            cents: *found,
            is_old: found.outcome.freshness != Freshness::Fresh,
        })
    }

    /// Stores a price that was agreed on by telephone.
    pub(crate) async fn agree(&self, article: &str, cents: u64) -> Result<(), Failure> {
        Ok(self.cache.set(article, cents).await?)
    }

    pub(crate) fn cache(&self) -> &Cache<String, u64> {
        &self.cache
    }

    pub(crate) fn supplier(&self) -> &Supplier {
        &self.supplier
    }
}
