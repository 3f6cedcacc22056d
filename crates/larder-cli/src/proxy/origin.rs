//! Asks the origin, for no longer than it may take.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::Service;

use super::connect::Connector;
use super::rewrite::leave_hop;
use super::say;
use super::timed::{BoxError, Side, Timed, TooSlow, Wait};

/// Sends requests where their URL says. What does not answer is an answer too: 502, or 504 where it took
/// too long. A client that stops in the middle of a body is a 408.
#[derive(Debug)]
pub(super) struct OriginClient<A> {
    client: Client<Connector, Timed<A>>,
    patience: Duration,
}

impl<A> OriginClient<A>
where
    A: Body + Send + Unpin + 'static,
    A::Data: Send,
    A::Error: Into<BoxError>,
{
    pub(super) fn new(patience: Duration) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(Connector::new(patience));
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
        let wait = Wait::new(patience);
        let request = request.map(|body| Timed::new(body, Side::Client, wait.clone()));
        let asking = self.client.request(request);
        Box::pin(async move {
            let answer = tokio::select! {
                answer = asking => answer,
                () = wait.for_origin() => {
                    say(&format_args!("the origin: no answer within {patience:?}"));
                    return Ok(own(StatusCode::GATEWAY_TIMEOUT));
                }
            };
            Ok(match answer {
                // None is asked for: `Upgrade` ends here.
                Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    say(&"the origin: it switched to a protocol that nobody asked for");
                    own(StatusCode::BAD_GATEWAY)
                }
                Ok(mut response) => {
                    leave_hop(response.headers_mut());
                    response.map(|body| Either::Left(Timed::new(body, Side::Origin, wait)))
                }
                Err(error) if is_slow_client(&error) => own(StatusCode::REQUEST_TIMEOUT),
                Err(error) => {
                    say(&format_args!("the origin: {}", whole(&error)));
                    own(if is_timeout(&error) {
                        StatusCode::GATEWAY_TIMEOUT
                    } else {
                        StatusCode::BAD_GATEWAY
                    })
                }
            })
        })
    }
}

fn own<B>(status: StatusCode) -> Response<Either<B, Empty<Bytes>>> {
    let mut response = Response::new(Either::Right(Empty::new()));
    *response.status_mut() = status;
    response
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

fn is_slow_client(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|error| {
        let slow = error.downcast_ref::<TooSlow>();
        slow.is_some_and(|slow| slow.side == Side::Client)
    })
}

fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|error| {
        let io = error.downcast_ref::<std::io::Error>();
        io.is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
    })
}
