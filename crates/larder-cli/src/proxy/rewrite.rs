//! Makes a client's request one for the origin.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, VIA};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use http_body_util::{Either, Empty};
use larder::http::remove_hop_by_hop;
use tower::Service;

/// What an origin might take for a part of the URL. It is none of the key's, so a client could have one
/// page stored for another.
const OF_THE_URL: [HeaderName; 12] = [
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("front-end-https"),
    HeaderName::from_static("x-envoy-original-path"),
    HeaderName::from_static("x-host"),
    HeaderName::from_static("x-http-host-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-original-host"),
    HeaderName::from_static("x-original-uri"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];
/// And whatever begins so: who forwards a request makes up new ones.
const FORWARDED: &str = "x-forwarded-";

/// Sends requests to one origin, whatever the client called it.
#[derive(Clone, Debug)]
pub(super) struct Rewrite<S> {
    authority: Authority,
    host: HeaderValue,
    inner: S,
}

impl<S> Rewrite<S> {
    pub(super) fn new(authority: Authority, inner: S) -> Self {
        // An authority is made of what may stand in a field.
        let host = HeaderValue::from_str(authority.as_str());
        let host = host.unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        Self {
            authority,
            host,
            inner,
        }
    }

    fn rewrite<A: Body>(&self, request: &mut Request<A>) {
        let path = request.uri().path_and_query().cloned();
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        let headers = request.headers_mut();
        let forwarded = headers
            .keys()
            .filter(|name| name.as_str().starts_with(FORWARDED));
        let forwarded: Vec<_> = forwarded.cloned().collect();
        for name in forwarded.iter().chain(&OF_THE_URL) {
            headers.remove(name);
        }
        headers.insert(HOST, self.host.clone());
        leave_hop(headers);
        // Its framing ended here too, and without a new one the body of a GET would not be sent.
        if !request.body().is_end_stream() && !request.headers().contains_key(CONTENT_LENGTH) {
            let chunked = HeaderValue::from_static("chunked");
            request.headers_mut().insert(TRANSFER_ENCODING, chunked);
        }
    }
}

/// What is wrong with a request that is not one for the origin.
fn refusal<A>(request: &Request<A>) -> Option<StatusCode> {
    if request.method() == Method::CONNECT {
        return Some(StatusCode::METHOD_NOT_ALLOWED);
    }
    // RFC 9112 §3.2. The origin would not see it: it is asked by its own name.
    let mut hosts = request.headers().get_all(HOST).iter();
    let is_named = match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => host.is_empty() || Authority::try_from(host.as_bytes()).is_ok(),
        (Some(_), Some(_)) => false,
    };
    (!is_named).then_some(StatusCode::BAD_REQUEST)
}

/// Removes what ends here, and says who passed it on (RFC 9110 §7.6.3).
pub(super) fn leave_hop(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    headers.append(VIA, HeaderValue::from_static("1.1 larder"));
}

impl<S, A, B> Service<Request<A>> for Rewrite<S>
where
    S: Service<Request<A>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    A: Body,
    B: Send + 'static,
{
    type Response = Response<Either<B, Empty<Bytes>>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        if let Some(status) = refusal(&request) {
            let mut response = Response::new(Either::Right(Empty::new()));
            *response.status_mut() = status;
            return Box::pin(std::future::ready(Ok(response)));
        }
        self.rewrite(&mut request);
        let answering = self.inner.call(request);
        Box::pin(async move { Ok(answering.await?.map(Either::Left)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_asked_by_its_own_name() {
        let rewrite = Rewrite::new(Authority::from_static("origin:81"), ());
        let request = Request::get("http://evil.example/a?b=c")
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-whatever", "evil.example")
            .header("x-http-method-override", "DELETE")
            .header("connection", "close, x-hop")
            .header("x-hop", "1")
            .header("x-kept", "2");
        let mut request = request.body(Empty::<Bytes>::new()).unwrap();
        rewrite.rewrite(&mut request);
        assert_eq!(request.uri(), "http://origin:81/a?b=c");
        let mut expected = HeaderMap::new();
        for (name, value) in [
            ("host", "origin:81"),
            ("via", "1.1 larder"),
            ("x-kept", "2"),
        ] {
            expected.insert(name, HeaderValue::from_static(value));
        }
        assert_eq!(request.headers(), &expected);
    }
}
