//! What an HTTP cache was told to do: its mode, its limits, and where responses lie.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, DATE, HeaderName, RANGE, SET_COOKIE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, response};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::key::{self, KeyParts};
use super::rules::directives::{Directives, Reach};
use super::rules::freshness::Exchange;
use super::rules::serving::Wish;
use super::rules::status::Forward;
use super::rules::storing::{self, Choices, Refusal, Terms, Verdict};
use super::rules::vary::Nominated;
use super::rules::{conditional, invalidation};
use super::stored::Stored;
use crate::cache::Cache;
use crate::entry::Entry;
use crate::time::Clock;

pub(super) type TenantOf = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;
pub(super) type TagsOf = Arc<dyn Fn(&Parts) -> Vec<String> + Send + Sync>;

/// What an HTTP cache was told to do.
pub(super) struct Plan {
    pub(super) cache: Cache<String, Stored>,
    pub(super) mode: Mode,
    /// What it is called in `Cache-Status`.
    pub(super) identity: Box<str>,
    /// The longest body that is stored, in bytes.
    pub(super) max_body: usize,
    /// How long it is known of a key that nothing is stored for it.
    pub(super) uncacheable: Duration,
    pub(super) tenant: Option<TenantOf>,
    pub(super) tags: Option<TagsOf>,
    /// The larder's: what tells how long a response is stored tells how long it took to come.
    pub(super) clock: Clock,
    /// The larder's, since a service may be driven by another.
    pub(super) runtime: Handle,
    /// The keys that are being refreshed behind their clients' backs.
    pub(super) refreshing: Mutex<HashSet<(Option<String>, String)>>,
}

pub(super) enum Mode {
    Application(Application),
    Standard(Standard),
}

/// What a route says of its responses.
#[derive(Clone, Debug)]
pub(super) struct Application {
    pub(super) ttl: Duration,
    pub(super) stale: Duration,
    pub(super) stale_while_revalidate: Duration,
    pub(super) parts: KeyParts,
    /// Beside 200 to 299.
    pub(super) statuses: Vec<StatusCode>,
    pub(super) set_cookie: bool,
    pub(super) authorized: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Standard {
    pub(super) choices: Choices,
    /// Whether what requests say in `Cache-Control` counts.
    pub(super) heeds_requests: bool,
}

/// What becomes of a request.
pub(super) enum Route {
    /// It goes on to the service, and its response is not stored.
    Pass(Forward),
    /// The same, and what is stored of its URL is invalidated.
    Unsafe { url: String },
    /// A response may be stored.
    Cached(Asked),
}

/// A request for something that may be stored.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) key: String,
    pub(super) wish: Wish,
    pub(super) is_head: bool,
    pub(super) is_authorized: bool,
    pub(super) wants_part: bool,
}

impl Plan {
    /// `has_body`: by what the body itself says. The fields may say otherwise, where one was removed on
    /// its way, or the protocol needs none.
    pub(super) fn route(&self, request: &Parts, has_body: bool) -> Route {
        let is_head = request.method == Method::HEAD;
        if request.method != Method::GET && !is_head {
            return match &self.mode {
                Mode::Standard(_) if invalidation::is_unsafe(&request.method) => Route::Unsafe {
                    url: key::url(request),
                },
                _ => Route::Pass(Forward::Method),
            };
        }
        let headers = &request.headers;
        // A body would be a part of the key, and a protocol switched to is no response.
        let says_body = headers.contains_key(TRANSFER_ENCODING)
            || headers.get(CONTENT_LENGTH).is_some_and(|len| len != "0");
        if has_body
            || says_body
            || !key::has_one_host(request)
            || headers.contains_key(UPGRADE)
            || conditional::is_for_the_origin(headers)
        {
            return Route::Pass(Forward::Bypass);
        }
        let is_authorized = headers.contains_key(AUTHORIZATION);
        let (key, wish) = match &self.mode {
            Mode::Application(application) => {
                if is_authorized && !application.authorized {
                    return Route::Pass(Forward::Bypass);
                }
                (application.parts.key(request), Wish::default())
            }
            Mode::Standard(standard) => {
                let wish = if standard.heeds_requests {
                    Wish::of(headers)
                } else {
                    Wish::default()
                };
                if wish.no_store() && !wish.only_if_cached() {
                    return Route::Pass(Forward::Request);
                }
                (key::url(request), wish)
            }
        };
        Route::Cached(Asked {
            key,
            wish,
            is_head,
            // In application mode, who asks for it has said that it may be shared.
            is_authorized: is_authorized && matches!(self.mode, Mode::Standard(_)),
            wants_part: headers.contains_key(RANGE),
        })
    }

