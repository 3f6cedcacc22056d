//! The body of a request on its way to the origin.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use tokio::sync::watch;

/// A body that tells of each of its parts, and of its end by being dropped.
#[derive(Debug)]
pub(super) struct Upload<A> {
    body: A,
    moves: Option<watch::Sender<()>>,
}

impl<A: Body> Upload<A> {
    /// The body, and what hears of it.
    pub(super) fn new(body: A) -> (Self, watch::Receiver<()>) {
        let (moves, heard) = watch::channel(());
        let moves = Some(moves).filter(|_| !body.is_end_stream());
        (Self { body, moves }, heard)
    }
}

impl<A: Body + Unpin> Body for Upload<A> {
    type Data = A::Data;
    type Error = A::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<A::Data>, A::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &this.moves {
            Some(moves) if frame.is_some() && !this.body.is_end_stream() => {
                moves.send_replace(());
            }
            _ => this.moves = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
