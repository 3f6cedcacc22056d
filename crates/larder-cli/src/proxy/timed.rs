//! Bodies with a time limit: a request's on its way to the origin, and an answer's on its way back.
//!
//! Who is waited for has as long as the limit says, each time. In the middle of a request's body that is
//! the client; else it is the origin, from the last part of the request that it took. So an answer that
//! begins early may wait for the rest of its request, and nobody is waited for without an end.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Of whom a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Origin,
}

/// Who of one request's two sides is waited for, and for how long. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    patience: Duration,
    /// Since when the origin is; `None` while it is the client.
    origin_since: Arc<Mutex<Option<Instant>>>,
}

impl Wait {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            origin_since: Arc::new(Mutex::new(Some(Instant::now()))),
        }
    }

    fn turn(&self, origin_since: Option<Instant>) {
        *self.lock() = origin_since;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        // One value is written at once: it is whole, whoever panicked.
        let origin_since = self.origin_since.lock();
        origin_since.unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when the origin may take, if nothing changes.
    fn origin_until(&self) -> Instant {
        // What waits for the client ends by the client's own limit.
        let since = *self.lock();
        since.unwrap_or_else(Instant::now) + self.patience
    }

    /// Ends when the origin has taken too long for its answer's head.
    pub(super) async fn for_origin(&self) {
        loop {
            let until = self.origin_until();
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

/// That somebody took too long.
#[derive(Debug)]
pub(super) struct TooSlow {
    pub(super) side: Side,
    patience: Duration,
}

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.side {
            Side::Client => "client",
            Side::Origin => "origin",
        };
        write!(f, "the {who} sent nothing for {:?}", self.patience)
    }
}

impl Error for TooSlow {}

/// A body that fails where one part of it takes too long.
#[derive(Debug)]
pub(super) struct Timed<B> {
    body: B,
    side: Side,
    wait: Wait,
    /// Until when the part that is waited for may take.
    until: Option<Pin<Box<Sleep>>>,
}

impl<B> Timed<B> {
    pub(super) fn new(body: B, side: Side, wait: Wait) -> Self {
        Self {
            body,
            side,
            wait,
            until: None,
        }
    }
}

impl<B> Drop for Timed<B> {
    fn drop(&mut self) {
        // Whole or not, there comes no more of it.
        if self.side == Side::Client {
            self.wait.turn(Some(Instant::now()));
        }
    }
}

impl<B> Body for Timed<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.get_mut();
        let (side, patience) = (this.side, this.wait.patience);
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.until = None;
            if side == Side::Client {
                this.wait.turn(Some(Instant::now()));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let until = this.until.get_or_insert_with(|| {
            if side == Side::Client {
                this.wait.turn(None);
            }
            Box::pin(sleep_until(Instant::now() + patience))
        });
        while until.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if side == Side::Client || this.wait.origin_until() <= now {
                // Asked again, it does not wait once more.
                until.as_mut().reset(now);
                return Poll::Ready(Some(Err(TooSlow { side, patience }.into())));
            }
            until.as_mut().reset(this.wait.origin_until());
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
