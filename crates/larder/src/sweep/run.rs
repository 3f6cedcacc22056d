//! One sweep: how far it is, and how it ended.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::SweepProgress;
use crate::error::Error;
use crate::key::NameError;
use crate::remote::RemoteError;

/// How a sweep ended.
#[derive(Clone, Debug)]
pub(super) enum Ended {
    Done,
    Closed,
    /// There is no such tenant.
    Named(NameError),
    Failed {
        range: String,
        source: RemoteError,
    },
}

pub(crate) struct Run {
    scanned: AtomicU64,
    freed: AtomicU64,
    bytes: AtomicU64,
    ended: watch::Sender<Option<Ended>>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            scanned: AtomicU64::new(0),
            freed: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            ended: watch::Sender::new(None),
        }
    }
}

impl Run {
    pub(super) fn scanned(&self, keys: u64) {
        self.scanned.fetch_add(keys, Ordering::Relaxed);
    }

    pub(super) fn freed(&self, values: u64, bytes: u64) {
        self.freed.fetch_add(values, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Says how it ended. The first word counts.
    pub(super) fn end(&self, how: Ended) {
        self.ended.send_if_modified(|ended| {
            let is_first = ended.is_none();
            ended.get_or_insert(how);
            is_first
        });
    }

    pub(super) fn progress(&self) -> SweepProgress {
        let is_done = self.ended.borrow().is_some();
        SweepProgress {
            scanned: self.scanned.load(Ordering::Relaxed),
            freed: self.freed.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            is_done,
        }
    }

    pub(super) async fn ended(&self) -> Result<SweepProgress, Error> {
        let mut ended = self.ended.subscribe();
        let ended = match ended.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone(),
            // The sender lives in this run.
            Err(_) => None,
        };
        match ended {
            Some(Ended::Done) => Ok(self.progress()),
            Some(Ended::Named(error)) => Err(error.into()),
            Some(Ended::Failed { range, source }) => Err(Error::Remote {
                operation: "sweep",
                key: range,
                source: Box::new(source),
            }),
            Some(Ended::Closed) | None => Err(Error::Closed),
        }
    }
}
