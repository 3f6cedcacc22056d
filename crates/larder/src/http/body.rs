//! Bodies of responses: stored ones, the service's own, and those that are read by two.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use std::future::poll_fn;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// The body of a response that went through an [`HttpCache`](super::HttpCache): a stored one, or the
/// service's own, which a client gets while it is being stored.
pub struct CacheBody<B>(Kind<B>);

enum Kind<B> {
    Whole(Bytes),
    Through(Pin<Box<B>>),
    Shared {
        parts: UnboundedReceiver<Part<B>>,
        /// What is still to come, as the service says.
        left: SizeHint,
    },
}

/// What a collector hands to the client's body.
enum Part<B> {
    Frame(Frame<Bytes>),
    /// It collects no more: the client reads on itself.
    Rest(Pin<Box<B>>),
    Failed(BoxError),
    End,
}

impl<B> CacheBody<B> {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self(Kind::Whole(bytes))
    }

    pub(super) fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    pub(super) fn through(body: B) -> Self {
        Self(Kind::Through(Box::pin(body)))
    }
}

impl<B> fmt::Debug for CacheBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Whole(_) => "CacheBody(stored)",
            Kind::Through(_) => "CacheBody(the service's)",
            Kind::Shared { .. } => "CacheBody(being stored)",
        })
    }
}

/// The service's body broke off while it was being stored.
#[derive(Debug, thiserror::Error)]
#[error("the response broke off")]
struct BrokenOff;

impl<B> Body for CacheBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            match &mut this.0 {
                Kind::Whole(bytes) if bytes.is_empty() => return Poll::Ready(None),
                Kind::Whole(bytes) => {
                    return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))));
                }
                Kind::Through(body) => {
                    let frame = ready!(body.as_mut().poll_frame(cx));
                    return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
                }
                Kind::Shared { parts, left } => match ready!(parts.poll_recv(cx)) {
                    Some(Part::Frame(frame)) => {
                        let len = frame.data_ref().map_or(0, |data| data.len() as u64);
                        *left = shortened(left, len);
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    Some(Part::Rest(body)) => this.0 = Kind::Through(body),
                    Some(Part::End) => this.0 = Kind::Whole(Bytes::new()),
                    Some(Part::Failed(error)) => {
                        this.0 = Kind::Whole(Bytes::new());
                        return Poll::Ready(Some(Err(error)));
                    }
                    None => {
                        this.0 = Kind::Whole(Bytes::new());
                        return Poll::Ready(Some(Err(BrokenOff.into())));
                    }
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Through(body) => body.is_end_stream(),
            Kind::Shared { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Through(body) => body.size_hint(),
            Kind::Shared { left, .. } => *left,
        }
    }
}

fn shortened(left: &SizeHint, by: u64) -> SizeHint {
    let mut shorter = SizeHint::new();
    if let Some(upper) = left.upper() {
        shorter.set_upper(upper.saturating_sub(by));
    }
    shorter.set_lower(left.lower().saturating_sub(by));
    shorter
}

/// Reads a service's body to store it, and hands each part of it on as it comes.
///
/// It does not wait for its client: what it holds is bounded by what may be stored, and others wait for
/// the response. Dropped at any moment, the client reads on from where it was; save where the body itself
/// panicked, which must not be asked again.
pub(super) struct Collector<B> {
    body: Option<Pin<Box<B>>>,
    to: UnboundedSender<Part<B>>,
}

/// What became of a body.
#[derive(Debug)]
pub(super) enum Collected {
    Whole(Bytes),
    /// It is longer than what may be stored.
    TooLarge,
    /// It broke off.
    Failed,
}

/// A body for a client, and a collector that fills it.
pub(super) fn shared<B: Body<Data = Bytes>>(body: B) -> (CacheBody<B>, Collector<B>) {
    let (to, parts) = mpsc::unbounded_channel();
    let left = body.size_hint();
    let collector = Collector {
        body: Some(Box::pin(body)),
        to,
    };
    (CacheBody(Kind::Shared { parts, left }), collector)
}

impl<B> Collector<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    /// Reads to the end, or until there is more than `limit`.
    pub(super) async fn collect(mut self, limit: usize) -> Collected {
        let (mut chunks, mut len): (Vec<Bytes>, usize) = (Vec::new(), 0);
        while let Some(body) = &mut self.body {
            let frame = poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
            let frame = match frame {
                None => break,
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    self.body = None;
                    let _ = self.to.send(Part::Failed(error.into()));
                    return Collected::Failed;
                }
            };
            // Trailers go to the client alone.
            if let Some(data) = frame.data_ref() {
                len += data.len();
                if len <= limit && !data.is_empty() {
                    chunks.push(data.clone());
                }
            }
            let _ = self.to.send(Part::Frame(frame));
            if len > limit {
                // Dropped, it hands the rest on.
                return Collected::TooLarge;
            }
        }
        self.body = None;
        let _ = self.to.send(Part::End);
        if chunks.len() == 1 {
            return Collected::Whole(chunks.swap_remove(0));
        }
        let mut whole = BytesMut::with_capacity(len);
        for chunk in &chunks {
            whole.extend_from_slice(chunk);
        }
        Collected::Whole(whole.freeze())
    }
}

impl<B> Drop for Collector<B> {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            let _ = self.to.send(if thread::panicking() {
                Part::Failed(BrokenOff.into())
            } else {
                Part::Rest(body)
            });
        }
    }
}
