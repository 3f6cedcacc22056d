//! Unsafe methods: they go on to the service, and what they may have changed is invalidated.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;
use url::Url;

use super::body::{BoxError, CacheBody};
use super::exchange::Exchanging;
use super::respond::own;
use super::rules::invalidation;
use super::rules::status::{CacheStatus, Forward};

impl<S, A, B> Exchanging<S, A>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    A: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Goes on to the service with an unsafe method, and invalidates what that may have changed. In a task
    /// of its own: what the service does is done, whether or not the client stays to hear of it.
    pub(super) async fn change(self, url: String) -> Result<Response<CacheBody<B>>, S::Error> {
        let plan = Arc::clone(&self.plan);
        let changing = plan.runtime.spawn(self.change_to_the_end(url));
        match changing.await {
            Ok(response) => response,
            // The service panicked, and its caller is to see that as if it had called it itself.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The larder's runtime has ended.
            Err(_) => {
                let status = CacheStatus::forwarded(Forward::Method);
                Ok(own(StatusCode::BAD_GATEWAY, &plan, status))
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
}
