//! A thread that waits for a future, where it may.
//!
//! [`block_on`] drives a future on the calling thread and parks it meanwhile. It does not enter a tokio
//! runtime, so within a future that it drives, a loader say, another one can be waited for.
//!
//! # Where a thread may wait
//!
//! In a plain thread, in `spawn_blocking` and in `block_in_place`; not where tokio polls a future, since all
//! other tasks of that thread would wait too, and perhaps those that were waited for. Tokio has no question
//! for that, save calls that panic, which would end a program that is built with `panic = "abort"`. But it
//! treats the two differently, in two ways that can be seen:
//!
//! - Who yields where a scheduler polls is woken by it later, and elsewhere at once.
//! - Whatever tokio polls has a budget, and a thread that may wait has none.
//!
//! A task is told by either. A future that a thread awaits in `Runtime::block_on` of a runtime with workers
//! is told by its budget alone; where it has given that up (`tokio::task::unconstrained`, or for the rest of
//! a poll `block_in_place`) it counts as a thread. That does no harm: its thread is none of those that serve
//! the runtime.
//!
//! Executors other than tokio are not recognised.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::Handle;
use tokio::task::coop::poll_proceed;
use tokio::task::yield_now;

/// More than tokio grants to one poll, which is 128.
const BUDGET: usize = 1024;

/// Whether this thread may wait.
pub(crate) fn may_wait() -> bool {
    match Handle::try_current() {
        // In none of tokio's threads, unless this one is at its very end, where nothing works any more.
        Err(error) => error.is_missing_context(),
        Ok(_) => yields_at_once() && has_no_budget(),
    }
}

fn yields_at_once() -> bool {
    let bell = Arc::new(Bell::of_this_thread());
    let waker = Waker::from(Arc::clone(&bell));
    let yielding = pin!(yield_now()).poll(&mut Context::from_waker(&waker));
    yielding.is_ready() || bell.rung.load(Ordering::Acquire)
}

fn has_no_budget() -> bool {
    let mut nobody = Context::from_waker(Waker::noop());
    let mut taken = Vec::new();
    while taken.len() < BUDGET {
        match poll_proceed(&mut nobody) {
            Poll::Ready(part) => taken.push(part),
            Poll::Pending => break,
        }
    }
    let is_endless = taken.len() == BUDGET;
    // Each part gives back, when it is dropped, what there was before it: so the first one comes last.
    while taken.pop().is_some() {}
    is_endless
}

/// Drives `future` to its end on this thread. Only where [`may_wait`].
pub(crate) fn block_on<T>(mut future: Pin<&mut impl Future<Output = T>>) -> T {
    let bell = Arc::new(Bell::of_this_thread());
    let waker = Waker::from(Arc::clone(&bell));
    loop {
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(done) = polled {
            return done;
        }
        while !bell.rung.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

/// Wakes a thread. Who is parked looks whether it was its own bell: a thread waits within waits, and
/// whoever unparks it need not know for what.
struct Bell {
    rung: AtomicBool,
    thread: Thread,
}

impl Bell {
    fn of_this_thread() -> Self {
        Self {
            rung: AtomicBool::new(false),
            thread: thread::current(),
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::runtime::{Builder, Runtime};
    use tokio::task::coop::unconstrained;
    use tokio::task::{LocalSet, spawn_blocking};

    use super::*;

    fn one_thread() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn two_workers() -> Runtime {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().unwrap()
    }

    #[test]
    fn threads_may_wait() {
        assert!(may_wait());
        let runtime = one_thread();
        let _context = runtime.enter();
        assert!(may_wait(), "a runtime that is only entered polls nothing");
    }

    #[test]
    fn what_tokio_polls_may_not() {
        for runtime in [one_thread(), two_workers()] {
            assert!(!runtime.block_on(async { may_wait() }), "the root");
            let task = runtime.spawn(async { may_wait() });
            assert!(!runtime.block_on(task).unwrap(), "a task");
            let task = runtime.spawn(unconstrained(async { may_wait() }));
            assert!(!runtime.block_on(task).unwrap(), "an unconstrained task");
            let local = LocalSet::new();
            let task =
                local.run_until(async { tokio::task::spawn_local(async { may_wait() }).await });
            assert!(!runtime.block_on(task).unwrap(), "a local task");
        }
        let runtime = one_thread();
        assert!(!runtime.block_on(unconstrained(async { may_wait() })));
    }

    #[test]
    fn what_tokio_lets_block_may() {
        for runtime in [one_thread(), two_workers()] {
            let blocking = runtime.spawn(async { spawn_blocking(may_wait).await.unwrap() });
            assert!(runtime.block_on(blocking).unwrap(), "spawn_blocking");
        }
        let runtime = two_workers();
        let in_place = || {
            let inside = tokio::task::block_in_place(may_wait);
            // The worker polls on afterwards, and may not wait again.
            (inside, may_wait())
        };
        let task = runtime.spawn(async move { in_place() });
        let seen = runtime.block_on(task).unwrap();
        assert_eq!(seen, (true, false), "a worker");
        let (inside, _) = runtime.block_on(async { in_place() });
        assert!(inside, "the root");
    }

    #[test]
    fn within_a_wait_one_may_wait() {
        let runtime = one_thread();
        let _context = runtime.enter();
        let inner = || {
            assert!(may_wait());
            block_on(pin!(async { 7 }))
        };
        assert_eq!(block_on(pin!(async { inner() + 1 })), 8);
    }

    #[test]
    fn the_question_takes_nothing_from_the_budget() {
        one_thread().block_on(async {
            let mut nobody = Context::from_waker(Waker::noop());
            let mut left = || {
                let mut taken = Vec::new();
                while let Poll::Ready(part) = poll_proceed(&mut nobody) {
                    taken.push(part);
                }
                let left = taken.len();
                while taken.pop().is_some() {}
                left
            };
            let before = left();
            assert!(!has_no_budget());
            assert!((1..BUDGET).contains(&before), "{before}");
            assert_eq!(left(), before);
        });
    }

    #[test]
    fn wakes_from_other_threads_and_from_within_are_heard() {
        let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
        let other = thread::spawn(move || {
            for n in 0..1_000 {
                if n % 100 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
                send.send(n).unwrap();
            }
        });
        let sum = block_on(pin!(async {
            let mut sum = 0;
            while let Some(n) = receive.recv().await {
                // A wait in between must not swallow the outer one's waking.
                sum += block_on(pin!(async {
                    yield_now().await;
                    n
                }));
            }
            sum
        }));
        other.join().unwrap();
        assert_eq!(sum, 499_500);
    }
}
