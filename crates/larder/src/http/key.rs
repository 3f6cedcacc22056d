//! Under which key a request's response lies.

use std::fmt::Write;

use http::header::{HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Uri};
use url::form_urlencoded;

use super::rules::vary;
use super::stored::Varies;

/// The URL that a request is for: scheme, host in lower case and without the scheme's own port, path and
/// query as they were sent.
pub(super) fn url(request: &Parts) -> String {
    let uri = uri(request);
    let scheme = uri.scheme_str().unwrap_or("http");
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = host(request);
    let port = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(port).unwrap_or(&host);
    format!("{scheme}://{host}{path}")
}

fn host(request: &Parts) -> String {
    let of_uri = uri(request).authority().map(http::uri::Authority::as_str);
    let of_field = || request.headers.get(HOST).map(HeaderValue::as_bytes);
    let host = of_uri
        .map(str::as_bytes)
        .or_else(of_field)
        .unwrap_or_default();
    // Who logs in by the URL is not told from others by that.
    let host = host.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    let mut plain = String::with_capacity(host.len());
    for byte in host.trim_ascii() {
        if byte.is_ascii_alphanumeric() || b".-_~:[]".contains(byte) {
            plain.push(char::from(byte.to_ascii_lowercase()));
        } else {
            // A slash would make it the beginning of a path, and one URL's response another's.
            let _ = write!(plain, "%{byte:02x}");
        }
    }
    plain
}

/// Whether it is plain which host a request asks for. Where it names two, the service may believe the
/// one that is not in the key, and one host's response would be another's.
pub(super) fn has_one_host(request: &Parts) -> bool {
    let mut fields = request.headers.get_all(HOST).iter();
    match (uri(request).authority(), fields.next(), fields.next()) {
        (_, _, Some(_)) => false,
        (Some(authority), Some(field), None) => {
            let of_uri = authority.as_str();
            let of_uri = of_uri.rsplit_once('@').map_or(of_uri, |(_, host)| host);
            field.as_bytes().eq_ignore_ascii_case(of_uri.as_bytes())
        }
        (_, _, None) => true,
    }
}

/// The request's URL before any router took a part of its path away.
fn uri(request: &Parts) -> &Uri {
    #[cfg(feature = "axum")]
    if let Some(original) = request.extensions.get::<::axum::extract::OriginalUri>() {
        return &original.0;
    }
    &request.uri
}

/// Which parts of a request make its key, in application mode.
#[derive(Clone, Debug)]
pub(super) struct KeyParts {
    pub(super) host: bool,
    pub(super) query: QueryParts,
    /// In order, each once.
    pub(super) headers: Vec<HeaderName>,
}

#[derive(Clone, Debug)]
pub(super) enum QueryParts {
    All,
    Only(Vec<String>),
}

impl KeyParts {
    /// Method, path, and what was chosen. Parameters are decoded and sorted by name, so that what means
    /// the same is the same; those of one name keep their order. They are bytes, in no encoding, and one
    /// without a value is unlike one whose value is empty.
    pub(super) fn key(&self, request: &Parts) -> String {
        let uri = uri(request);
        let mut key = String::from("GET ");
        if self.host {
            key.push_str(&host(request));
        }
        key.push_str(uri.path());
        let pairs = uri.query().unwrap_or_default().split('&');
        let pairs = pairs.filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| match pair.split_once('=') {
            Some((name, value)) => (decoded(name), Some(decoded(value))),
            None => (decoded(pair), None),
        });
        let mut pairs: Vec<_> = match &self.query {
            QueryParts::All => pairs.collect(),
            QueryParts::Only(names) => pairs
                .filter(|(name, _)| names.iter().any(|chosen| chosen.as_bytes() == name))
                .collect(),
        };
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        for (at, (name, value)) in pairs.iter().enumerate() {
            key.push(if at == 0 { '?' } else { '&' });
            key.extend(form_urlencoded::byte_serialize(name));
            if let Some(value) = value {
                key.push('=');
                key.extend(form_urlencoded::byte_serialize(value));
            }
        }
        key.push_str(&vary::variant(&self.headers, &request.headers));
        key
    }
}

/// The bytes that a part of a query stands for. What is no escape stands for itself.
fn decoded(part: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let (mut bytes, mut rest) = (Vec::with_capacity(part.len()), part.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let escaped = match (first, digit(after.first()), digit(after.get(1))) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        match escaped {
            Some(byte) => bytes.push(byte),
            None if *first == b'+' => bytes.push(b' '),
            None => bytes.push(*first),
        }
        rest = after
            .get(if escaped.is_some() { 2.. } else { 0.. })
            .unwrap_or_default();
    }
    bytes
}

