//! Asks the service for a response that is to be stored: the loader of a key.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, Entry, HeaderName, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response, StatusCode, response};
use http_body::Body;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tower_service::Service;

use super::body::{BoxError, CacheBody, Collected, shared};
use super::key::{authorized_mark, variant_key};
use super::plan::{Plan, date_it};
use super::respond::{Client, through};
use super::rules::freshness::Exchange;
use super::rules::status::{CacheStatus, Forward};
use super::rules::storing::{Refusal, Terms};
use super::rules::vary::Nominated;
use super::rules::{conditional, hops, validation};
use super::stored::{Fields, Names, Status, Stored, StoredResponse, Varies};
use crate::load::Loaded;

/// A service that is ready, and the request for it: taken by who asks it.
pub(super) type Slot<S, A> = Arc<Mutex<Option<(S, Request<A>)>>>;
/// The service's answer to the request that asked it.
pub(super) type Head<B, E> = Result<Response<CacheBody<B>>, E>;

/// The least time that a value lives in the cache: that of zero would not be stored.
const LEAST: Duration = Duration::from_millis(1);
/// How long an index of variants lives at least.
const INDEX: Duration = Duration::from_hours(24);

/// Why there is nothing to be stored. Each who waited for it asks the service itself, or has a stale
/// response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FetchError {
    /// The service returned an error, or a response that is one.
    Service,
    /// The response broke off, or was not as long as it said.
    Broken,
    /// A 304 spoke of something else than what is stored.
    Unconfirmed,
    /// The response is for one user alone.
    NotShared,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Service => "the service failed",
            Self::Broken => "the response broke off",
            Self::Unconfirmed => "a 304 names another response than the stored one",
            Self::NotShared => "the response is for one user alone",
        })
    }
}

pub(super) struct Fetch<S, A, B, E> {
    pub(super) plan: Arc<Plan>,
    pub(super) slot: Slot<S, A>,
    pub(super) client: Client,
    /// The key of the URL.
    pub(super) primary: String,
    pub(super) tenant: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) varies: Option<Varies>,
    /// What is stored.
    pub(super) known: Option<Arc<StoredResponse>>,
    /// Whether that is fresh, and only this client does not want it.
    pub(super) is_fresh: bool,
    /// Whether that may be served in place of an error.
    pub(super) stands_in: bool,
    pub(super) is_authorized: bool,
    pub(super) forward: Forward,
    /// Where the client waits for the answer; `None` behind its back.
    pub(super) head: Option<oneshot::Sender<Head<B, E>>>,
}

impl<S, A, B, E> Fetch<S, A, B, E> {
    pub(super) fn told(mut self, head: oneshot::Sender<Head<B, E>>) -> Self {
        self.head = Some(head);
        self
    }

    fn status(&self, code: StatusCode) -> CacheStatus {
        CacheStatus {
            forward_status: Some(code),
            ..CacheStatus::forwarded(self.forward)
        }
    }

    /// Answers the client, if it is still there.
    fn tell(&mut self, answer: impl FnOnce(&Self) -> Head<B, E>) {
        if let Some(head) = self.head.take().filter(|head| !head.is_closed()) {
            let _ = head.send(answer(self));
        }
    }
}

