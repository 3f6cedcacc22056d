//! Whose request it is.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use ::axum::response::{IntoResponse, Response};
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::key::Tenant;
use crate::larder::Larder;

type Find = Arc<dyn Fn(&Parts) -> Said + Send + Sync>;

/// What a request says of its tenant.
#[derive(Clone, Debug)]
enum Said {
    Nothing,
    Name(String),
    /// Two, or what is no text.
    Unclear,
}

/// A [`TenantLayer`] has looked at a request, and found no tenant.
#[derive(Clone, Copy, Debug)]
enum Nobody {
    /// It names none.
    Unnamed,
    /// What it names cannot be one.
    Bad,
}

/// The tenant of a request, as a [`TenantLayer`] found it. As an argument of a handler it is refused with
/// 400 where there is none; an `Option` of it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantName(pub String);

impl TenantName {
    /// The tenant that was found for a request: for
    /// [`HttpCacheBuilder::tenant`](crate::http::HttpCacheBuilder::tenant).
    ///
    /// `None` where a [`TenantLayer`] found that the request names none. Where the request names one that
    /// cannot be, or no such layer has seen it, since the cache's layer is outside of it, it is a name that
    /// no tenant can have: the response is not stored, lest one tenant's be another's.
    pub fn of(request: &Parts) -> Option<String> {
        if let Some(Self(name)) = request.extensions.get::<Self>() {
            return Some(name.clone());
        }
        match request.extensions.get::<Nobody>() {
            Some(Nobody::Unnamed) => None,
            Some(Nobody::Bad) | None => Some(String::new()),
        }
    }
}

/// A view of the router's larder for the tenant of the request. Refused with 400 where there is none.
#[derive(Clone)]
pub struct TenantLarder(pub Larder);

/// A request names no tenant, or one that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request names no tenant, or one that cannot be: 1 to 200 bytes are allowed")]
pub struct NoTenant;

impl IntoResponse for NoTenant {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.to_string()).into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TenantName {
    type Rejection = NoTenant;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NoTenant> {
        parts.extensions.get::<Self>().cloned().ok_or(NoTenant)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for TenantName {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

impl<S> FromRequestParts<S> for TenantLarder
where
    Larder: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = NoTenant;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, NoTenant> {
        let tenant = parts.extensions.get::<TenantName>().ok_or(NoTenant)?;
        Ok(Self(Larder::from_ref(state).tenant(&tenant.0)))
    }
}

/// Finds the tenant of each request, for [`TenantName`], [`TenantLarder`] and
/// [`TenantName::of`]. For the first two a name that no tenant can have counts as none.
///
/// It goes outside of the cache's layer, so that it runs first.
#[derive(Clone)]
pub struct TenantLayer {
    find: Find,
}

impl TenantLayer {
    /// The tenant is what a header says. A request that has the header twice has none, and its response is
    /// not stored.
    pub fn header(name: HeaderName) -> Self {
        Self::saying(move |request| {
            let mut all = request.headers.get_all(&name).iter();
            match (all.next().map(HeaderValue::to_str), all.next()) {
                (None, _) => Said::Nothing,
                (Some(Ok(only)), None) => Said::Name(only.to_owned()),
                _ => Said::Unclear,
            }
        })
    }

    /// The tenant is found by a function: in a claim that the authentication has left in the request's
    /// extensions, say.
    ///
    /// ```
    /// use larder::http::axum::TenantLayer;
    ///
    /// #[derive(Clone)]
    /// struct Claims { company: String }
    ///
    /// let layer = TenantLayer::by(|request| {
    ///     Some(request.extensions.get::<Claims>()?.company.clone())
    /// });
    /// # let _ = layer;
    /// ```
    pub fn by(find: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::saying(move |request| find(request).map_or(Said::Nothing, Said::Name))
    }

    fn saying(find: impl Fn(&Parts) -> Said + Send + Sync + 'static) -> Self {
        Self {
            find: Arc::new(find),
        }
    }
}

impl fmt::Debug for TenantLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantLayer").finish_non_exhaustive()
    }
}

impl fmt::Debug for TenantLarder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantLarder").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for TenantLayer {
    type Service = SetTenant<S>;

    fn layer(&self, inner: S) -> SetTenant<S> {
        SetTenant {
            inner,
            find: Arc::clone(&self.find),
        }
    }
}

/// A service that is told the tenant of each request. Made by [`TenantLayer`].
#[derive(Clone)]
pub struct SetTenant<S> {
    inner: S,
    find: Find,
}

impl<S: fmt::Debug> fmt::Debug for SetTenant<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetTenant")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for SetTenant<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        let (mut parts, body) = request.into_parts();
        // One that another layer has set is not believed.
        parts.extensions.remove::<TenantName>();
        parts.extensions.remove::<Nobody>();
        match (self.find)(&parts) {
            Said::Name(name) if Tenant::new(&name).is_ok() => {
                parts.extensions.insert(TenantName(name));
            }
            Said::Name(_) | Said::Unclear => {
                parts.extensions.insert(Nobody::Bad);
            }
            Said::Nothing => {
                parts.extensions.insert(Nobody::Unnamed);
            }
        }
        self.inner.call(Request::from_parts(parts, body))
    }
}
