//! What a subject has to be able to do, and what is noted of each read.

use std::time::Duration;

use tokio::time::sleep;

use crate::Failure;

/// What a subject grants to the server, where the case sets it.
pub(super) const TIMEOUT: Duration = Duration::from_millis(500);
/// How long values live. Longer than a run, so that all that is missed is missed for another reason.
pub(super) const TTL: Duration = Duration::from_mins(10);
/// How long the loader takes.
const LOAD: Duration = Duration::from_millis(1);

/// Which keys are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// Asked for again and again.
    Hot,
    /// The same, where the process keeps nothing in its own memory: the server's hits.
    Shared,
    /// Never asked for before.
    Cold,
}

impl Keys {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Shared => "shared",
            Self::Cold => "cold",
        }
    }
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Near,
    Remote,
    Loader,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) source: Source,
    pub(super) is_stale: bool,
}

/// An error that a caller saw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen;

#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// When the read was to begin, by the common clock.
    pub(super) due: Duration,
    /// From then until the answer.
    pub(super) took: Duration,
    pub(super) answer: Result<Answer, Seen>,
}

pub(super) trait Reader: Send + Sync + Sized + 'static {
    const NAME: &'static str;

    fn open(url: &str) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// One read, with a loader behind it.
    fn read(&self, keys: Keys, n: u64) -> impl Future<Output = Result<Answer, Seen>> + Send;
}

/// The loader, which never fails.
pub(super) async fn load(n: u64) -> String {
    sleep(LOAD).await;
    format!("{n:~<128}")
}
