//! Finds values of a bounded cache that its index does not know, and notes them: the server may have evicted
//! the index, or somebody removed it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::connect::Target;
use super::link::Link;
use super::scan::beginning;
use super::script::{BOUNDED_ADOPT, BOUNDED_FOUND};
use crate::bounded::Bounds;
use crate::key::{Place, StoredKey};
use crate::remote::{Deadline, RemoteError};

/// Keys that the server looks at in one go.
const COUNT: usize = 256;
/// Values that one script notes.
const PIECE: usize = 64;
/// Between two pages: others have the server to themselves for longer than this has it.
const PAUSE: Duration = Duration::from_millis(1);
/// How often it is begun anew where the server does not answer. After that, what is left goes as its time ends, or
/// is noted as it is used.
const ATTEMPTS: u32 = 10;
const RETRY: Duration = Duration::from_secs(1);

/// A look through all keys of a server. Dropped, another one may begin.
pub(super) struct Adoption {
    bounds: Arc<Bounds>,
    is_over: bool,
}

impl Adoption {
    pub(super) fn of(bounds: &Arc<Bounds>) -> Self {
        Self {
            bounds: Arc::clone(bounds),
            is_over: false,
        }
    }

    /// Looks until nothing is lost any more.
    pub(super) async fn run(mut self, link: Link, target: Arc<Target>) {
        let mut failures = 0;
        while failures < ATTEMPTS {
            let losses = self.bounds.losses();
            if losses.is_empty() {
                self.is_over = true;
                return;
            }
            match self.look(&losses, &link, &target).await {
                Ok(()) => {}
                Err(RemoteError::Closed) => return,
                Err(error) => {
                    failures += 1;
                    let name = self.bounds.name();
                    tracing::debug!(
                        target: "larder::remote",
                        %name, %error, "cannot look for what a bounded cache holds"
                    );
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// One look for what these losses have left.
    async fn look(
        &self,
        losses: &[(u16, String)],
        link: &Link,
        target: &Target,
    ) -> Result<(), RemoteError> {
        self.through(link, target).await?;
        for (partition, loss) in losses {
            let index = self.bounds.index_of(*partition);
            let (keys, args) = ([index.as_bytes()], [loss.as_bytes()]);
            let deadline = Deadline::after(target.timeout);
            let answer = BOUNDED_FOUND.run_on(link, &keys, &args, deadline).await?;
            self.bounds.found(*partition, loss, target.decode(answer)?);
        }
        Ok(())
    }

    async fn through(&self, link: &Link, target: &Target) -> Result<(), RemoteError> {
        let (prefix, name) = (self.bounds.prefix(), self.bounds.name());
        let mut pattern = beginning(prefix.as_str());
        pattern.push_str(&beginning(&format!("{{{}:", name.escaped())));
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(COUNT);
            let answer = link.run(&scan, Deadline::after(target.timeout)).await?;
            let (next, keys): (u64, Vec<Bytes>) = target.decode(answer)?;
            for (partition, values) in self.values(&keys) {
                for piece in values.chunks(PIECE) {
                    self.note(partition, piece, link, target).await?;
                }
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
            sleep(PAUSE).await;
        }
    }

    /// Which of these keys are of values of the cache, by the index of their partition.
    fn values(&self, keys: &[Bytes]) -> Vec<(u16, Vec<StoredKey>)> {
        let prefix = self.bounds.prefix();
        let mut parts: Vec<(u16, Vec<StoredKey>)> = Vec::new();
        for key in keys {
            let Ok(text) = str::from_utf8(key) else {
                continue;
            };
            match Place::of(prefix, text) {
                Some(Place::Value(spot))
                    if spot.is_bounded && spot.name == self.bounds.name().escaped() => {}
                _ => continue,
            }
            let key = StoredKey::found(prefix, text);
            // Of a time when there were more, say. They expire.
            if key.partition() >= self.bounds.bounded().partition_count() {
                continue;
            }
            match parts
                .iter_mut()
                .find(|(partition, _)| *partition == key.partition())
            {
                Some((_, keys)) => keys.push(key),
                None => parts.push((key.partition(), vec![key])),
            }
        }
        parts
    }

    async fn note(
        &self,
        partition: u16,
        values: &[StoredKey],
        link: &Link,
        target: &Target,
    ) -> Result<(), RemoteError> {
        let index = self.bounds.index_of(partition);
        let mut keys: Vec<&[u8]> = values.iter().map(StoredKey::as_bytes).collect();
        keys.push(index.as_bytes());
        let args = self.bounds.settings(partition);
        loop {
            let deadline = Deadline::after(target.timeout);
            let answer = BOUNDED_ADOPT.run_on(link, &keys, &args, deadline).await?;
            let left: u64 = target.decode(answer)?;
            if left == 0 {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }
}

impl Drop for Adoption {
    fn drop(&mut self) {
        if !self.is_over {
            self.bounds.give_up_looking();
        }
    }
}
