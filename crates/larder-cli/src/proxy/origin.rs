//! Asks the origin, for no longer than it may take.
//!
//! Its time counts from the last part of the request that was sent. A client that stops in the middle of a
//! body is waited for as long.

use std::convert::Infallible;
use std::error::Error;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, Sleep, sleep};
use tower::Service;

use super::rewrite::leave_hop;
use super::say;
use super::upload::Upload;

type BoxError = Box<dyn Error + Send + Sync>;

/// Sends requests where their URL says. What does not answer is an answer too: 502, or 504 where it took
/// too long.
#[derive(Debug)]
pub(super) struct OriginClient<A> {
    client: Client<HttpConnector, Upload<A>>,
    patience: Duration,
}

impl<A> OriginClient<A>
where
    A: Body + Send + Unpin + 'static,
    A::Data: Send,
{
    pub(super) fn new(patience: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(patience));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Self { client, patience }
    }
}

impl<A> Service<Request<A>> for OriginClient<A>
where
    A: Body + Send + Unpin + 'static,
    A::Data: Send,
    A::Error: Into<BoxError>,
{
    type Response = Response<Either<Timed<Incoming>, Empty<Bytes>>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        *request.version_mut() = http::Version::HTTP_11;
        let patience = self.patience;
        let (parts, body) = request.into_parts();
        let (body, mut upload) = Upload::new(body);
        let asking = self.client.request(Request::from_parts(parts, body));
        Box::pin(async move {
            let (mut asking, mut patient) = (pin!(asking), pin!(sleep(patience)));
            let mut is_uploading = true;
            let answer = loop {
                tokio::select! {
                    answer = &mut asking => break Some(answer),
                    moved = upload.changed(), if is_uploading => {
                        is_uploading = moved.is_ok();
                        patient.as_mut().reset(Instant::now() + patience);
                    }
                    () = &mut patient => break None,
                }
            };
            let status = match answer {
                Some(Ok(mut response)) => {
                    leave_hop(response.headers_mut());
                    return Ok(response.map(|body| Either::Left(Timed::new(body, patience))));
                }
                Some(Err(error)) => {
                    say(&format_args!("the origin: {}", whole(&error)));
                    if error.is_connect() && is_timeout(&error) {
                        StatusCode::GATEWAY_TIMEOUT
                    } else {
                        StatusCode::BAD_GATEWAY
                    }
                }
                None if is_uploading => StatusCode::REQUEST_TIMEOUT,
                None => {
                    say(&format_args!("the origin: no answer within {patience:?}"));
                    StatusCode::GATEWAY_TIMEOUT
                }
            };
            let mut response = Response::new(Either::Right(Empty::new()));
            *response.status_mut() = status;
            Ok(response)
        })
    }
}

// Derived, this would ask for `A: Clone`.
impl<A> Clone for OriginClient<A> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            patience: self.patience,
        }
    }
}

/// An error and its causes.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (**error).source())
}

fn whole(error: &(dyn Error + 'static)) -> String {
    let causes: Vec<_> = causes(error).map(ToString::to_string).collect();
    causes.join(": ")
}

fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|error| {
        let io = error.downcast_ref::<std::io::Error>();
        io.is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
    })
}

/// A body that fails where one part of it takes too long.
#[derive(Debug)]
pub(super) struct Timed<B> {
    body: B,
    patience: Duration,
    /// Until when the part that is waited for may take.
    until: Option<Pin<Box<Sleep>>>,
}

impl<B> Timed<B> {
    fn new(body: B, patience: Duration) -> Self {
        Self {
            body,
            patience,
            until: None,
        }
    }
}

impl<B> Body for Timed<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.until = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let patience = this.patience;
        let until = this.until.get_or_insert_with(|| Box::pin(sleep(patience)));
        if until.as_mut().poll(cx).is_ready() {
            // Asked again, it does not wait once more.
            until.as_mut().reset(Instant::now());
            let error = format!("the origin sent nothing for {patience:?}");
            return Poll::Ready(Some(Err(error.into())));
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
