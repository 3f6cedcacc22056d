//! Text that must not be printed.

use std::fmt;

/// What stands in the place of a secret.
pub(super) const REDACTED: &str = "***";

/// A password. Its `Debug` form is `***`; [`Secret::expose`] is the only way to the text.
///
/// ```
/// use larder::config::Secret;
///
/// let password = Secret::new("hunter2");
/// assert_eq!(format!("{password:?}"), "***");
/// assert_eq!(password.expose(), "hunter2");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to be handed to the server and to nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// The URL without what may be secret in it: what stands before the `@`, and the values in its
/// query.
///
/// It works on text that is not a valid URL, since an unescaped character in a password is the
/// usual reason for an error: where it is in doubt which part is the password, nothing but the
/// scheme is left.
pub(super) fn redact_url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return REDACTED.to_owned();
    };
    if !scheme
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    {
        return REDACTED.to_owned();
    }
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let ambiguous = query.is_some_and(|query| query.contains('@')) && !place.starts_with('/');
    // `redis://:password` lacks its host; without the `@` only the URL's parser can tell.
    let unparsable = !rest.contains('@') && url::Url::parse(&format!("redis://{rest}")).is_err();
    if ambiguous || unparsable {
        return format!("{scheme}://{REDACTED}");
    }
    let place = match place.rsplit_once('@') {
        Some((_, place)) => format!("{REDACTED}@{place}"),
        None => place.to_owned(),
    };
    let query = query
        .map(|query| format!("?{}", redact_query(query)))
        .unwrap_or_default();
    format!("{scheme}://{place}{query}")
}

fn redact_query(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some(("db", _)) => pair.to_owned(),
        Some((name, _)) => format!("{name}={REDACTED}"),
        None => REDACTED.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_its_place_and_loses_its_secrets() {
        for (url, shown) in [
            ("redis://h:6379/3", "redis://h:6379/3"),
            ("redis://user:pw@h:6379/3", "redis://***@h:6379/3"),
            ("redis://:p@w@h", "redis://***@h"),
            ("redis://:p/w@h", "redis://***@h"),
            ("redis://:p#w@h", "redis://***@h"),
            ("redis://:p?w@h", "redis://***"),
            ("redis://:p?a=w@h", "redis://***"),
            ("redis://:pw", "redis://***"),
            ("redis://user:pw", "redis://***"),
            ("unix:///s?db=1&password=pw", "unix:///s?db=1&password=***"),
            ("unix:///s?password=p@w", "unix:///s?password=***"),
            ("unix:///s?password=p&w", "unix:///s?password=***&***"),
            ("postgres://user:pw@h", "postgres://***@h"),
            ("user:pw@h", "***"),
            ("pw", "***"),
            ("p w://h", "***"),
        ] {
            assert_eq!(redact_url(url), shown, "{url}");
        }
    }
}
