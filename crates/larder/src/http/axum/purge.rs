//! A route that invalidates, for who has its token.

use std::hint::black_box;

use ::axum::extract::Request;
use ::axum::response::{IntoResponse, Response};
use ::axum::routing::{MethodRouter, post};
use http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use crate::error::Error;
use crate::larder::Larder;

/// The shortest token: what is shorter can be guessed.
const SHORTEST: usize = 16;
/// The most tags of one request.
const MOST_TAGS: usize = 256;

/// A token that is no protection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the purge token has {len} bytes; it must have at least {SHORTEST}, all of visible ASCII")]
pub struct PurgeTokenError {
    len: usize,
}

/// A route that invalidates, by `POST`, for who sends `Authorization: Bearer <token>`.
///
/// | query | invalidates |
/// |---|---|
/// | `tag=a&tag=b` | what bears one of these tags |
/// | `all=true` | everything; with a tenant, what is the tenant's |
/// | `tenant=acme` | in addition: of this tenant |
///
/// It answers 204 when nothing of it is served here any more, 202 where the server could not be told yet,
/// 400 where the query asks for nothing, and 401 without the token, which is compared in a time that does
/// not tell how much of it was right.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let larder = larder::Larder::in_memory().await?;
/// let token = "kept in the service's secrets";
/// let router: axum::Router = axum::Router::new()
///     .route("/purge", larder::http::axum::purge(&larder, token)?);
/// # let _ = router;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Where the token is shorter than 16 bytes, or cannot stand in a header.
pub fn purge<S: Clone + Send + Sync + 'static>(
    larder: &Larder,
    token: &str,
) -> Result<MethodRouter<S>, PurgeTokenError> {
    let visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if token.len() < SHORTEST || !token.bytes().all(visible) || token.trim() != token {
        return Err(PurgeTokenError { len: token.len() });
    }
    let (larder, token) = (larder.clone(), digest(token.as_bytes()));
    Ok(post(async move |request: Request| {
        if !is_allowed(request.headers(), &token) {
            let wanted = [(WWW_AUTHENTICATE, "Bearer")];
            return (StatusCode::UNAUTHORIZED, wanted).into_response();
        }
        invalidate(&larder, request.uri().query().unwrap_or_default()).await
    }))
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn is_allowed(headers: &HeaderMap, token: &[u8; 32]) -> bool {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(only) = all.next().filter(|_| all.next().is_none()) else {
        return false;
    };
    let Some((scheme, sent)) = only.as_bytes().split_at_checked("Bearer ".len()) else {
        return false;
    };
    scheme.eq_ignore_ascii_case(b"Bearer ") && is_same(&digest(sent), token)
}

/// Compares digests to their ends, wherever they differ.
fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differing = a
        .iter()
        .zip(b)
        .fold(0, |all, (a, b)| black_box(all | (a ^ b)));
    differing == 0
}

async fn invalidate(larder: &Larder, query: &str) -> Response {
    let (mut tags, mut all, mut tenant) = (Vec::new(), false, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match (&*name, &*value) {
            ("tag", tag) if tags.len() < MOST_TAGS => tags.push(tag.to_owned()),
            ("all", "true") => all = true,
            ("tenant", name) if tenant.is_none() => tenant = Some(name.to_owned()),
            _ => return refused(&format!("{name}={value}")),
        }
    }
    if all != tags.is_empty() {
        return refused(query);
    }
    let larder = match tenant {
        Some(tenant) => larder.tenant(tenant),
        None => larder.clone(),
    };
    let done = if all {
        larder.clear().await.map(drop)
    } else {
        larder
            .invalidate_tags(tags, crate::scope::Strength::Remove)
            .await
    };
    let headers = [(CACHE_CONTROL, "no-store")];
    match done {
        Ok(()) => (StatusCode::NO_CONTENT, headers).into_response(),
        Err(Error::Pending { .. }) => (StatusCode::ACCEPTED, headers).into_response(),
        Err(error @ (Error::Name(_) | Error::TooManyTags { .. })) => {
            (StatusCode::BAD_REQUEST, headers, error.to_string()).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, headers, error.to_string()).into_response(),
    }
}

fn refused(what: &str) -> Response {
    let what: String = what.chars().take(100).collect();
    let message = format!(
        "cannot purge by {what:?}: say `tag=…`, up to {MOST_TAGS} times, or `all=true`; and with \
         `tenant=…` whose"
    );
    (StatusCode::BAD_REQUEST, message).into_response()
}
