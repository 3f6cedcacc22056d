//! A client for the service, as small as it can be.

use std::error::Error;
use std::net::SocketAddr;

use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::client::legacy::{Client as Http, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Client {
    http: Http<HttpConnector, String>,
    service: SocketAddr,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// What the HTTP cache did, as RFC 9211 says it; empty where there is none.
    pub(crate) cache_status: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new(service: SocketAddr) -> Self {
        let http = Http::builder(TokioExecutor::new()).build_http();
        Self { http, service }
    }

    pub(crate) async fn get(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        self.send(Method::GET, path, headers, "").await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, Failure> {
        let uri = format!("http://{}{path}", self.service);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.http.request(request.body(body.to_owned())?).await?;
        let (head, body) = response.into_parts();
        let cache_status = head.headers.get("cache-status");
        Ok(Answer {
            status: head.status,
            cache_status: cache_status
                .map_or(Ok(""), |value| value.to_str())?
                .to_owned(),
            body: String::from_utf8(body.collect().await?.to_bytes().into())?,
        })
    }
}
