//! One request's way: what is stored is looked at, the rules decide, and the service is asked where it
//! must be.

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

use super::body::{BoxError, CacheBody};
use super::fetch::{Fetch, FetchError, Head, Slot};
use super::key::{authorized_mark, variant_key};
use super::plan::{Asked, Plan, Route};
use super::respond::{Client, own, through};
use super::rules::serving::{self, Decision};
use super::rules::status::{CacheStatus, Forward};
use super::seen::Seen;
use super::stored::{Stored, Varies};
use crate::load::LoadError;
use crate::outcome::{Found, Source};
use crate::telemetry::Miss;

/// How often a request may be led on, to the variant of an index that is replaced meanwhile.
const MOST_LOOKS: usize = 4;

/// A request on its way.
pub(super) struct Exchanging<S, A> {
    pub(super) plan: Arc<Plan>,
    slot: Slot<S, A>,
    pub(super) client: Client,
    route: Route,
    pub(super) tenant: Option<String>,
    pub(super) tags: Vec<String>,
}

/// What looking brought.
enum Looked {
    Nothing(Miss),
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
    pub(super) async fn pass(
        self,
        mut status: CacheStatus,
    ) -> Result<Response<CacheBody<B>>, S::Error> {
        let taken = self.slot.lock().take();
        let Some((mut service, request)) = taken else {
            return Ok(own(StatusCode::BAD_GATEWAY, &self.plan, status));
        };
        let response = service.call(request).await?;
        status.forward_status = Some(response.status());
        Ok(through(response, &self.plan, status))
    }

    async fn cached(self, asked: Asked) -> Result<Response<CacheBody<B>>, S::Error> {
        let mut key = asked.key.clone();
        let mut varies = None;
        for _ in 0..MOST_LOOKS {
            let (seen, mut why) = match self.look(&asked, &mut key, &mut varies).await {
                Looked::Uncacheable => {
                    self.missed(&asked, Some(Miss::Absent));
                    if asked.wish.only_if_cached() {
                        let refused = Refused::OnlyIfCached;
                        return self.without_fetch(refused, Forward::UriMiss).await;
                    }
                    return self.pass(uncacheable()).await;
                }
                Looked::Response(seen) => (Some(seen), Some(Miss::Expired)),
                Looked::Nothing(why) => (None, Some(why)),
            };
            let mut forward = miss(varies.is_some());
            let (mut forced, mut is_fresh) = (false, false);
            if let Some(seen) = &seen {
                let held = seen.held();
                let decision = serving::decide(held, &asked.wish);
                match decision {
                    Decision::Fresh | Decision::Stale => {
                        self.answered(&asked, seen);
                        return Ok(self.hit(&asked, seen));
                    }
                    Decision::Refresh => {
                        self.answered(&asked, seen);
                        let response = self.hit(&asked, seen);
                        self.refresh(&asked, key, varies.as_ref(), seen);
                        return Ok(response);
                    }
                    Decision::AskStale => forward = Forward::Stale,
                    Decision::AskWanted => {
                        forward = Forward::Request;
                        // It would have been one, and is not wanted.
                        why = None;
                    }
                }
                // The cache itself takes it for fresh, and would give it again.
                is_fresh = decision == Decision::AskWanted;
                forced = is_fresh || held.terms.validate;
            }
            if let Some(refused) = Self::cannot_fetch(&asked, seen.is_some()) {
                self.missed(&asked, why);
                return self.without_fetch(refused, forward).await;
            }
            if asked.is_authorized && seen.is_none() && self.is_marked(&asked).await {
                self.missed(&asked, why);
                return self.pass(uncacheable()).await;
            }
            let fetch = self.fetch_of(&asked, varies.as_ref(), seen.as_ref(), forward);
            let fetch = Fetch { is_fresh, ..fetch };
            match self.fetch(&key, fetch, forced).await {
                Fetched::Head(head) => {
                    self.missed(&asked, why);
                    return *head;
                }
                Fetched::Found(found) => match &*found.value {
                    Stored::Varies(index) => {
                        key = variant_key(&asked.key, index, self.client.headers());
                        varies = Some(index.clone());
                    }
                    Stored::Uncacheable => {
                        self.missed(&asked, why);
                        return self.pass(uncacheable()).await;
                    }
                    Stored::Response(response) => {
                        let joined = found.outcome.joined;
                        let seen = Seen::new(response, found.outcome);
                        // Another request's answer. It may be there to be asked about alone, and then the
                        // origin alone may give it to this one (RFC 9111 §5.2.2.4).
                        let is_ours = !joined && seen.outcome.source == Source::Loader;
                        let may_have = is_ours || serving::may_share(seen.held());
                        if is_ours || !may_have {
                            self.missed(&asked, why);
                        } else if !joined {
                            self.answered(&asked, &seen);
                        }
                        if !may_have {
                            return self.pass(CacheStatus::forwarded(forward)).await;
                        }
                        let status = CacheStatus {
                            collapsed: joined,
                            stored: is_ours && self.plan.stores(),
                            ..CacheStatus::forwarded(forward)
                        };
                        return Ok(self.found(&asked, &seen, status));
                    }
                },
                Fetched::Failed(error) => {
                    return self
                        .failed(&asked, seen.as_ref(), &error, (why, forward))
                        .await;
                }
            }
        }
        self.pass(CacheStatus::forwarded(Forward::VaryMiss)).await
    }

