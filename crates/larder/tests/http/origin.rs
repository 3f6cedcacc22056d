//! A cache before an origin that answers what a test tells it to, on a clock that the test moves.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use larder::http::{CacheBody, HttpCache, HttpCacheLayer};
use larder::{Clock, Larder};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tower::{Service, ServiceExt};

type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
type Handler = Arc<dyn Fn(Parts) -> Answering + Send + Sync>;

/// A service that keeps note of what it was asked.
#[derive(Clone)]
pub(crate) struct Origin {
    handler: Arc<Mutex<Handler>>,
    asked: Arc<Mutex<Vec<Parts>>>,
}

impl Origin {
    pub(crate) fn new() -> Self {
        let origin = Self {
            handler: Arc::new(Mutex::new(Arc::new(|_| {
                Box::pin(async { Response::default() })
            }))),
            asked: Arc::default(),
        };
        origin.answers(200, "", "");
        origin
    }

    /// From now on it answers this.
    pub(crate) fn answers(&self, status: u16, headers: &str, body: &'static str) {
        let (status, headers) = (StatusCode::from_u16(status).unwrap(), lines(headers));
        self.does(move |_| {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            *response.headers_mut() = headers.clone();
            async move { response }
        });
    }

    /// From now on it does this.
    pub(crate) fn does<F>(&self, handler: impl Fn(Parts) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        *self.handler.lock() = Arc::new(move |request| Box::pin(handler(request)));
    }

    /// From now on it answers by `handler`, each time only when it is let.
    pub(crate) fn holds(
        &self,
        handler: impl Fn(&Parts) -> Response<Body> + Send + Sync + 'static,
    ) -> Arc<Semaphore> {
        self.holds_where(|_| true, handler)
    }

    /// The same; of other requests at once.
    pub(crate) fn holds_where(
        &self,
        is_held: impl Fn(&Parts) -> bool + Send + Sync + 'static,
        handler: impl Fn(&Parts) -> Response<Body> + Send + Sync + 'static,
    ) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        let wait = Arc::clone(&gate);
        self.does(move |request| {
            let wait = is_held(&request).then(|| Arc::clone(&wait));
            let response = handler(&request);
            async move {
                if let Some(wait) = wait {
                    wait.acquire().await.unwrap().forget();
                }
                response
            }
        });
        gate
    }

    pub(crate) fn times(&self) -> usize {
        self.asked.lock().len()
    }

    /// The last request that it got.
    pub(crate) fn last(&self) -> Parts {
        self.asked.lock().last().unwrap().clone()
    }
}

impl Service<Request<Body>> for Origin {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let parts = request.into_parts().0;
        self.asked.lock().push(parts.clone());
        let handler = Arc::clone(&self.handler.lock());
        Box::pin(async move { Ok(handler(parts).await) })
    }
}

/// A response of these lines.
pub(crate) fn response(headers: &str, body: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_owned()));
    *response.headers_mut() = lines(headers);
    response
}

/// A cache and its origin.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) larder: Larder,
    pub(crate) clock: Clock,
    pub(crate) origin: Origin,
    service: HttpCache<Origin>,
}

impl World {
    pub(crate) async fn with(make: impl FnOnce(&Larder) -> HttpCacheLayer) -> Self {
        let clock = Clock::manual();
        let larder = Larder::builder()
            .clock(clock.clone())
            .build()
            .await
            .unwrap();
        let layer = make(&larder);
        Self::of(larder, clock, &layer, Origin::new())
    }

    pub(crate) fn of(larder: Larder, clock: Clock, layer: &HttpCacheLayer, origin: Origin) -> Self {
        let service = layer.around(origin.clone());
        Self {
            larder,
            clock,
            origin,
            service,
        }
    }

    /// A shared cache by the RFC.
    pub(crate) async fn standard() -> Self {
        Self::with(|larder| HttpCacheLayer::standard(larder).build().unwrap()).await
    }

    pub(crate) async fn send(&self, method: &str, uri: &str, headers: &str) -> Answer {
        Answer::of(self.begin(method, uri, headers).await).await
    }

    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.send("GET", uri, "").await
    }

    pub(crate) async fn get_with(&self, uri: &str, headers: &str) -> Answer {
        self.send("GET", uri, headers).await
    }

    /// The response, whose body is still to be read.
    pub(crate) async fn begin(
        &self,
        method: &str,
        uri: &str,
        headers: &str,
    ) -> Response<CacheBody<Body>> {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = uri.parse().unwrap();
        *request.headers_mut() = lines(headers);
        if !request.headers().contains_key("host") {
            request
                .headers_mut()
                .insert("host", HeaderValue::from_static("a.example"));
        }
        self.service.clone().oneshot(request).await.unwrap()
    }

    /// A request as it is, its body included.
    pub(crate) async fn send_whole(&self, request: Request<Body>) -> Answer {
        Answer::of(self.service.clone().oneshot(request).await.unwrap()).await
    }

    pub(crate) fn advance(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }
}

/// A response that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn of<B>(response: Response<B>) -> Self
    where
        B: http_body::Body<Data = bytes::Bytes>,
        B::Error: std::fmt::Debug,
    {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.into()).unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// What the cache says it did.
    pub(crate) fn cache_status(&self) -> &str {
        self.header("cache-status")
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.cache_status().starts_with("larder; hit")
    }
}

/// Headers as lines of `name: value`.
pub(crate) fn lines(text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        let value = HeaderValue::from_bytes(value.trim().as_bytes()).unwrap();
        headers.append(name.trim().parse::<HeaderName>().unwrap(), value);
    }
    headers
}

/// A date so many seconds from now, in the past where negative.
pub(crate) fn date(from_now: i64) -> String {
    let now = std::time::SystemTime::now();
    let by = Duration::from_secs(from_now.unsigned_abs());
    httpdate::fmt_http_date(if from_now < 0 { now - by } else { now + by })
}
