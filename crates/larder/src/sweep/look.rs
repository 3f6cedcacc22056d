//! Looks at what lies under keys.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::key::Prefix;
use crate::remote::{Deadline, Remote, RemoteError, Sighting};
use crate::space::Shared;
use crate::wire::Head;

/// How much of a value is read first, in bytes: all before the payload, unless it has many tags or a
/// long key.
const HEAD: usize = 256;
/// What no envelope's beginning is longer than, in bytes.
const LONGEST_HEAD: usize = 256 << 10;

/// How the server is looked through: what each request grants it, and whose keys are meant.
pub(super) struct Looker<'a> {
    pub(super) remote: &'a Arc<dyn Remote>,
    pub(super) prefix: &'a Prefix,
    timeout: Duration,
}

/// Between two attempts at a step that failed.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether asking again is in vain: the server does not let this user, or does not know the command.
pub(super) fn is_lasting(error: &RemoteError) -> bool {
    matches!(error, RemoteError::Refused { code, .. } if code == "NOPERM" || code == "ERR")
}

/// How long a server that does not answer is asked again: for as long as one call may take, anew after
/// each answer.
pub(super) struct Patience {
    timeout: Duration,
    failing: Option<Instant>,
}

impl Patience {
    pub(super) fn of(shared: &Shared) -> Self {
        Self {
            timeout: shared.timeout,
            failing: None,
        }
    }

    /// Waits a little after a failure; the failure again, where that is in vain.
    pub(super) async fn after<T>(
        &mut self,
        step: Result<T, RemoteError>,
    ) -> Result<Option<T>, RemoteError> {
        let error = match step {
            Ok(done) => {
                self.failing = None;
                return Ok(Some(done));
            }
            Err(error) => error,
        };
        let since = *self.failing.get_or_insert_with(Instant::now);
        let is_closed = matches!(error, RemoteError::Closed);
        if is_closed || is_lasting(&error) || since.elapsed() >= self.timeout {
            return Err(error);
        }
        sleep(PAUSE).await;
        Ok(None)
    }
}

impl<'a> Looker<'a> {
    pub(super) fn of(shared: &'a Shared) -> Self {
        Self {
            remote: &shared.remote,
            prefix: &shared.prefix,
            timeout: shared.timeout,
        }
    }

    pub(super) fn deadline(&self) -> Deadline {
        Deadline::after(self.timeout)
    }

    /// How what lies under these keys begins, as much of it as [`Head::read`] needs.
    pub(super) async fn heads(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, RemoteError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut heads = self.remote.heads(keys, HEAD, self.deadline()).await?;
        for (key, head) in keys.iter().zip(&mut heads) {
            let Some(Head::Cut(needed)) = head.as_deref().map(Head::read) else {
                continue;
            };
            if needed <= LONGEST_HEAD {
                // It may be another value by now, with another beginning.
                let again = self.remote.heads(&[key], needed, self.deadline()).await?;
                *head = again.into_iter().next().flatten();
            }
        }
        Ok(heads)
    }

    /// Removes what was seen, where it is still there.
    pub(super) async fn discard(&self, sightings: &[Sighting]) -> Result<Vec<bool>, RemoteError> {
        if sightings.is_empty() {
            return Ok(Vec::new());
        }
        self.remote.discard(sightings, self.deadline()).await
    }
}
