//! One request's way: what is stored is looked at, the rules decide, and the service is asked where it
//! must be.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tower_service::Service;
use url::Url;

use super::body::{BoxError, CacheBody};
use super::fetch::{Fetch, FetchError, Head, Slot};
use super::key::{authorized_mark, variant_key};
use super::plan::{Asked, Plan, Route};
use super::respond::{Client, gateway, own, through};
use super::rules::invalidation;
use super::rules::serving::{self, Decision};
use super::rules::status::{CacheStatus, Forward};
use super::seen::Seen;
use super::stored::{Stored, Varies};
use crate::load::LoadError;
use crate::outcome::{Found, Source};

/// How often a request may be led on, to the variant of an index that is replaced meanwhile.
const MOST_LOOKS: usize = 4;

/// A request on its way.
pub(super) struct Exchanging<S, A> {
    plan: Arc<Plan>,
    slot: Slot<S, A>,
    client: Client,
    route: Route,
    tenant: Option<String>,
    tags: Vec<String>,
}

/// What looking brought.
enum Looked {
    Nothing { vary: bool },
    Uncacheable,
    Response(Seen),
}

impl<S, A, B> Exchanging<S, A>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    A: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(plan: &Arc<Plan>, service: S, request: Request<A>) -> Self {
        let (parts, body) = request.into_parts();
        let route = plan.route(&parts, !body.is_end_stream());
        let is_cached = matches!(route, Route::Cached(_));
        let of_request = |parts: &Parts| plan.tenant.as_ref().and_then(|tenant| tenant(parts));
        let tenant = (!matches!(route, Route::Pass(_)))
            .then(|| of_request(&parts))
            .flatten();
        let tags = plan
            .tags
            .as_ref()
            .filter(|_| is_cached)
            .map(|tags| tags(&parts));
        Self {
            plan: Arc::clone(plan),
            client: Client::new(&parts),
            slot: Arc::new(Mutex::new(Some((
                service,
                Request::from_parts(parts, body),
            )))),
            route,
            tenant,
            tags: tags.unwrap_or_default(),
        }
    }

    pub(super) async fn answer(mut self) -> Result<Response<CacheBody<B>>, S::Error> {
        match std::mem::replace(&mut self.route, Route::Pass(Forward::Bypass)) {
            Route::Pass(forward) => self.pass(CacheStatus::forwarded(forward)).await,
            Route::Unsafe { url } => self.change(url).await,
            Route::Cached(asked) => self.cached(asked).await,
        }
    }

    /// Goes on to the service; its response is not stored.
    async fn pass(self, mut status: CacheStatus) -> Result<Response<CacheBody<B>>, S::Error> {
        let taken = self.slot.lock().take();
        let Some((mut service, request)) = taken else {
            return Ok(gateway(StatusCode::BAD_GATEWAY, &self.plan, status));
        };
        let response = service.call(request).await?;
        status.forward_status = Some(response.status());
        Ok(through(response, &self.plan, status))
    }

    /// Goes on to the service with an unsafe method, and invalidates what that may have changed. In a task
    /// of its own: what the service does is done, whether or not the client stays to hear of it.
    async fn change(self, url: String) -> Result<Response<CacheBody<B>>, S::Error> {
        let plan = Arc::clone(&self.plan);
        let changing = plan.runtime.spawn(self.change_to_the_end(url));
        match changing.await {
            Ok(response) => response,
            // The service panicked, and its caller is to see that as if it had called it itself.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The larder's runtime has ended.
            Err(_) => {
                let status = CacheStatus::forwarded(Forward::Method);
                Ok(gateway(StatusCode::BAD_GATEWAY, &plan, status))
            }
        }
    }

    async fn change_to_the_end(self, url: String) -> Result<Response<CacheBody<B>>, S::Error> {
        let (plan, tenant) = (Arc::clone(&self.plan), self.tenant.clone());
        let answer = self.pass(CacheStatus::forwarded(Forward::Method)).await;
        // Without an answer nobody knows what was done, so it may have been.
        if let Ok(response) = &answer
            && !invalidation::invalidates(response.status())
        {
            return answer;
        }
        let named = match (&answer, Url::parse(&url)) {
            (Ok(response), Ok(target)) => invalidation::named_by(response.headers(), &target),
            _ => Vec::new(),
        };
        // Its own as it was sent, since that is its key.
        for key in std::iter::once(url).chain(named.into_iter().map(String::from)) {
            if let Err(error) = plan.entry(&key, tenant.as_deref(), &[]).remove().await {
                tracing::warn!(target: "larder::http", %key, %error, "not yet invalidated everywhere");
            }
        }
        answer
    }

    async fn cached(self, asked: Asked) -> Result<Response<CacheBody<B>>, S::Error> {
        let mut key = asked.key.clone();
        let mut varies = None;
        for _ in 0..MOST_LOOKS {
            let seen = match self.look(&asked, &mut key, &mut varies).await {
                Looked::Uncacheable if asked.wish.only_if_cached() => {
                    return self
                        .without_fetch(Refused::OnlyIfCached, Forward::UriMiss)
                        .await;
                }
                Looked::Uncacheable => return self.pass(uncacheable()).await,
                Looked::Response(seen) => Some(seen),
                Looked::Nothing { vary } => {
                    if let Some(refused) = Self::cannot_fetch(&asked, false) {
                        return self.without_fetch(refused, miss(vary)).await;
                    }
                    None
                }
            };
            let mut forward = miss(varies.is_some());
            let (mut forced, mut is_fresh) = (false, false);
            if let Some(seen) = &seen
                && let Some(held) = seen.held()
            {
                let decision = serving::decide(held, &asked.wish);
                match decision {
                    Decision::Fresh | Decision::Stale => return Ok(self.hit(&asked, seen)),
                    Decision::Refresh => {
                        let response = self.hit(&asked, seen);
                        self.refresh(&asked, key, varies.as_ref(), seen);
                        return Ok(response);
                    }
                    Decision::AskStale => forward = Forward::Stale,
                    Decision::AskWanted => forward = Forward::Request,
                }
                // The cache itself takes it for fresh, and would give it again.
                is_fresh = decision == Decision::AskWanted;
                forced = is_fresh || held.terms.validate;
                if let Some(refused) = Self::cannot_fetch(&asked, true) {
                    return self.without_fetch(refused, forward).await;
                }
            }
            if asked.is_authorized && seen.is_none() && self.is_marked(&asked).await {
                return self.pass(uncacheable()).await;
            }
            let fetch = self.fetch_of(&asked, varies.as_ref(), seen.as_ref(), forward);
            let fetch = Fetch { is_fresh, ..fetch };
            match self.fetch(&key, fetch, forced).await {
                Fetched::Head(head) => return *head,
                Fetched::Found(found) => match &*found.value {
                    Stored::Varies(index) => {
                        key = variant_key(&asked.key, index, self.client.headers());
                        varies = Some(index.clone());
                    }
                    Stored::Uncacheable => return self.pass(uncacheable()).await,
                    Stored::Response(_) => {
                        let joined = found.outcome.joined;
                        let seen = Seen::from(found);
                        // Another request's answer. It may be there to be asked about alone, and then the
                        // origin alone may give it to this one (RFC 9111 §5.2.2.4).
                        let is_ours = !joined && seen.source == Source::Loader;
                        if !is_ours && !seen.held().is_some_and(serving::may_share) {
                            return self.pass(CacheStatus::forwarded(forward)).await;
                        }
                        let status = CacheStatus {
                            collapsed: joined,
                            stored: !joined,
                            ..CacheStatus::forwarded(forward)
                        };
                        return Ok(self.found(&asked, &seen, status));
                    }
                },
                Fetched::Failed(error) => {
                    // That another one's answer is for it alone is no error to stand in for.
                    let not_shared = matches!(&error, LoadError::Loader(error) if **error == FetchError::NotShared);
                    if !not_shared && let Some(response) = self.stand_in(&asked, seen.as_ref()) {
                        return Ok(response);
                    }
                    let status = CacheStatus {
                        detail: Some(reason(&error)),
                        ..CacheStatus::forwarded(forward)
                    };
                    if self.slot.lock().is_some() {
                        return self.pass(status).await;
                    }
                    let code = match error {
                        LoadError::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
                        LoadError::Panicked(_) => StatusCode::INTERNAL_SERVER_ERROR,
                        _ => StatusCode::BAD_GATEWAY,
                    };
                    return Ok(gateway(code, &self.plan, status));
                }
            }
        }
        self.pass(CacheStatus::forwarded(Forward::VaryMiss)).await
    }

    /// What is stored for a request, followed to its variant.
    async fn look(&self, asked: &Asked, key: &mut String, varies: &mut Option<Varies>) -> Looked {
        for _ in 0..2 {
            let found = self
                .plan
                .entry(key, self.tenant.as_deref(), &[])
                .lookup()
                .await;
            let Some(found) = found else { break };
            match &*found.value {
                Stored::Response(_) => return Looked::Response(found.into()),
                Stored::Uncacheable if found.outcome.freshness.is_fresh() => {
                    return Looked::Uncacheable;
                }
                Stored::Varies(index) if varies.is_none() => {
                    *key = variant_key(&asked.key, index, self.client.headers());
                    *varies = Some(index.clone());
                }
                Stored::Varies(_) | Stored::Uncacheable => break,
            }
        }
        Looked::Nothing {
            vary: varies.is_some(),
        }
    }

    /// Why the service is not asked for a whole response to this request.
    fn cannot_fetch(asked: &Asked, is_stored: bool) -> Option<Refused> {
        if asked.wish.only_if_cached() {
            Some(Refused::OnlyIfCached)
        } else if asked.is_head {
            Some(Refused::Head)
        } else if asked.wants_part && !is_stored {
            Some(Refused::Part)
        } else {
            None
        }
    }

    async fn without_fetch(
        self,
        refused: Refused,
        forward: Forward,
    ) -> Result<Response<CacheBody<B>>, S::Error> {
        match refused {
            Refused::OnlyIfCached => {
                let status = CacheStatus {
                    detail: Some("only-if-cached"),
                    ..CacheStatus::default()
                };
                Ok(own(StatusCode::GATEWAY_TIMEOUT, &self.plan, status))
            }
            Refused::Head => self.pass(CacheStatus::forwarded(forward)).await,
            Refused::Part => self.pass(CacheStatus::forwarded(Forward::Partial)).await,
        }
    }

    /// Whether an authorised request for this was found to be nobody else's a moment ago.
    async fn is_marked(&self, asked: &Asked) -> bool {
        let mark = authorized_mark(&asked.key);
        self.plan
            .entry(&mark, self.tenant.as_deref(), &[])
            .exists()
            .await
    }

    /// Asks the service, together with all who ask for the same.
    async fn fetch(
        &self,
        key: &String,
        fetch: Fetch<S, A, B, S::Error>,
        forced: bool,
    ) -> Fetched<B, S::Error> {
        let (head, mut told) = oneshot::channel();
        let fetch = fetch.told(head);
        let mut entry = self
            .plan
            .entry(key, self.tenant.as_deref(), &self.tags)
            .max_stale(Duration::ZERO);
        if forced {
            entry = entry.force_refresh();
        }
        let mut flight = pin!(entry.lookup_or_spawn_with(move |_| fetch.run()));
        let landed = match select(flight.as_mut(), &mut told).await {
            Either::Left((landed, _)) => landed,
            Either::Right((Ok(head), _)) => return Fetched::Head(Box::new(head)),
            // Another one's fetch, or one that has nothing to tell.
            Either::Right((Err(_), _)) => flight.await,
        };
        // It may have ended just after it told.
        if let Ok(head) = told.try_recv() {
            return Fetched::Head(Box::new(head));
        }
        match landed {
            Ok(found) => Fetched::Found(found),
            Err(error) => Fetched::Failed(error),
        }
    }

    fn fetch_of(
        &self,
        asked: &Asked,
        varies: Option<&Varies>,
        seen: Option<&Seen>,
        forward: Forward,
    ) -> Fetch<S, A, B, S::Error> {
        let stands_in = seen
            .and_then(Seen::held)
            .is_some_and(|held| serving::stands_in(held, &asked.wish));
        Fetch {
            plan: Arc::clone(&self.plan),
            slot: Arc::clone(&self.slot),
            client: self.client.clone(),
            primary: asked.key.clone(),
            tenant: self.tenant.clone(),
            tags: self.tags.clone(),
            varies: varies.cloned(),
            known: seen.map(|seen| Arc::clone(&seen.stored)),
            is_fresh: false,
            stands_in,
            is_authorized: asked.is_authorized,
            forward,
            head: None,
        }
    }

    /// Asks the service behind the client's back.
    fn refresh(self, asked: &Asked, key: String, varies: Option<&Varies>, seen: &Seen) {
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
                .lookup_or_spawn_with(move |_| fetch.run());
            if let Err(error) = refreshed.await {
                tracing::debug!(target: "larder::http", %key, %error, "a refresh failed");
            }
        });
    }

    fn hit(&self, asked: &Asked, seen: &Seen) -> Response<CacheBody<B>> {
        let Some(response) = seen.response() else {
            return gateway(
                StatusCode::INTERNAL_SERVER_ERROR,
                &self.plan,
                CacheStatus::hit(),
            );
        };
        let age = response.age(seen.since_stored);
        let detail = match seen.source {
            Source::Near => "near",
            _ => "remote",
        };
        let status = CacheStatus {
            detail: Some(detail),
            ..CacheStatus::hit()
        };
        let status = status.with_ttl(response.terms.lifetime, age);
        self.client
            .stored(response, age, asked.is_head, &self.plan, status)
    }

    fn found(&self, asked: &Asked, seen: &Seen, status: CacheStatus) -> Response<CacheBody<B>> {
        // Another request's answer, stored while this one was on its way.
        if seen.source != Source::Loader {
            return self.hit(asked, seen);
        }
        let Some(response) = seen.response() else {
            return gateway(StatusCode::INTERNAL_SERVER_ERROR, &self.plan, status);
        };
        let age = response.age(seen.since_stored);
        let status = status.with_ttl(response.terms.lifetime, age);
        self.client
            .stored(response, age, asked.is_head, &self.plan, status)
    }

    /// A stale response in place of an error (RFC 5861), where one may be served.
    fn stand_in(&self, asked: &Asked, seen: Option<&Seen>) -> Option<Response<CacheBody<B>>> {
        let seen = seen?;
        let (response, held) = (seen.response()?, seen.held()?);
        if !serving::stands_in(held, &asked.wish) {
            return None;
        }
        let status = CacheStatus {
            detail: Some("stale-if-error"),
            ..CacheStatus::forwarded(Forward::Stale)
        };
        let status = status.with_ttl(response.terms.lifetime, held.age);
        Some(
            self.client
                .stored(response, held.age, asked.is_head, &self.plan, status),
        )
    }
}

enum Refused {
    OnlyIfCached,
    Head,
    Part,
}

/// What a fetch brought.
enum Fetched<B, E> {
    /// The service's own response to this request.
    Head(Box<Head<B, E>>),
    /// What is stored now.
    Found(Found<Stored>),
    Failed(LoadError<FetchError>),
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

fn miss(vary: bool) -> Forward {
    if vary {
        Forward::VaryMiss
    } else {
        Forward::UriMiss
    }
}

fn uncacheable() -> CacheStatus {
    CacheStatus {
        detail: Some("not-stored-lately"),
        ..CacheStatus::forwarded(Forward::UriMiss)
    }
}

fn reason<E>(error: &LoadError<E>) -> &'static str {
    match error {
        LoadError::Panicked(_) => "panicked",
        LoadError::TimedOut { .. } => "timed-out",
        LoadError::Overloaded => "overloaded",
        _ => "failed",
    }
}