    /// There is no answer to be had of a fetch.
    async fn failed(
        self,
        asked: &Asked,
        seen: Option<&Seen>,
        error: &LoadError<FetchError>,
        (why, forward): (Option<Miss>, Forward),
    ) -> Result<Response<CacheBody<B>>, S::Error> {
        // That another one's answer is for it alone is no error to stand in for.
        let not_shared =
            matches!(error, LoadError::Loader(error) if **error == FetchError::NotShared);
        if !not_shared && let Some(response) = self.stand_in(asked, seen) {
            return Ok(response);
        }
        self.missed(asked, why);
        let status = CacheStatus {
            detail: Some(reason(error)),
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
        Ok(own(code, &self.plan, status))
    }

    /// What is stored for a request, followed to its variant.
    async fn look(&self, asked: &Asked, key: &mut String, varies: &mut Option<Varies>) -> Looked {
        let mut why = Miss::Absent;
        for _ in 0..2 {
            let entry = self.plan.entry(key, self.tenant.as_deref(), &[]);
            let found = match entry.peek().await {
                Ok(found) => found,
                Err(missed) => {
                    why = missed;
                    break;
                }
            };
            match &*found.value {
                Stored::Response(response) => {
                    return Looked::Response(Seen::new(response, found.outcome));
                }
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
        Looked::Nothing(why)
    }

    /// Counts that the answer was stored. A request is counted once, however many entries it looks at.
    pub(super) fn answered(&self, asked: &Asked, seen: &Seen) {
        let entry = self.plan.entry(&asked.key, self.tenant.as_deref(), &[]);
        entry.count_hit(&seen.outcome);
    }

    /// Counts that it was not, if that counts.
    fn missed(&self, asked: &Asked, why: Option<Miss>) {
        if let Some(why) = why {
            let entry = self.plan.entry(&asked.key, self.tenant.as_deref(), &[]);
            entry.count_miss(why);
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
        let entry = self.plan.entry(&mark, self.tenant.as_deref(), &[]);
        entry
            .peek()
            .await
            .is_ok_and(|mark| mark.outcome.freshness.is_fresh())
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
            .max_stale(Duration::ZERO)
            .uncounted();
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

    pub(super) fn fetch_of(
        &self,
        asked: &Asked,
        varies: Option<&Varies>,
        seen: Option<&Seen>,
        forward: Forward,
    ) -> Fetch<S, A, B, S::Error> {
        let stands_in = seen.is_some_and(|seen| serving::stands_in(seen.held(), &asked.wish));
        Fetch {
            plan: Arc::clone(&self.plan),
            slot: Arc::clone(&self.slot),
            client: self.client.clone(),
            primary: asked.key.clone(),
            tenant: self.tenant.clone(),
            tags: self.tags.clone(),
            varies: varies.cloned(),
            known: seen.map(|seen| Arc::clone(&seen.response)),
            is_fresh: false,
            stands_in,
            is_authorized: asked.is_authorized,
            forward,
            head: None,
        }
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
