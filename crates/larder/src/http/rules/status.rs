//! RFC 9211: `Cache-Status`, by which a cache says what it did.

use std::fmt::Write;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Why a request went on to the service (§2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forward {
    Bypass,
    Method,
    UriMiss,
    VaryMiss,
    Request,
    Stale,
    Partial,
}

impl Forward {
    fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

/// What became of one request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CacheStatus {
    pub(crate) hit: bool,
    /// Why the request went on, where it did.
    pub(crate) forward: Option<Forward>,
    pub(crate) forward_status: Option<StatusCode>,
    pub(crate) stored: bool,
    /// Whether it waited for another request's answer.
    pub(crate) collapsed: bool,
    /// How much longer it is fresh, in seconds; negative where it is stale.
    pub(crate) ttl: Option<i64>,
    pub(crate) detail: Option<&'static str>,
}

impl CacheStatus {
    pub(crate) fn hit() -> Self {
        Self {
            hit: true,
            ..Self::default()
        }
    }

    pub(crate) fn forwarded(forward: Forward) -> Self {
        Self {
            forward: Some(forward),
            ..Self::default()
        }
    }

    pub(crate) fn with_ttl(mut self, lifetime: Duration, age: Duration) -> Self {
        let secs = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        self.ttl = Some(secs(lifetime) - secs(age));
        self
    }

    /// Adds it to a response, behind what caches nearer to the origin said.
    pub(crate) fn append(self, cache: &str, headers: &mut HeaderMap) {
        let mut text = cache.to_owned();
        if self.hit {
            text.push_str("; hit");
        }
        if let Some(forward) = self.forward {
            let _ = write!(text, "; fwd={}", forward.as_str());
        }
        if let Some(status) = self.forward_status {
            let _ = write!(text, "; fwd-status={}", status.as_str());
        }
        if let Some(ttl) = self.ttl {
            let _ = write!(text, "; ttl={ttl}");
        }
        if self.stored {
            text.push_str("; stored");
        }
        if self.collapsed {
            text.push_str("; collapsed");
        }
        if let Some(detail) = self.detail {
            let _ = write!(text, "; detail={detail}");
        }
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(CACHE_STATUS, value);
        }
    }
}

/// Whether a cache may be called this in `Cache-Status`: a token (RFC 9651 §3.3.4).
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '*')
        && name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(char))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_did() {
        let text = |status: CacheStatus| {
            let mut headers = HeaderMap::new();
            status.append("larder", &mut headers);
            headers[CACHE_STATUS].to_str().unwrap().to_owned()
        };
        let (lifetime, age) = (Duration::from_mins(1), Duration::from_millis(12_300));
        assert_eq!(
            text(CacheStatus::hit().with_ttl(lifetime, age)),
            "larder; hit; ttl=48"
        );
        let stale = CacheStatus::hit().with_ttl(age, lifetime);
        assert_eq!(text(stale), "larder; hit; ttl=-48");
        let miss = CacheStatus {
            forward_status: Some(StatusCode::OK),
            stored: true,
            collapsed: true,
            detail: Some("x"),
            ..CacheStatus::forwarded(Forward::UriMiss)
        };
        assert_eq!(
            text(miss),
            "larder; fwd=uri-miss; fwd-status=200; stored; collapsed; detail=x"
        );
    }

    #[test]
    fn a_name_is_a_token() {
        assert!(is_name("larder") && is_name("cdn.example:8080"));
        assert!(!is_name("") && !is_name("my cache") && !is_name("1st") && !is_name("a\"b"));
    }
}
