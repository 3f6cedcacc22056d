//! Lets work in until the larder closes, and then waits for what is still inside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts work in progress that a close must wait for.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    inside: AtomicUsize,
    closed: AtomicBool,
    /// Whether nobody is waited for any more.
    ended: AtomicBool,
    emptied: Notify,
}

/// Work in progress.
#[must_use]
pub(crate) struct Pass<'a>(&'a Gate);

/// Work in progress that outlives its caller.
#[must_use]
pub(crate) struct Stay(Arc<Gate>);

impl Gate {
    /// `None` once the gate is closed.
    pub(crate) fn enter(&self) -> Option<Pass<'_>> {
        // Counted before the flag is read: either this sees the flag, or the close sees the count.
        self.inside.fetch_add(1, Ordering::SeqCst);
        let pass = Pass(self);
        (!self.closed.load(Ordering::SeqCst)).then_some(pass)
    }

    /// For work that a caller inside begins and that may outlive it: a close that has begun waits
    /// for this too.
    pub(crate) fn stay(self: &Arc<Self>) -> Stay {
        self.inside.fetch_add(1, Ordering::SeqCst);
        Stay(Arc::clone(self))
    }

    fn leave(&self) {
        if self.inside.fetch_sub(1, Ordering::SeqCst) == 1 && self.is_closed() {
            self.emptied.notify_waiters();
        }
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// How many are still inside.
    pub(crate) fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    /// From now on, whoever is still inside stores nothing.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Lets nobody in any more, and waits until all are out.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            emptied.as_mut().enable();
            if self.inside.load(Ordering::SeqCst) == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.leave();
    }
}
