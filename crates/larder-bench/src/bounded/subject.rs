//! Who reads and writes, and where.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use larder::bounded::{Bounded, Bounds};
use larder::key::{CacheName, Prefix, StoredKey};
use larder::remote::valkey::Valkey;
use larder::remote::{Deadline, Remote as _};

use crate::Failure;
use crate::workload::Random;

const LENGTH: usize = 128;
const LIFE: Duration = Duration::from_hours(1);
const BUDGET: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    /// Of a key that is there.
    Read,
    /// In a bounded cache of a new key, for which another one goes.
    Write,
}

impl Operation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

pub(super) struct Subject {
    remote: Arc<Valkey>,
    prefix: Prefix,
    name: CacheName,
    bounds: Option<Arc<Bounds>>,
    size: u64,
    /// The next new key.
    next: AtomicU64,
}

impl Subject {
    pub(super) fn plain(remote: Arc<Valkey>, size: usize) -> Result<Self, Failure> {
        Self::of(remote, "plain", None, size as u64)
    }

    pub(super) fn bounded(remote: Arc<Valkey>, bounded: Bounded) -> Result<Self, Failure> {
        Self::of(remote, "bounded", Some(bounded), bounded.capacity())
    }

    fn of(
        remote: Arc<Valkey>,
        name: &str,
        bounded: Option<Bounded>,
        size: u64,
    ) -> Result<Self, Failure> {
        let (prefix, name) = (Prefix::default(), CacheName::new(name)?);
        let bounds = bounded.map(|bounded| Bounds::new(&prefix, &name, bounded).map(Arc::new));
        Ok(Self {
            bounds: bounds.transpose()?,
            remote,
            prefix,
            name,
            size,
            next: AtomicU64::new(size),
        })
    }

    pub(super) fn name(&self) -> &'static str {
        match self.bounds {
            None => "plain",
            Some(_) => "bounded",
        }
    }

    fn key(&self, key: u64) -> Result<StoredKey, Failure> {
        Ok(match &self.bounds {
            None => StoredKey::new(&self.prefix, None, &self.name, &key)?,
            Some(bounds) => StoredKey::bounded(bounds, None, &key)?,
        })
    }

    pub(super) async fn put(&self, key: u64) -> Result<(), Failure> {
        let (key, value) = (self.key(key)?, Bytes::from_static(&[7; LENGTH]));
        let set = self.remote.set(&key, value, LIFE, Deadline::after(BUDGET));
        Ok(set.await?)
    }

    /// `seed` chooses the key.
    pub(super) async fn run(&self, operation: Operation, seed: u64) -> Result<(), Failure> {
        match (operation, &self.bounds) {
            (Operation::Read, _) => {
                // After writes only the newest are there, or of some policies the oldest.
                let there = self.key(Random(seed).next() % self.size)?;
                self.remote.get(&there, Deadline::after(BUDGET)).await?;
                Ok(())
            }
            (Operation::Write, None) => self.put(Random(seed).next() % self.size).await,
            (Operation::Write, Some(_)) => {
                self.put(self.next.fetch_add(1, Ordering::Relaxed)).await
            }
        }
    }
}
