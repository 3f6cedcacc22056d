//! What a share of a cache's keys tells about all of it: where its requests are recorded, and how its hit rate
//! would change with its size.
//!
//! A key is looked at in all of its requests, or in none: those are, whose hash is below a threshold. That keeps
//! the order in which keys come again, which a share of the requests would not (SHARDS, by Waldspurger, Park,
//! Garthwaite and Ahmad, 2015). A lookup compares one number, and whoever is not in the share has done with it.
//!
//! Nobody waits here. Where two threads are in the share at once, the second one's request is not noted.

mod curve;
mod recording;
mod reuse;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

pub use curve::MissRatioCurve;
pub(crate) use curve::Size;
pub use recording::{Recording, RecordingError};

use crate::time::Clock;
use recording::Record;
use reuse::Reuse;

/// A cache's samples.
pub(crate) struct Sampling {
    clock: Clock,
    /// Hashes below it are looked at: by the curve, or by a recording.
    below: AtomicU64,
    curve: Option<Mutex<Reuse>>,
    /// As long as the caller has its other half.
    recording: Mutex<Option<Arc<Record>>>,
}

impl Sampling {
    pub(crate) fn new(clock: Clock, has_curve: bool) -> Self {
        let curve = has_curve.then(|| Mutex::new(Reuse::new(clock.now())));
        let sampling = Self {
            clock,
            below: AtomicU64::new(0),
            curve,
            recording: Mutex::new(None),
        };
        sampling.settle();
        sampling
    }

    /// A request for a key.
    #[inline]
    pub(crate) fn saw(&self, hash: u64) {
        if hash < self.below.load(Ordering::Relaxed) {
            self.note(hash);
        }
    }

    #[cold]
    fn note(&self, hash: u64) {
        let now = self.clock.now();
        let mut is_settled = true;
        if let Some(mut reuse) = self.curve.as_ref().and_then(Mutex::try_lock) {
            is_settled &= !reuse.saw(hash, now);
        }
        if let Some(recording) = self.recording.try_lock()
            && let Some(record) = recording.as_ref()
        {
            is_settled &= record.saw(hash, now);
        }
        if !is_settled {
            self.settle();
        }
    }

    /// Sets the threshold to what is asked for now.
    fn settle(&self) {
        // Held to the end, so that the last to settle knows of all.
        let mut recording = self.recording.lock();
        if recording.as_ref().is_some_and(|record| record.has_ended()) {
            *recording = None;
        }
        let of_curve = self.curve.as_ref().map_or(0, |reuse| reuse.lock().below());
        let of_recording = recording.as_ref().map_or(0, |record| record.below());
        self.below
            .store(of_curve.max(of_recording), Ordering::Relaxed);
    }

    /// The curve, of so many lookups in all.
    pub(crate) fn curve(&self, lookups: u64, size: Size) -> Option<MissRatioCurve> {
        let reuse = self.curve.as_ref()?.lock();
        Some(reuse.curve(lookups, size))
    }

    /// Begins to record, if nothing is recorded yet.
    pub(crate) fn record(&self, share: f64, most: usize) -> Result<Recording, RecordingError> {
        let mut recording = self.recording.lock();
        if recording.as_ref().is_some_and(|record| !record.has_ended()) {
            return Err(RecordingError::Records);
        }
        let record = Arc::new(Record::new(share, most, self.clock.now())?);
        *recording = Some(Arc::clone(&record));
        drop(recording);
        self.settle();
        Ok(Recording::new(record))
    }
}

/// The share of all hashes that are below a threshold.
fn share_below(below: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = below as f64 / u64::MAX as f64;
    share
}
