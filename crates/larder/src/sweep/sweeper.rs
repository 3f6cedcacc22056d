//! Which sweep runs, and which wait. One at a time in a larder, so that the server is not held longer by
//! several.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::free::Freeing;
use super::look::is_lasting;
use super::range::Range;
use super::run::{Ended, Run};
use super::{Looker, Sweep};
use crate::remote::RemoteError;
use crate::space::Shared;

/// Sweeps that may wait. Above it, one of everything takes the place of those to come (G6).
const MAX_WAITING: usize = 64;
/// Between two attempts, while the server is away.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The sweeps of a larder.
#[derive(Default)]
pub(crate) struct Sweeper {
    queue: Mutex<Queue>,
    closed: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Range, Arc<Run>)>,
    running: Option<Arc<Run>>,
    is_working: bool,
    is_closed: bool,
}

impl Queue {
    /// The sweep that will free what is outdated by now in `range`: one that waits, since one that runs
    /// may have gone past it.
    fn join(&mut self, range: Range) -> Arc<Run> {
        let waiting = |range: &Range| {
            let mut waiting = self.waiting.iter();
            let joined = waiting.find(|(waits, _)| waits.includes(range));
            joined.map(|(_, run)| Arc::clone(run))
        };
        let is_full = self.waiting.len() >= MAX_WAITING;
        let range = if is_full { Range::Everything } else { range };
        if let Some(run) = waiting(&range) {
            return run;
        }
        let run = Arc::new(Run::default());
        self.waiting.push_back((range, Arc::clone(&run)));
        run
    }
}

impl Sweeper {
    /// Lets a sweep of `range` begin, or joins one that has not begun yet.
    pub(crate) fn sweep(&self, shared: &Arc<Shared>, range: Range) -> Sweep {
        let mut queue = self.queue.lock();
        if queue.is_closed {
            return Sweep::ended(Ended::Closed);
        }
        let run = queue.join(range);
        if !std::mem::replace(&mut queue.is_working, true) {
            shared.runtime.spawn(work(Arc::downgrade(shared)));
        }
        Sweep(run)
    }

    /// Ends all sweeps.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.is_closed = true;
        for (_, run) in queue.waiting.drain(..) {
            run.end(Ended::Closed);
        }
        if let Some(run) = queue.running.take() {
            run.end(Ended::Closed);
        }
        drop(queue);
        self.closed.notify_waiters();
    }

    fn next(&self) -> Option<(Range, Arc<Run>)> {
        let mut queue = self.queue.lock();
        let next = queue.waiting.pop_front();
        queue.running = next.as_ref().map(|(_, run)| Arc::clone(run));
        queue.is_working = next.is_some();
        next
    }

    /// `false` where it was closed meanwhile.
    async fn pause(&self, time: Duration) -> bool {
        let closed = self.closed.notified();
        if self.queue.lock().is_closed {
            return false;
        }
        timeout(time, closed).await.is_err()
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.close();
    }
}

/// Sweeps until nothing waits. It holds the larder no longer than for a step.
async fn work(larder: Weak<Shared>) {
    loop {
        let Some((sweeper, next)) = larder.upgrade().map(|shared| {
            let sweeper = Arc::clone(&shared.sweeper);
            let next = sweeper.next();
            (sweeper, next)
        }) else {
            return;
        };
        let Some((range, run)) = next else { return };
        let run = Ending(run);
        let ended = through(&larder, &sweeper, &range, &run.0).await;
        if let Ended::Failed { source, .. } = &ended {
            tracing::warn!(
                target: "larder::sweep",
                %range, error = %source, "cannot free what was removed; it goes as its time ends"
            );
        }
        run.0.end(ended);
    }
}

/// Says that a sweep is over, wherever that was: the runtime may end before it.
struct Ending(Arc<Run>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end(Ended::Closed);
    }
}

/// Sweeps a range to its end. While the server is away it waits, and goes on where it was.
async fn through(larder: &Weak<Shared>, sweeper: &Sweeper, range: &Range, run: &Run) -> Ended {
    let mut freeing: Option<Freeing> = None;
    let mut patience = SHORTEST_PAUSE;
    loop {
        let Some(shared) = larder.upgrade() else {
            return Ended::Closed;
        };
        let freeing = freeing.get_or_insert_with(|| Freeing::of(range.clone(), &shared.prefix));
        let step = freeing.step(&Looker::of(&shared), run).await;
        drop(shared);
        let pause = match step {
            Ok(None) => return Ended::Done,
            Ok(Some(pause)) => {
                patience = SHORTEST_PAUSE;
                pause
            }
            Err(RemoteError::Closed) => return Ended::Closed,
            Err(source) if is_lasting(&source) => {
                let range = range.to_string();
                return Ended::Failed { range, source };
            }
            Err(error) => {
                tracing::debug!(target: "larder::sweep", %range, %error, "the sweep waits");
                let pause = patience;
                patience = (patience * 2).min(LONGEST_PAUSE);
                pause
            }
        };
        if !sweeper.pause(pause).await {
            return Ended::Closed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{CacheName, Tenant};

    fn tenant(of: usize) -> Range {
        Range::Tenant(Tenant::new(&format!("t{of}")).unwrap())
    }

    #[test]
    fn who_asks_for_what_waits_already_joins() {
        let mut queue = Queue::default();
        let first = queue.join(tenant(1));
        let cache = Range::Cache(
            Some(Tenant::new("t1").unwrap()),
            CacheName::new("users").unwrap(),
            false,
        );
        assert!(Arc::ptr_eq(&queue.join(cache), &first), "it is a part");
        assert!(!Arc::ptr_eq(&queue.join(tenant(2)), &first));
        queue.waiting.pop_front();
        assert!(!Arc::ptr_eq(&queue.join(tenant(1)), &first), "it has begun");
    }

    #[test]
    fn too_many_become_one_of_everything() {
        let mut queue = Queue::default();
        for of in 0..1_000 {
            queue.join(tenant(of));
        }
        assert_eq!(queue.waiting.len(), MAX_WAITING + 1);
        let (range, last) = queue.waiting[MAX_WAITING].clone();
        assert!(range == Range::Everything);
        assert!(Arc::ptr_eq(&queue.join(tenant(5_000)), &last));
    }
}