/// The key of the variant that a request asks for.
pub(super) fn variant_key(primary: &str, index: &Varies, request: &HeaderMap) -> String {
    let variant = vary::variant(&index.fields.0, request);
    format!("{primary}\n\n{:016x}{variant}", index.generation)
}

/// Where it is noted that authorised requests for a key bring what is not to be stored. Of the key
/// itself nothing is said by that: others may get what is.
pub(super) fn authorized_mark(primary: &str) -> String {
    format!("{primary}\n\nauthorization")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(uri: &str) -> Parts {
        let request = Request::get(uri)
            .header("host", "A.example")
            .header("accept-language", "de");
        request.body(()).unwrap().into_parts().0
    }

    fn parts() -> KeyParts {
        KeyParts {
            host: true,
            query: QueryParts::All,
            headers: Vec::new(),
        }
    }

    #[test]
    fn queries_that_mean_the_same_have_one_key() {
        let key = |uri| parts().key(&request(uri));
        assert_eq!(key("/x?b=2&a=%41+c"), "GET a.example/x?a=A+c&b=2");
        assert_eq!(key("/x?b=2&a=%41+c"), key("/x?a=A%20c&b=2"));
        assert_ne!(key("/x?a=1&a=2"), key("/x?a=2&a=1"));
        assert_ne!(key("/x?a=1%26b=2"), key("/x?a=1&b=2"));
        assert_eq!(key("/x?"), key("/x"));
        assert_eq!(key("/x?&a=1&&b"), key("/x?b&a=1"));
        assert_ne!(key("/x?a"), key("/x?a="));
        assert_ne!(key("/x?a=%ff"), key("/x?a=%fe"));
        assert_ne!(key("/x?%ff=1"), key("/x?%fe=1"));
        assert_ne!(key("/x?a=%ff"), key("/x?a=%EF%BF%BD"));
        assert_eq!(key("/x?a=%F"), "GET a.example/x?a=%25F");
        assert_ne!(key("/x?a%3d1"), key("/x?a=1"));
        assert_ne!(key("/x"), key("/X"));
    }

    #[test]
    fn only_what_was_chosen_counts() {
        let chosen = KeyParts {
            host: false,
            query: QueryParts::Only(vec!["page".to_owned()]),
            headers: vec![http::header::ACCEPT_LANGUAGE],
        };
        let key = chosen.key(&request("/x?utm=1&page=2"));
        assert_eq!(key, "GET /x?page=2\naccept-language:de");
    }

    #[test]
    fn a_host_is_never_a_part_of_a_path() {
        let of = |host: &str, path: &str| {
            let request = Request::get(path).header("host", host).body(()).unwrap();
            let parts = request.into_parts().0;
            (url(&parts), self::parts().key(&parts))
        };
        let (ours, theirs) = (of("a.example", "/x/y"), of("a.example/x", "/y"));
        assert_ne!(ours.0, theirs.0);
        assert_ne!(ours.1, theirs.1);
        assert_ne!(of("a?", "/").0, of("a%3f", "/").0);
        assert_eq!(of("[::1]:80", "/").0, "http://[::1]/");
        assert_eq!(of("a.example:81", "/").0, "http://a.example:81/");
        assert_eq!(of("", "https://a.example:443/").0, "https://a.example/");
        let bytes = |host: &[u8]| {
            let request = Request::get("/").header("host", host).body(()).unwrap();
            url(&request.into_parts().0)
        };
        assert_ne!(bytes(b"\xff"), bytes(b"\xfe"));
    }

    #[test]
    fn a_request_of_two_hosts_is_told() {
        let of = |uri: &str, hosts: &[&str]| {
            let request = hosts.iter().fold(Request::get(uri), |request, host| {
                request.header("host", *host)
            });
            has_one_host(&request.body(()).unwrap().into_parts().0)
        };
        assert!(
            of("/", &["a"]) && of("/", &[]) && of("http://a/", &[]) && of("http://u@A/", &["a"])
        );
        assert!(!of("/", &["a", "b"]) && !of("http://a/", &["b"]) && !of("http://a/", &["a", "a"]));
    }

    #[test]
    fn a_url_has_the_host_that_was_asked() {
        assert_eq!(url(&request("/x?y")), "http://a.example/x?y");
        assert_eq!(
            url(&request("https://u:p@B.example:81/x")),
            "https://b.example:81/x"
        );
        assert_eq!(url(&request("http://b.example")), "http://b.example/");
    }
}