    /// Whether a response is stored, on which terms, and without which fields.
    pub(super) fn judge(
        &self,
        request: &HeaderMap,
        response: &response::Parts,
        exchange: Exchange,
    ) -> Verdict {
        match &self.mode {
            Mode::Application(application) => application.judge(response),
            Mode::Standard(Standard {
                choices,
                heeds_requests,
            }) => {
                let (mut unheeded, mut request) = (HeaderMap::new(), request);
                if !heeds_requests && request.contains_key(CACHE_CONTROL) {
                    unheeded.clone_from(request);
                    unheeded.remove(CACHE_CONTROL);
                    request = &unheeded;
                }
                let (status, headers) = (response.status, &response.headers);
                storing::judge(&Method::GET, request, status, headers, exchange, choices)
            }
        }
    }

    /// Whether the origin may be asked if a stored response still stands. A route's handler is asked anew.
    pub(super) fn validates(&self) -> bool {
        matches!(self.mode, Mode::Standard(_))
    }

    /// Whether anything is stored at all: the larder may be switched off.
    pub(super) fn stores(&self) -> bool {
        self.cache.is_enabled()
    }

    /// The fields of a request that its key has already.
    pub(super) fn key_fields(&self) -> &[HeaderName] {
        match &self.mode {
            Mode::Application(application) => &application.parts.headers,
            Mode::Standard(_) => &[],
        }
    }

    pub(super) fn entry<'a>(
        &'a self,
        key: &'a String,
        tenant: Option<&str>,
        tags: &[String],
    ) -> Entry<'a, String, Stored, String> {
        let entry = self.cache.entry(key).tags(tags);
        match tenant {
            Some(tenant) => entry.tenant(tenant),
            None => entry,
        }
    }
}

impl Application {
    fn judge(&self, response: &response::Parts) -> Verdict {
        let (status, headers) = (response.status, &response.headers);
        if !(status.is_success() || self.statuses.contains(&status))
            || matches!(
                status,
                StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
            )
        {
            return Err(Refusal::Status);
        }
        // A handler may know better than its route.
        let directives = Directives::of_response(headers);
        if directives.no_store || directives.no_cache == Some(Reach::All) {
            return Err(Refusal::NoStore);
        }
        if directives.private.is_some() {
            return Err(Refusal::Private);
        }
        if Nominated::by(headers) == Nominated::All {
            return Err(Refusal::VariesOnAll);
        }
        let left_out = storing::left_out(&directives);
        if headers.contains_key(SET_COOKIE) && !self.set_cookie && !left_out.contains(&SET_COOKIE) {
            return Err(Refusal::SetCookie);
        }
        if self.ttl.is_zero() {
            return Err(Refusal::NotAsked);
        }
        let terms = Terms {
            lifetime: self.ttl,
            stale_while_revalidate: self.stale_while_revalidate,
            stale_if_error: self.stale,
            keep: self.stale.max(self.stale_while_revalidate),
            ..Terms::default()
        };
        Ok((terms, left_out))
    }
}

/// A response says when it was made (RFC 9110 §6.6.1).
pub(super) fn date_it(headers: &mut HeaderMap, received: SystemTime) {
    if !headers.contains_key(DATE)
        && let Ok(date) = httpdate::fmt_http_date(received).parse()
    {
        headers.insert(DATE, date);
    }
}
