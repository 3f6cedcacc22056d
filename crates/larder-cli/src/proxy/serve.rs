//! Takes connections until a signal ends it.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tower::Service;

use super::say;

/// How long requests that are under way may take when it ends.
const LAST: Duration = Duration::from_secs(10);
/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(30);

/// Ends with ctrl-c or, on Unix, SIGTERM.
pub(super) fn ending() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let (mut term, mut int) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        Ok(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ended = tokio::signal::ctrl_c().await;
    })
}

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many connections are served at once.
    pub(super) connections: usize,
    /// How long a client may take nothing of an answer that is there. It has a seat meanwhile.
    pub(super) patience: Duration,
}

/// Serves until `ending`, and then until what is under way has ended.
pub(super) async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    ending: impl Future<Output = ()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let graceful = GracefulShutdown::new();
    let seats = Arc::new(Semaphore::new(limits.connections));
    let mut ending = std::pin::pin!(ending);
    loop {
        // Those beyond wait in the system's queue, and are refused there when it is full.
        let seated = async {
            let seat = Arc::clone(&seats).acquire_owned().await;
            (seat, listener.accept().await)
        };
        let (seat, accepted) = tokio::select! {
            seated = seated => seated,
            () = &mut ending => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many files are open, most often: it gets better with time.
                say(&format_args!("cannot take a connection: {error}"));
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _small_packets_go_at_once = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.patience));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(
                TokioIo::new(Box::pin(stream)),
                TowerToHyperService::new(service.clone()),
            );
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that hangs up, or an origin that broke off: both know.
            let _ended = connection.await;
            drop(seat);
        });
    }
    drop(listener);
    if timeout(LAST, graceful.shutdown()).await.is_err() {
        say(&format_args!(
            "requests under way were cut off after {LAST:?}"
        ));
    }
}
