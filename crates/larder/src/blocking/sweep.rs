//! The wait for a sweep.

use super::runtime::Runtime;
use crate::error::Error;
use crate::sweep::SweepProgress;

/// A sweep: as [`larder::Sweep`](crate::Sweep). Nobody needs to keep it: dropped, the sweep goes on.
#[derive(Clone, Debug)]
pub struct Sweep {
    inner: crate::Sweep,
    runtime: Runtime,
}

impl Sweep {
    pub(super) fn new(inner: crate::Sweep, runtime: Runtime) -> Self {
        Self { inner, runtime }
    }

    /// How far it is.
    pub fn progress(&self) -> SweepProgress {
        self.inner.progress()
    }

    /// Waits for its end, and says what it did.
    ///
    /// # Errors
    /// As [`Sweep::finished`](crate::Sweep::finished), and [`Error::InAsyncTask`].
    pub fn finished(&self) -> Result<SweepProgress, Error> {
        self.runtime.run(self.inner.finished())?
    }
}
