//! A trace of a cache's requests, to simulate with.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::share_below;
use crate::time::Tick;

/// How many requests are copied for writing while the cache waits.
const AT_ONCE: usize = 8192;

/// Records a cache's requests for as long as it lives, or until it is full. Made by
/// [`Cache::record`](crate::Cache::record).
///
/// Keys appear as numbers that mean nothing outside this process, and are others in the next one.
#[must_use = "recording ends when it is dropped"]
pub struct Recording(Arc<Record>);

/// What the cache has of it.
pub(super) struct Record {
    share: f64,
    most: usize,
    began: Tick,
    has_ended: AtomicBool,
    requests: Mutex<Vec<(u64, Tick)>>,
}

/// Why nothing can be recorded.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The share of the keys is none.
    #[error("the share of keys to record is above 0 and at most 1, not {share}")]
    Share {
        /// What was asked for.
        share: f64,
    },
    /// The number of requests is out of its range.
    #[error("a recording holds 1 to {max} requests, not {most}", max = Recording::MOST)]
    Most {
        /// What was asked for.
        most: usize,
    },
    /// The cache is being recorded already.
    #[error("the cache is being recorded already: drop the other recording first")]
    Records,
}

impl Record {
    pub(super) fn new(share: f64, most: usize, now: Tick) -> Result<Self, RecordingError> {
        // Not a number is not in the range either.
        if !(share > 0.0 && share <= 1.0) {
            return Err(RecordingError::Share { share });
        }
        if !(1..=Recording::MOST).contains(&most) {
            return Err(RecordingError::Most { most });
        }
        Ok(Self {
            share,
            most,
            began: now,
            has_ended: AtomicBool::new(false),
            requests: Mutex::default(),
        })
    }

    pub(super) fn below(&self) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of all hashes"
        )]
        let below = (u64::MAX as f64 * self.share) as u64;
        below.max(1)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// A request; whether there is room for more.
    pub(super) fn saw(&self, hash: u64, now: Tick) -> bool {
        if self.has_ended() {
            return false;
        }
        // The curve may look at more keys.
        if hash < self.below() {
            let mut requests = self.requests.lock();
            // Under the lock: nothing comes to what was freed.
            if !self.has_ended() {
                requests.push((hash, now));
            }
            if requests.len() == self.most {
                self.has_ended.store(true, Ordering::Relaxed);
            }
        }
        !self.has_ended()
    }
}

impl Recording {
    /// The most requests of one recording; each takes 16 bytes.
    pub const MOST: usize = 100_000_000;

    pub(super) fn new(record: Arc<Record>) -> Self {
        Self(record)
    }

    /// Requests recorded so far.
    pub fn len(&self) -> usize {
        self.0.requests.lock().len()
    }

    /// Whether nothing was recorded yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it has as many requests as it was to have, and has ended.
    pub fn is_full(&self) -> bool {
        self.len() == self.0.most
    }

    /// Writes what was recorded so far, as `larder simulate` reads it: one request a line, with its time in seconds
    /// since the recording began. The first line says which share of the keys it has, by which the simulation
    /// scales its capacities.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        writeln!(
            to,
            "# larder recording: share {}",
            share_below(self.0.below())
        )?;
        writeln!(to, "key,time")?;
        let mut written = 0;
        while let Some(some) = self.some(written) {
            written += some.len();
            for (hash, at) in some {
                let time = at.since(self.0.began);
                writeln!(to, "{hash:016x},{:.3}", time.as_secs_f64())?;
            }
        }
        to.flush()
    }

    /// The requests after so many. A few at a time: while the lock is held, requests of the cache miss
    /// their place in the recording.
    fn some(&self, after: usize) -> Option<Vec<(u64, Tick)>> {
        let requests = self.0.requests.lock();
        let some: Vec<_> = requests.iter().skip(after).take(AT_ONCE).copied().collect();
        (!some.is_empty()).then_some(some)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let requests = &mut *self.0.requests.lock();
        self.0.has_ended.store(true, Ordering::Relaxed);
        // The cache has its half until the next request of the share.
        *requests = Vec::new();
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("share", &self.0.share)
            .field("requests", &self.len())
            .field("most", &self.0.most)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_freed_with_the_recording() {
        let record = Arc::new(Record::new(1.0, 1_000, Tick(0)).unwrap());
        let recording = Recording::new(Arc::clone(&record));
        for hash in 0..500 {
            assert!(record.saw(hash, Tick(hash)));
        }
        assert_eq!(recording.len(), 500);
        drop(recording);
        assert_eq!(record.requests.lock().capacity(), 0);
        assert!(!record.saw(1, Tick(500)));
        assert_eq!(record.requests.lock().capacity(), 0);
    }
}
