//! An observer that writes down what it hears.

use parking_lot::Mutex;

use crate::remote::{Asked, Observer};
use crate::time::Tick;

/// What an observer was told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// The stream begins.
    Began,
    /// The value under a stored key may have changed.
    Changed(String),
    /// The lease of a stored key was taken, renewed or ended.
    LeaseChanged(String),
    /// Everything may be gone.
    Flushed,
    /// The question of this number was answered.
    Answered(u64),
    /// The stream is lost, for this reason.
    Ended(String),
}

/// An observer that writes down what it hears, in order.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use larder::key::Prefix;
/// use larder::remote::{Deadline, MemoryRemote, Remote};
/// use larder::testing::{Heard, Recorder, stored_key};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (remote, recorder) = (MemoryRemote::new(), Arc::new(Recorder::new()));
/// let weak = Arc::downgrade(&recorder);
/// remote.watch(&Prefix::default(), weak);
/// let key = stored_key("users", &42)?;
/// remote.remove(&key, Deadline::after(Duration::from_secs(1))).await?;
/// assert_eq!(
///     recorder.heard(),
///     [Heard::Began, Heard::Changed("cache:users:42".to_owned())]
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Record>);

#[derive(Debug, Default)]
struct Record {
    heard: Vec<Heard>,
    asked: u64,
}

impl Recorder {
    /// One that has heard nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// All that it was told since the last [`clear`](Self::clear).
    pub fn heard(&self) -> Vec<Heard> {
        self.0.lock().heard.clone()
    }

    /// How often it was called before a question; also the number of the last one.
    pub fn asked(&self) -> u64 {
        self.0.lock().asked
    }

    /// Forgets what it was told, and goes on counting questions.
    pub fn clear(&self) {
        self.0.lock().heard.clear();
    }

    fn hear(&self, what: Heard) {
        self.0.lock().heard.push(what);
    }
}

impl Observer for Recorder {
    fn began(&self) {
        self.hear(Heard::Began);
    }

    fn changed(&self, key: &str) {
        self.hear(Heard::Changed(key.to_owned()));
    }

    fn lease_changed(&self, key: &str) {
        self.hear(Heard::LeaseChanged(key.to_owned()));
    }

    fn flushed(&self) {
        self.hear(Heard::Flushed);
    }

    fn asks(&self) -> Asked {
        let mut record = self.0.lock();
        record.asked += 1;
        Asked(Tick(record.asked))
    }

    fn answered(&self, asked: Asked) {
        self.hear(Heard::Answered(asked.0.0));
    }

    fn ended(&self, reason: &str) {
        self.hear(Heard::Ended(reason.to_owned()));
    }
}
