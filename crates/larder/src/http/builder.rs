//! How an HTTP cache is built.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderName;
use http::request::Parts;
use parking_lot::Mutex;

use super::key::{KeyParts, QueryParts};
use super::plan::{Application, Mode, Plan, Standard, TagsOf, TenantOf};
use super::rules::freshness::Heuristic;
use super::rules::status::is_name;
use super::rules::storing::Choices;
use super::service::HttpCacheLayer;
use super::stored::{SCHEMA, Stored, weight};
use crate::error::Error;
use crate::larder::Larder;
use crate::near::NearCapacity;
use crate::options::LOAD_TIMEOUT;
use crate::wire::Codec;

/// Marks the builder of a layer whose word is the route's.
#[derive(Clone, Debug)]
pub struct ApplicationMode(Application);

/// Marks the builder of a layer whose word is the responses': RFC 9111.
#[derive(Clone, Debug)]
pub struct StandardMode(Standard);

/// Builds an [`HttpCacheLayer`].
#[must_use = "a layer is made by `build()`"]
pub struct HttpCacheBuilder<M> {
    larder: Larder,
    mode: M,
    name: String,
    identity: String,
    max_body: usize,
    uncacheable: Duration,
    load_timeout: Duration,
    near: NearCapacity,
    tenant: Option<TenantOf>,
    tags: Option<TagsOf>,
}

impl<M: fmt::Debug> fmt::Debug for HttpCacheBuilder<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCacheBuilder")
            .field("name", &self.name)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl<M> HttpCacheBuilder<M> {
    fn new(larder: &Larder, mode: M) -> Self {
        Self {
            larder: larder.clone(),
            mode,
            name: "http".to_owned(),
            identity: "larder".to_owned(),
            max_body: 1 << 20,
            uncacheable: Duration::from_secs(5),
            load_timeout: LOAD_TIMEOUT,
            near: NearCapacity::default(),
            tenant: None,
            tags: None,
        }
    }

    /// The name of the cache that holds the responses. The default is `http`. Layers of one larder whose
    /// cache has one name share what they store.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// What the cache calls itself in `Cache-Status`: a host name, or another token. The default is
    /// `larder`.
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = identity.into();
        self
    }

    /// The longest body that is stored, in bytes. The default is 1 MiB. A longer one streams through to
    /// the client that asked for it, and is not stored.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// How long it is known of a URL that its response was not to be stored: until then requests go to the
    /// service without waiting for each other. The default is 5 s; zero: it is not remembered.
    pub fn remember_uncacheable(mut self, time: Duration) -> Self {
        self.uncacheable = time;
        self
    }

    /// How long the service may take for a response that is to be stored, its body included. Past it those
    /// who wait for the same go to the service themselves, and it is not stored; a body that is on its way
    /// to a client goes on. The default is five minutes.
    pub fn load_timeout(mut self, timeout: Duration) -> Self {
        self.load_timeout = timeout;
        self
    }

    /// How much is kept in the memory of this process. The default is 64 MiB.
    pub fn near(mut self, capacity: NearCapacity) -> Self {
        self.near = capacity;
        self
    }

    /// Whose response a request asks for. Tenants never get each other's. A request for which it is
    /// `None` is no tenant's; one with a name that no tenant can have is answered by the service and not
    /// stored.
    pub fn tenant(
        mut self,
        tenant: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.tenant = Some(Arc::new(tenant));
        self
    }

    /// What a response has in common with others, to be invalidated with them:
    /// [`Larder::invalidate_tag`]. Where a tag cannot be, or there are more than 64, it is not stored.
    pub fn tags(mut self, tags: impl Fn(&Parts) -> Vec<String> + Send + Sync + 'static) -> Self {
        self.tags = Some(Arc::new(tags));
        self
    }

    fn build_as(self, mode: impl FnOnce(M) -> Mode) -> Result<HttpCacheLayer, Error> {
        if !is_name(&self.identity) {
            return Err(Error::OutOfRange {
                name: self.name,
                what: "identity",
                value: format!("{:?}", self.identity),
                allowed: "a token, such as a host name",
            });
        }
        let cache = self
            .larder
            .cache::<String, Stored>(self.name)
            .codec(Codec::Postcard)
            .schema(SCHEMA)
            .weigher(|key, stored| weight(key, stored))
            .near(self.near)
            .load_timeout(self.load_timeout)
            .build()?;
        Ok(HttpCacheLayer::new(Plan {
            cache,
            mode: mode(self.mode),
            identity: self.identity.into(),
            max_body: self.max_body,
            uncacheable: self.uncacheable,
            tenant: self.tenant,
            tags: self.tags,
            clock: self.larder.clock(),
            runtime: self.larder.runtime(),
            refreshing: Mutex::new(HashSet::new()),
        }))
    }
}