impl<S, A, B> Fetch<S, A, B, S::Error>
where
    S: Service<Request<A>, Response = Response<B>> + Send,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) async fn run(mut self) -> Result<Loaded<Stored>, FetchError> {
        let taken = self.slot.lock().take();
        // It is taken once: by this loader, or by its caller after the flight.
        let (mut service, mut request) = taken.ok_or(FetchError::Service)?;
        let known = self.known.clone();
        let known = known.as_deref().filter(|_| self.plan.validates());
        *request.method_mut() = Method::GET;
        let asked = validation::ask(request.headers_mut(), known.map(|known| &known.headers.0));
        let sent = self.plan.clock.now();
        let response = match service.call(request).await {
            Ok(response) => response,
            Err(error) => {
                if !self.stands_in {
                    self.tell(|_| Err(error));
                }
                return Err(FetchError::Service);
            }
        };
        let exchange = Exchange {
            received: SystemTime::now(),
            delay: self.plan.clock.now().since(sent),
        };
        let (mut parts, body) = response.into_parts();
        if let Some(known) = known.filter(|_| asked && parts.status == StatusCode::NOT_MODIFIED) {
            if !validation::confirms(&known.headers.0, &parts.headers) {
                self.forget().await;
                return Err(FetchError::Unconfirmed);
            }
            return self.confirmed(known, parts.headers, exchange).await;
        }
        let is_error = matches!(parts.status.as_u16(), 500 | 502 | 503 | 504);
        if is_error && self.stands_in {
            return Err(FetchError::Service);
        }
        date_it(&mut parts.headers, exchange.received);
        let verdict = self.plan.judge(self.client.headers(), &parts, exchange);
        let verdict = verdict.and_then(|terms| match least_length(&parts.headers, &body) {
            len if len > self.plan.max_body as u64 => Err(Refusal::TooLarge),
            _ => Ok(terms),
        });
        match verdict {
            Ok((terms, left_out)) => self.store(parts, body, terms, &left_out).await,
            Err(refusal) => {
                let answer = Response::from_parts(parts, body);
                self.refuse(answer, refusal).await
            }
        }
    }

    /// The response goes to its client and is not stored.
    async fn refuse(
        mut self,
        response: Response<B>,
        refusal: Refusal,
    ) -> Result<Loaded<Stored>, FetchError> {
        let code = response.status();
        self.tell(|this| {
            let status = CacheStatus {
                detail: Some(refusal.as_str()),
                ..this.status(code)
            };
            Ok(through(response, &this.plan, status))
        });
        // What is stored stays, for when the service has recovered.
        if code.is_server_error() {
            return Err(FetchError::Service);
        }
        // So does what one client's answer says nothing of: a fresh response that it did not want, or any
        // where it made an error. Save where there is nothing any more.
        let is_gone = matches!(code, StatusCode::NOT_FOUND | StatusCode::GONE);
        if !is_gone && (self.is_fresh || self.known.is_some() && code.is_client_error()) {
            return Err(FetchError::NotShared);
        }
        if self.is_authorized {
            // Others may get what can be stored: nothing is noted under their key.
            let mark = authorized_mark(&self.primary);
            let entry = self.plan.entry(&mark, self.tenant.as_deref(), &[]);
            let noted = entry
                .ttl(self.plan.uncacheable)
                .set(Stored::Uncacheable)
                .await;
            drop(noted);
            return Err(FetchError::NotShared);
        }
        Ok(self.uncacheable())
    }

    /// Those who wait, and who come within a short time, need not wait for each other.
    fn uncacheable(&self) -> Loaded<Stored> {
        Loaded::new(Stored::Uncacheable)
            .ttl(self.plan.uncacheable)
            .stale(Duration::ZERO)
    }

    /// Hands the response on while it is collected, and stores it.
    async fn store(
        mut self,
        parts: response::Parts,
        body: B,
        mut terms: Terms,
        left_out: &[HeaderName],
    ) -> Result<Loaded<Stored>, FetchError> {
        let (code, headers) = (parts.status, parts.headers.clone());
        let says = says_length(&headers);
        let hint = body.size_hint();
        let (for_client, collector) = shared(body);
        let began = self.plan.clock.now();
        self.tell(|this| {
            let is_known = says.is_some() || hint.exact().is_some();
            let status = CacheStatus {
                stored: is_known && this.plan.stores(),
                ..this.status(code)
            };
            let mut response = Response::from_parts(parts, for_client);
            status.append(&this.plan.identity, response.headers_mut());
            if this.client.has_copy(code, response.headers()) {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                conditional::without_body(response.headers_mut());
                *response.body_mut() = CacheBody::empty();
            }
            Ok(response)
        });
        let body = match collector.collect(self.plan.max_body).await {
            Collected::Whole(body) => body,
            Collected::TooLarge if self.is_fresh => return Err(FetchError::NotShared),
            Collected::TooLarge => return Ok(self.uncacheable()),
            Collected::Failed => return Err(FetchError::Broken),
        };
        // It was made before its head came, and is stored only now.
        terms.initial_age += self.plan.clock.now().since(began);
        if says.is_some_and(|says| says != body.len() as u64) {
            return Err(FetchError::Broken);
        }
        let mut headers = headers;
        hops::remove_hop_by_hop(&mut headers);
        for name in left_out {
            headers.remove(name);
        }
        if code != StatusCode::NO_CONTENT {
            headers.insert(CONTENT_LENGTH, body.len().into());
        }
        let response = StoredResponse {
            status: Status(code),
            headers: Fields(headers),
            body,
            terms,
        };
        Ok(self.file(response).await)
    }

    /// Removes what is stored: asked about it, the origin spoke of something else, and would again, or said that
    /// it is not to be stored.
    async fn forget(&self) {
        let key = match &self.varies {
            Some(index) => variant_key(&self.primary, index, self.client.headers()),
            None => self.primary.clone(),
        };
        let entry = self.plan.entry(&key, self.tenant.as_deref(), &[]);
        if let Err(error) = entry.remove().await {
            tracing::debug!(target: "larder::http", key, %error, "not confirmed");
        }
    }

    /// The stored response still stands: its fields are brought up to date (RFC 9111 §4.3.4).
    async fn confirmed(
        mut self,
        known: &StoredResponse,
        mut not_modified: HeaderMap,
        exchange: Exchange,
    ) -> Result<Loaded<Stored>, FetchError> {
        // One user's cookie is not another's.
        let cookies: Vec<_> = match not_modified.entry(SET_COOKIE) {
            Entry::Occupied(cookies) => cookies.remove_entry_mult().1.collect(),
            Entry::Vacant(_) => Vec::new(),
        };
        date_it(&mut not_modified, exchange.received);
        let age = not_modified.get(http::header::AGE).cloned();
        let mut parts = Response::new(()).into_parts().0;
        parts.status = known.status.0;
        parts.headers = validation::freshen(&known.headers.0, not_modified);
        // It speaks of this exchange, and is not a part of what is stored.
        if let Some(age) = age {
            parts.headers.insert(http::header::AGE, age);
        }
        let verdict = self.plan.judge(self.client.headers(), &parts, exchange);
        parts.headers.remove(http::header::AGE);
        let response = |terms, headers| StoredResponse {
            status: known.status.clone(),
            headers: Fields(headers),
            body: known.body.clone(),
            terms,
        };
        let answer = |this: &Self, response: &StoredResponse, status| {
            let age = response.terms.initial_age;
            let mut answer = this.client.stored(response, age, false, &this.plan, status);
            for cookie in cookies.iter().cloned() {
                answer.headers_mut().append(SET_COOKIE, cookie);
            }
            Ok(answer)
        };
        let status = self.status(StatusCode::NOT_MODIFIED);
        match verdict {
            Ok((terms, left_out)) => {
                for name in left_out {
                    parts.headers.remove(name);
                }
                let response = response(terms, parts.headers);
                // What is filed under another key is no answer to who waits for this one.
                let is_told_apart = self
                    .untold(&response)
                    .is_some_and(|untold| untold.is_empty());
                if !cookies.is_empty() || !is_told_apart {
                    self.tell(|this| answer(this, &response, status));
                }
                Ok(self.file(response).await)
            }
            // Who asked gets it, and nobody else: neither those who wait, nor who comes after.
            Err(refusal) => {
                let response = response(known.terms.clone(), parts.headers);
                let status = CacheStatus {
                    detail: Some(refusal.as_str()),
                    ..status
                };
                self.tell(|this| answer(this, &response, status));
                // What is stored must not be from now on. Save where it is fresh and this client alone did
                // not want it: else one could take it from all.
                let is_over = matches!(
                    refusal,
                    Refusal::NoStore | Refusal::Private | Refusal::VariesOnAll
                );
                if is_over && !self.is_fresh {
                    self.forget().await;
                }
                Err(FetchError::NotShared)
            }
        }
    }

    /// The fields by which a response varies and that its key does not tell; `None` where it varies by all.
    fn untold(&self, response: &StoredResponse) -> Option<Vec<HeaderName>> {
        let Nominated::Fields(mut fields) = Nominated::by(&response.headers.0) else {
            return None;
        };
        let in_key = self.plan.key_fields();
        let in_index = self.varies.as_ref().map(|index| &index.fields.0);
        fields.retain(|field| {
            !in_key.contains(field) && !in_index.is_some_and(|index| index.contains(field))
        });
        Some(fields)
    }

    /// Files a response under its key; where responses vary, under one of its own, behind an index.
    async fn file(self, response: StoredResponse) -> Loaded<Stored> {
        let (ttl, stale) = times(&response.terms);
        let Some(fields) = self.untold(&response) else {
            return self.uncacheable();
        };
        let stored = Stored::Response(Arc::new(response));
        if fields.is_empty() {
            return Loaded::new(stored).ttl(ttl).stale(stale);
        }
        if self.varies.is_some() {
            // It varies by more than was known. The index goes, and the next request finds it out anew:
            // to write one here would not be fenced against an invalidation (G2).
            let entry = self.plan.entry(&self.primary, self.tenant.as_deref(), &[]);
            if let Err(error) = entry.remove().await {
                tracing::debug!(target: "larder::http", key = self.primary, %error, "an outdated index");
            }
            return Loaded::new(Stored::Uncacheable).do_not_store();
        }
        let Ok(generation) = getrandom::u64() else {
            return self.uncacheable();
        };
        let index = Varies {
            generation,
            fields: Names(fields),
        };
        let key = variant_key(&self.primary, &index, self.client.headers());
        // Before the index is there: nothing leads to it until that is stored, and that is not where the
        // key was invalidated meanwhile (G2).
        let entry = self.plan.entry(&key, self.tenant.as_deref(), &self.tags);
        if let Err(error) = entry.ttl(ttl).stale(stale).set(stored).await {
            tracing::debug!(target: "larder::http", key, %error, "a variant is not stored");
        }
        Loaded::new(Stored::Varies(index))
            .ttl(INDEX.max(ttl.saturating_add(stale)))
            .stale(Duration::ZERO)
    }
}

/// How long a response is in the cache, and how much of that as a stale value. Whether it is served is
/// decided by its terms.
fn times(terms: &Terms) -> (Duration, Duration) {
    let fresh = terms.lifetime.saturating_sub(terms.initial_age);
    // One that was too old when it came has that much less of its time past it.
    let over = terms.initial_age.saturating_sub(terms.lifetime);
    (fresh.max(LEAST), terms.keep.saturating_sub(over))
}

fn says_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// How long a body is at least, by what is known.
fn least_length(headers: &HeaderMap, body: &impl Body) -> u64 {
    says_length(headers)
        .unwrap_or_default()
        .max(body.size_hint().lower())
}
