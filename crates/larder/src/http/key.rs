//! Under which key a request's response lies.

use std::borrow::Cow;
use std::fmt::Write;

use http::header::{HOST, HeaderName};
use http::request::Parts;
use http::{HeaderMap, Uri};
use url::form_urlencoded;

use super::rules::vary;
use super::stored::Varies;

/// The URL that a request is for: scheme, host in lower case, path and query as they were sent.
pub(super) fn url(request: &Parts) -> String {
    let uri = uri(request);
    let scheme = uri.scheme_str().unwrap_or("http");
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    format!("{scheme}://{}{path}", host(request))
}

fn host(request: &Parts) -> String {
    let of_uri = uri(request).authority().map(http::uri::Authority::as_str);
    let of_field = || {
        request
            .headers
            .get(HOST)
            .map(|host| String::from_utf8_lossy(host.as_bytes()))
    };
    let host = of_uri
        .map(Cow::Borrowed)
        .or_else(of_field)
        .unwrap_or_default();
    // Who logs in by the URL is not told from others by that.
    let host = host.rsplit_once('@').map_or(&*host, |(_, host)| host);
    let mut plain = String::with_capacity(host.len());
    for char in host.trim().chars() {
        if char.is_ascii_alphanumeric() || ".-_~:[]".contains(char) {
            plain.push(char.to_ascii_lowercase());
        } else {
            // A slash would make it the beginning of a path, and one URL's response another's.
            let mut bytes = [0; 4];
            for byte in char.encode_utf8(&mut bytes).bytes() {
                let _ = write!(plain, "%{byte:02x}");
            }
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
    /// the same is the same; those of one name keep their order.
    pub(super) fn key(&self, request: &Parts) -> String {
        let uri = uri(request);
        let mut key = String::from("GET ");
        if self.host {
            key.push_str(&host(request));
        }
        key.push_str(uri.path());
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let mut pairs: Vec<_> = match &self.query {
            QueryParts::All => pairs.collect(),
            QueryParts::Only(names) => pairs
                .filter(|(name, _)| names.iter().any(|chosen| chosen == name))
                .collect(),
        };
        if !pairs.is_empty() {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            key.push('?');
            let mut query = form_urlencoded::Serializer::new(String::new());
            key.push_str(&query.extend_pairs(pairs).finish());
        }
        key.push_str(&vary::variant(&self.headers, &request.headers));
        key
    }
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
        assert_eq!(of("[::1]:80", "/").0, "http://[::1]:80/");
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
