//! What the async core runs on while threads wait for it.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::load::LoadError;
use crate::wait::{block_on, may_wait};

/// A runtime that one blocking larder and its caches share.
#[derive(Clone, Debug)]
pub(super) struct Runtime(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    handle: Handle,
    /// The larder's own thread. `None`: it ended with the larder, or the runtime was given. Each call
    /// that is under way holds it as well, so it does not end under one.
    own: Mutex<Option<Arc<Own>>>,
    /// Whether it was said already that reads are made within async tasks.
    said: AtomicBool,
}

/// The call was made where tokio polls a future, so its thread may not wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct InAsyncTask;

impl From<InAsyncTask> for Error {
    fn from(_: InAsyncTask) -> Self {
        Self::InAsyncTask
    }
}

impl<E> From<InAsyncTask> for LoadError<E> {
    fn from(_: InAsyncTask) -> Self {
        Self::InAsyncTask
    }
}

/// What the caller of a blocking call runs in. Its loader is a part of it, and not of the larder's runtime,
/// which has no I/O for others and ends with the larder.
pub(super) struct Caller(Option<Handle>);

impl Caller {
    pub(super) fn here() -> Self {
        Self(Handle::try_current().ok())
    }

    pub(super) fn within<T>(&self, loader: impl FnOnce() -> T) -> T {
        let _entered = self.0.as_ref().map(Handle::enter);
        loader()
    }
}

impl Runtime {
    /// One thread that sends, receives and keeps time.
    pub(super) fn own() -> Result<Self, Error> {
        let own = Own::start().map_err(|source| Error::NoThread { source })?;
        let handle = own.handle.clone();
        Ok(Self::new(handle, Some(Arc::new(own))))
    }

    /// One that the program runs.
    pub(super) fn given(handle: Handle) -> Self {
        Self::new(handle, None)
    }

    fn new(handle: Handle, own: Option<Arc<Own>>) -> Self {
        Self(Arc::new(Inner {
            handle,
            own: Mutex::new(own),
            said: AtomicBool::new(false),
        }))
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.0.handle
    }

    /// Drives `future` on this thread to its end.
    pub(super) fn run<T>(&self, future: impl Future<Output = T>) -> Result<T, InAsyncTask> {
        if !may_wait() {
            return Err(InAsyncTask);
        }
        let _stays = self.0.own.lock().clone();
        let _context = self.0.handle.enter();
        Ok(block_on(pin!(future)))
    }

    /// [`run`](Self::run) for reads, which cannot fail: `None` where the thread may not wait.
    pub(super) fn read<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let read = self.run(future).ok();
        if read.is_none() && !self.0.said.swap(true, Ordering::Relaxed) {
            tracing::error!(
                target: "larder",
                "a blocking cache is read within an async task, where nothing can be waited for: what is \
                 not in memory misses; await the async API there, or use `spawn_blocking`"
            );
        }
        read
    }

    /// Ends the larder's own thread, once no call is under way any more; nothing of it waits then.
    pub(super) fn end(&self) {
        let own = self.0.own.lock().take();
        // The last one to hold it.
        if let Some(own) = own.and_then(Arc::into_inner) {
            own.join();
        }
    }
}

/// A runtime and its thread, which ends when this is dropped.
#[derive(Debug)]
struct Own {
    handle: Handle,
    /// Its drop is the sign to end.
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Own {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("larder-blocking".to_owned())
            .spawn(move || {
                // An error: the other side is gone, which is the sign.
                let _ = runtime.block_on(ended);
                runtime.shutdown_background();
            })?;
        Ok(Self {
            handle,
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// Ends it, and waits for that.
    fn join(mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread's own is no concern of who closes.
            let _ = thread.join();
        }
    }
}
