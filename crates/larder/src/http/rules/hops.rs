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

/// Removes the fields that end at each hop, and those that `Connection` names.
pub(crate) fn strip(headers: &mut HeaderMap) {
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
        strip(&mut all);
        assert_eq!(all, headers("etag: \"a\""));
    }
}