impl HttpCacheBuilder<ApplicationMode> {
    pub(super) fn application(larder: &Larder) -> Self {
        let parts = KeyParts {
            host: true,
            query: QueryParts::All,
            headers: Vec::new(),
        };
        Self::new(
            larder,
            ApplicationMode(Application {
                ttl: larder.default_ttl(false),
                stale: Duration::ZERO,
                stale_while_revalidate: Duration::ZERO,
                parts,
                statuses: Vec::new(),
                set_cookie: false,
                authorized: false,
            }),
        )
    }

    /// How long a response is fresh. The default is the configuration's. Zero: nothing is stored.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.mode.0.ttl = ttl;
        self
    }

    /// How long past its TTL a response may be served where the handler fails: an error of the service, a
    /// panic, or a status of 500, 502, 503 or 504. The default is zero.
    pub fn stale(mut self, stale: Duration) -> Self {
        self.mode.0.stale = stale;
        self
    }

    /// How long past its TTL a response is served at once, while the handler runs behind it. The default is
    /// zero: who comes past the TTL waits.
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.mode.0.stale_while_revalidate = window;
        self
    }

    /// The parameters of the query that tell responses apart. All others are ignored. The default is all.
    pub fn query<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.mode.0.parts.query = QueryParts::Only(names.into_iter().map(Into::into).collect());
        self
    }

    /// A field of the request that tells responses apart, beside those that a response names in `Vary`.
    pub fn header(mut self, name: HeaderName) -> Self {
        let headers = &mut self.mode.0.parts.headers;
        if !headers.contains(&name) {
            headers.push(name);
            headers.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        }
        self
    }

    /// Gives one response to all hosts by which the service is asked. The default tells them apart.
    pub fn any_host(mut self) -> Self {
        self.mode.0.parts.host = false;
        self
    }

    /// Stores responses of this status too, beside 200 to 299: a 404, say. 206 and 304 never are.
    pub fn status(mut self, status: StatusCode) -> Self {
        self.mode.0.statuses.push(status);
        self
    }

    /// Stores responses with `Set-Cookie`, and so gives one client's cookie to others.
    pub fn store_set_cookie(mut self) -> Self {
        self.mode.0.set_cookie = true;
        self
    }

    /// Stores responses to requests with `Authorization`, for everybody of the same tenant and key.
    pub fn store_authorized(mut self) -> Self {
        self.mode.0.authorized = true;
        self
    }

    /// Makes the layer.
    ///
    /// # Errors
    /// As [`CacheBuilder::build`](crate::CacheBuilder::build), and where
    /// [`identity`](Self::identity) is no token.
    pub fn build(self) -> Result<HttpCacheLayer, Error> {
        self.build_as(|ApplicationMode(mode)| Mode::Application(mode))
    }
}

impl HttpCacheBuilder<StandardMode> {
    pub(super) fn standard(larder: &Larder) -> Self {
        let choices = Choices {
            targets: vec![HeaderName::from_static("cdn-cache-control")],
            heuristic: Some(Heuristic {
                share: 0.1,
                longest: Duration::from_hours(24),
            }),
            set_cookie: false,
            stale_if_error: Duration::ZERO,
            keep: Duration::from_hours(1),
        };
        Self::new(
            larder,
            StandardMode(Standard {
                choices,
                heeds_requests: true,
            }),
        )
    }

    /// The fields that go before `Cache-Control`, in order (RFC 9213). The default is `CDN-Cache-Control`.
    pub fn targets(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.mode.0.choices.targets = names.into_iter().collect();
        self
    }

    /// For how long a response is taken for fresh that does not say it: a tenth of the time since its
    /// `Last-Modified`, and no longer than this. The default is a day; zero: it is not guessed.
    pub fn heuristic_freshness(mut self, longest: Duration) -> Self {
        let heuristic = Heuristic {
            share: 0.1,
            longest,
        };
        self.mode.0.choices.heuristic = Some(heuristic).filter(|_| !longest.is_zero());
        self
    }

    /// How long past its lifetime a response may be served where the service fails, if the response says
    /// neither that itself nor that it must not be. The default is zero.
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.mode.0.choices.stale_if_error = window;
        self
    }

    /// How long past its lifetime a response is kept that the origin can be asked about. The default is an
    /// hour.
    pub fn keep_for_validation(mut self, time: Duration) -> Self {
        self.mode.0.choices.keep = time;
        self
    }

    /// Stores responses with `Set-Cookie`, as RFC 9111 allows, and so gives one client's cookie to others.
    pub fn store_set_cookie(mut self) -> Self {
        self.mode.0.choices.set_cookie = true;
        self
    }

    /// Does not let requests say, by `Cache-Control` or `Pragma`, whether they are answered from the cache.
    pub fn ignore_request_directives(mut self) -> Self {
        self.mode.0.heeds_requests = false;
        self
    }

    /// Makes the layer.
    ///
    /// # Errors
    /// As [`CacheBuilder::build`](crate::CacheBuilder::build), and where
    /// [`identity`](Self::identity) is no token.
    pub fn build(self) -> Result<HttpCacheLayer, Error> {
        self.build_as(|StandardMode(mode)| Mode::Standard(mode))
    }
}
