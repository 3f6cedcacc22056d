//! The tower layer and its service.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{BoxError, CacheBody};
use super::builder::{ApplicationMode, HttpCacheBuilder, StandardMode};
use super::exchange::Exchanging;
use super::plan::Plan;
use crate::larder::Larder;

/// A tower layer that stores the responses of the service below it.
///
/// [`application`](Self::application) takes its word from the route, [`standard`](Self::standard) from the
/// responses themselves, as RFC 9111 has it for a shared cache. [The module](super) says what each does.
///
/// Clones are cheap and share everything.
#[derive(Clone)]
pub struct HttpCacheLayer {
    plan: Arc<Plan>,
}

impl HttpCacheLayer {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan: Arc::new(plan),
        }
    }

    /// A layer that stores what a route's handler answers, as the route says.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), larder::Error> {
    /// use std::time::Duration;
    /// use larder::http::HttpCacheLayer;
    ///
    /// let larder = larder::Larder::in_memory().await?;
    /// let layer = HttpCacheLayer::application(&larder)
    ///     .ttl(Duration::from_secs(60))
    ///     .stale(Duration::from_secs(600)) // where the handler fails
    ///     .query(["page"])
    ///     .header(http::header::ACCEPT_LANGUAGE)
    ///     .tags(|request| vec![format!("path:{}", request.uri.path())])
    ///     .build()?;
    /// # let _ = layer;
    /// # Ok(())
    /// # }
    /// ```
    pub fn application(larder: &Larder) -> HttpCacheBuilder<ApplicationMode> {
        HttpCacheBuilder::application(larder)
    }

    /// A layer that is a shared cache by RFC 9111: what responses and requests say of caching counts.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), larder::Error> {
    /// use larder::http::HttpCacheLayer;
    ///
    /// let larder = larder::Larder::in_memory().await?;
    /// let layer = HttpCacheLayer::standard(&larder).build()?;
    /// # let _ = layer;
    /// # Ok(())
    /// # }
    /// ```
    pub fn standard(larder: &Larder) -> HttpCacheBuilder<StandardMode> {
        HttpCacheBuilder::standard(larder)
    }

    /// The same layer, around one service.
    pub fn around<S>(&self, service: S) -> HttpCache<S> {
        HttpCache {
            inner: service,
            plan: Arc::clone(&self.plan),
        }
    }
}

impl fmt::Debug for HttpCacheLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCacheLayer")
            .field("cache", &self.plan.cache)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for HttpCacheLayer {
    type Service = HttpCache<S>;

    fn layer(&self, service: S) -> HttpCache<S> {
        self.around(service)
    }
}

/// A service whose responses are stored. Made by [`HttpCacheLayer`].
///
/// # Cancel safety
/// Dropping the future of a call, or its response's body, leaves a response that is being stored to be
/// stored, and others who wait for it get it (G8).
#[derive(Clone)]
pub struct HttpCache<S> {
    inner: S,
    plan: Arc<Plan>,
}

impl<S: fmt::Debug> fmt::Debug for HttpCache<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCache")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, A, B> Service<Request<A>> for HttpCache<S>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    A: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<CacheBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        // The one that is ready answers; a clone may not be.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        Box::pin(Exchanging::new(&self.plan, ready, request).answer())
    }
}
