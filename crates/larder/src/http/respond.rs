//! Makes responses for clients: of what is stored, of what the service answers, and of one's own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AGE, CONTENT_LENGTH, CONTENT_RANGE, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};

use super::body::CacheBody;
use super::plan::Plan;
use super::rules::conditional;
use super::rules::range::{self, Ranged};
use super::rules::status::CacheStatus;
use super::stored::StoredResponse;

/// What a client said of the answer that it wants.
#[derive(Clone)]
pub(super) struct Client(Arc<HeaderMap>);

impl Client {
    pub(super) fn new(request: &Parts) -> Self {
        Self(Arc::new(request.headers.clone()))
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.0
    }

    /// Whether the client has what a response would bring (RFC 9110 §13.2.1: only of success).
    pub(super) fn has_copy(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        status.is_success() && conditional::has_copy(&self.0, headers)
    }

    /// A stored response, or what of it the client asked for.
    pub(super) fn stored<B>(
        &self,
        stored: &StoredResponse,
        age: Duration,
        is_head: bool,
        plan: &Plan,
        status: CacheStatus,
    ) -> Response<CacheBody<B>> {
        let mut headers = stored.headers.0.clone();
        headers.insert(AGE, HeaderValue::from(age.as_secs()));
        status.append(&plan.identity, &mut headers);
        let code = stored.status.0;
        if self.has_copy(code, &headers) {
            conditional::without_body(&mut headers);
            return assembled(StatusCode::NOT_MODIFIED, headers, Bytes::new());
        }
        if is_head {
            return assembled(code, headers, Bytes::new());
        }
        let len = stored.body.len();
        let ranged = match code {
            StatusCode::OK => range::answer(&self.0, &headers, len),
            _ => Ranged::Whole,
        };
        match ranged {
            Ranged::Whole => assembled(code, headers, stored.body.clone()),
            Ranged::Part(part) => {
                // Of a part that is not empty.
                let range = format!("bytes {}-{}/{len}", part.start, part.end - 1);
                set(&mut headers, range);
                headers.insert(CONTENT_LENGTH, HeaderValue::from(part.len()));
                assembled(
                    StatusCode::PARTIAL_CONTENT,
                    headers,
                    stored.body.slice(part),
                )
            }
            Ranged::Unsatisfiable => {
                conditional::without_body(&mut headers);
                set(&mut headers, format!("bytes */{len}"));
                assembled(StatusCode::RANGE_NOT_SATISFIABLE, headers, Bytes::new())
            }
        }
    }
}

fn set(headers: &mut HeaderMap, range: String) {
    if let Ok(range) = HeaderValue::try_from(range) {
        headers.insert(CONTENT_RANGE, range);
    }
}

fn assembled<B>(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response<CacheBody<B>> {
    let mut response = Response::new(CacheBody::whole(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The service's response as it is.
pub(super) fn through<B>(
    response: Response<B>,
    plan: &Plan,
    status: CacheStatus,
) -> Response<CacheBody<B>> {
    let mut response = response.map(CacheBody::through);
    status.append(&plan.identity, response.headers_mut());
    response
}

/// A response without a body, of the cache's own making.
pub(super) fn own<B>(code: StatusCode, plan: &Plan, status: CacheStatus) -> Response<CacheBody<B>> {
    let mut headers = HeaderMap::new();
    status.append(&plan.identity, &mut headers);
    assembled(code, headers, Bytes::new())
}
