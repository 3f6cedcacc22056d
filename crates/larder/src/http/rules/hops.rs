//! RFC 9110 §7.6.1: fields that end at each hop. They are neither stored nor forwarded.

use http::HeaderMap;
use http::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, COOKIE, DATE, ETAG, EXPIRES, HOST, HeaderName, LAST_MODIFIED, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VARY,
};

use super::list;

const ENDING: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What all recipients need to understand a message alike: whose it is, how long, and who may have it.
/// `Connection` must not name these, and where it does it is not believed.
const END_TO_END: [HeaderName; 16] = [
    AGE,
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    DATE,
    ETAG,
    EXPIRES,
    HOST,
    LAST_MODIFIED,
    HeaderName::from_static("pragma"),
    SET_COOKIE,
    VARY,
];

/// Removes the fields that end at each hop (RFC 9110 §7.6.1), and those that `Connection` names, save what
/// all recipients need: `Content-Length`, `Host`, `Cache-Control` and the like. Who forwards a request or
/// a response to another connection removes them.
///
/// ```
/// use http::HeaderMap;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("connection", "close, x-mine".parse()?);
/// headers.insert("x-mine", "1".parse()?);
/// headers.insert("etag", "\"a\"".parse()?);
/// larder::http::remove_hop_by_hop(&mut headers);
/// assert_eq!(headers.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named = list(headers, CONNECTION).filter_map(|name| name.parse::<HeaderName>().ok());
    let named: Vec<_> = named.filter(|name| !END_TO_END.contains(name)).collect();
    for name in named.iter().chain(&ENDING) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::super::headers;
    use super::*;

    #[test]
    fn what_ends_here_is_removed() {
        let mut all = headers(
            "connection: close, X-Mine\nx-mine: 1\nkeep-alive: timeout=5\ntransfer-encoding: chunked
             te: trailers\nupgrade: h2c\nproxy-authorization: Basic eA==\ntrailer: x\netag: \"a\"",
        );
        remove_hop_by_hop(&mut all);
        assert_eq!(all, headers("etag: \"a\""));
    }

    #[test]
    fn what_is_for_all_stays_whatever_connection_says() {
        let kept = "content-length: 4\nhost: a\nvary: x\ncache-control: private";
        let mut all = headers(&format!(
            "connection: Content-Length, host, vary, cache-control, x-mine\nx-mine: 1\n{kept}"
        ));
        remove_hop_by_hop(&mut all);
        assert_eq!(all, headers(kept));
    }
}
