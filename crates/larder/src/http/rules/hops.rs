//! RFC 9110 §7.6.1: fields that end at each hop. They are neither stored nor forwarded.

use http::HeaderMap;
use http::header::{
    CONNECTION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
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

/// Removes the fields that end at each hop (RFC 9110 §7.6.1), and those that `Connection` names. Who
/// forwards a request or a response to another connection removes them.
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
    let named: Vec<_> = named.collect();
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
}
