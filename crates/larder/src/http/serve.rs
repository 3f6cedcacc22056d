//! Answers from what is stored, and what is done about it behind the client's back.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::{BoxError, CacheBody};
use super::exchange::Exchanging;
use super::plan::{Asked, Plan};
use super::rules::serving;
use super::rules::status::{CacheStatus, Forward};
use super::seen::Seen;
use super::stored::Varies;
use crate::outcome::Source;

impl<S, A, B> Exchanging<S, A>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    A: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Asks the service behind the client's back.
    pub(super) fn refresh(self, asked: &Asked, key: String, varies: Option<&Varies>, seen: &Seen) {
        let id = (self.tenant.clone(), key.clone());
        if !self.plan.refreshing.lock().insert(id.clone()) {
            return;
        }
        let fetch = self.fetch_of(asked, varies, Some(seen), Forward::Stale);
        let guard = Refreshing {
            plan: Arc::clone(&self.plan),
            id,
        };
        let runtime = self.plan.runtime.clone();
        runtime.spawn(async move {
            let _guard = guard;
            let entry = self.plan.entry(&key, self.tenant.as_deref(), &self.tags);
            let refreshed = entry
                .max_stale(Duration::ZERO)
                .uncounted()
                .lookup_or_spawn_with(move |_| fetch.run());
            if let Err(error) = refreshed.await {
                tracing::debug!(target: "larder::http", %key, %error, "a refresh failed");
            }
        });
    }

    /// A stored response.
    pub(super) fn hit(&self, asked: &Asked, seen: &Seen) -> Response<CacheBody<B>> {
        let detail = match seen.outcome.source {
            Source::Near => "near",
            _ => "remote",
        };
        let status = CacheStatus {
            detail: Some(detail),
            ..CacheStatus::hit()
        };
        self.response(asked, seen, status)
    }

    /// What a fetch brought, or was stored while this request was on its way.
    pub(super) fn found(
        &self,
        asked: &Asked,
        seen: &Seen,
        status: CacheStatus,
    ) -> Response<CacheBody<B>> {
        match seen.outcome.source {
            Source::Loader => self.response(asked, seen, status),
            _ => self.hit(asked, seen),
        }
    }

    /// A stale response in place of an error (RFC 5861), where one may be served.
    pub(super) fn stand_in(
        &self,
        asked: &Asked,
        seen: Option<&Seen>,
    ) -> Option<Response<CacheBody<B>>> {
        let seen = seen.filter(|seen| serving::stands_in(seen.held(), &asked.wish))?;
        self.answered(asked, seen);
        let status = CacheStatus {
            detail: Some("stale-if-error"),
            ..CacheStatus::forwarded(Forward::Stale)
        };
        Some(self.response(asked, seen, status))
    }

    fn response(&self, asked: &Asked, seen: &Seen, status: CacheStatus) -> Response<CacheBody<B>> {
        let (response, age) = (&*seen.response, seen.age);
        let status = status.with_ttl(response.terms.lifetime, age);
        self.client
            .stored(response, age, asked.is_head, &self.plan, status)
    }
}

/// Takes a key off the list of those that are being refreshed.
struct Refreshing {
    plan: Arc<Plan>,
    id: (Option<String>, String),
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        let refreshing: &mut HashSet<_> = &mut self.plan.refreshing.lock();
        refreshing.remove(&self.id);
    }
}
