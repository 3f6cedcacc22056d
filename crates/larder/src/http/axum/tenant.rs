//! Whose request it is.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use ::axum::response::{IntoResponse, Response};
use http::header::HeaderName;
use http::request::Parts;
use http::{Request, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::key::Tenant;
use crate::larder::Larder;

type Find = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;

/// The tenant of a request, as a [`TenantLayer`] found it. As an argument of a handler it is refused with
/// 400 where there is none; an `Option` of it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantName(pub String);

impl TenantName {
    /// The tenant that was found for a request: for
    /// [`HttpCacheBuilder::tenant`](crate::http::HttpCacheBuilder::tenant).
    pub fn of(request: &Parts) -> Option<String> {
        Some(request.extensions.get::<Self>()?.0.clone())
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
/// [`TenantName::of`]. A name that no tenant can have counts as none.
#[derive(Clone)]
pub struct TenantLayer {
    find: Find,
}

impl TenantLayer {
    /// The tenant is what a header says. A request that has the header twice has none.
    pub fn header(name: HeaderName) -> Self {
        Self::by(move |request| {
            let mut all = request.headers.get_all(&name).iter();
            let only = all.next().filter(|_| all.next().is_none())?;
            Some(only.to_str().ok()?.to_owned())
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
        let found = (self.find)(&parts).filter(|name| Tenant::new(name).is_ok());
        if let Some(name) = found {
            parts.extensions.insert(TenantName(name));
        }
        self.inner.call(Request::from_parts(parts, body))
    }
}
