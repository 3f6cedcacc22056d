//! A server's URL, taken apart.

use std::path::PathBuf;

use url::{Host, ParseError, Url};

use super::{Backend, Secret, parse, variables};

const ESCAPES: &str = "(in a user or password, percent-encode the characters % / ? # @ :)";

/// Without one nobody can tell which part is a password, so all of the value is hidden.
const NO_SCHEME: &str = "this value, which is not shown since a password may be part of it, begins \
                         with no scheme: put valkey:// or redis:// in front";

/// What a URL says. `None` is what it leaves out.
#[derive(Debug, PartialEq)]
pub(super) struct ServerUrl {
    /// The server that the scheme names, if it names one.
    pub(super) backend: Option<Backend>,
    pub(super) place: Place,
    pub(super) database: Option<u32>,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Place {
    Tcp {
        host: String,
        port: Option<u16>,
        tls: bool,
    },
    Unix {
        path: PathBuf,
    },
}

/// The server that the URL's scheme names. It needs no more of the URL than its scheme.
pub(super) fn backend_of(text: &str) -> Option<Backend> {
    match text.split_once("://")?.0.to_ascii_lowercase().as_str() {
        "valkey" | "valkeys" => Some(Backend::Valkey),
        "redis" | "rediss" => Some(Backend::Redis),
        _ => None,
    }
}

impl ServerUrl {
    /// The error says what was expected, and repeats nothing of the text but the names of query
    /// parameters.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("{}; {NO_SCHEME}", variables::URL.allowed));
        };
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("a URL without spaces and control characters".to_owned());
        }
        let backend = backend_of(text);
        match scheme.to_ascii_lowercase().as_str() {
            "valkey" | "redis" | "http" => Self::parse_tcp(backend, rest, false),
            "valkeys" | "rediss" | "https" => Self::parse_tcp(backend, rest, true),
            "unix" => Self::parse_unix(rest),
            _ => Err(variables::URL.allowed.to_owned()),
        }
    }

    fn parse_tcp(backend: Option<Backend>, rest: &str, tls: bool) -> Result<Self, String> {
        // Always under a scheme that the parser does not know: it would drop the port from
        // `http://host:80`.
        let url = Url::parse(&format!("redis://{rest}")).map_err(|error| match error {
            ParseError::InvalidPort => format!("a URL with a port from 1 to 65535 {ESCAPES}"),
            ParseError::EmptyHost => format!("a URL with a host {ESCAPES}"),
            _ => format!("a URL such as valkey://user:password@host:6379/0 {ESCAPES}"),
        })?;
        if url.fragment().is_some() {
            return Err(format!("a URL without # {ESCAPES}"));
        }
        if let Some(query) = url.query().filter(|query| !query.is_empty()) {
            // A `?` in a password makes the rest of it look like a query: then no part of it is
            // repeated.
            let misread = query.contains('@');
            return Err(if misread {
                format!("a URL without ? {ESCAPES}")
            } else {
                unknown_parameters(&names(query))
            });
        }
        let host = match url.host() {
            Some(Host::Ipv6(address)) => Some(address.to_string()),
            Some(Host::Ipv4(address)) => Some(address.to_string()),
            Some(Host::Domain(name)) => parse::host(name),
            None => None,
        };
        let host = host.ok_or_else(|| format!("a URL with a host {ESCAPES}"))?;
        if url.port() == Some(0) {
            return Err("a URL with a port from 1 to 65535".to_owned());
        }
        let database = match url.path().strip_prefix('/').unwrap_or_default() {
            "" => None,
            path => Some(
                parse::database(path)
                    .ok_or_else(|| format!("a URL with a path from /0 to /65535 {ESCAPES}"))?,
            ),
        };
        Ok(Self {
            backend,
            place: Place::Tcp {
                host,
                port: url.port(),
                tls,
            },
            database,
            username: decode_text(url.username())?,
            password: decode_text(url.password().unwrap_or_default())?.map(Secret::new),
        })
    }

    fn parse_unix(rest: &str) -> Result<Self, String> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = decode(path)?;
        if !path.starts_with('/') || path.len() == 1 || path.contains(['#', '\0']) {
            return Err(
                "a URL with the socket's absolute path, such as unix:///run/valkey.sock?db=0"
                    .to_owned(),
            );
        }
        let mut url = Self {
            backend: None,
            place: Place::Unix { path: path.into() },
            database: None,
            username: None,
            password: None,
        };
        let mut unknown = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value)?;
            match name {
                "db" => {
                    let database =
                        parse::database(&value).ok_or("a URL with db from 0 to 65535")?;
                    url.database = Some(database);
                }
                "username" => url.username = parse::text(&value),
                "password" => url.password = parse::text(&value).map(Secret::new),
                // Without a `=` it may be the rest of a password that holds a `&`.
                name if pair.contains('=') => unknown.push(name),
                _ => {
                    return Err(format!(
                        "a URL with the parameters db, username and password only {ESCAPES}"
                    ));
                }
            }
        }
        if unknown.is_empty() {
            Ok(url)
        } else {
            Err(unknown_parameters(&unknown))
        }
    }
}

fn names(query: &str) -> Vec<&str> {
    query
        .split('&')
        .filter_map(|pair| Some(pair.split_once('=')?.0))
        .collect()
}

fn unknown_parameters(names: &[&str]) -> String {
    if names.is_empty() {
        return format!("a URL without ? {ESCAPES}");
    }
    format!("a URL without the unknown parameters {}", names.join(", "))
}

fn decode_text(text: &str) -> Result<Option<String>, String> {
    Ok(parse::text(&decode(text)?))
}

/// Percent-decodes. A `%` that begins no escape stands for itself, as in browsers; so does a `+`.
fn decode(text: &str) -> Result<String, String> {
    let hex = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push(high * 16 + low);
                rest = &tail[2..];
            }
            None => decoded.push(*first),
        }
    }
    String::from_utf8(decoded).map_err(|_| "a URL whose percent-encoded text is UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_decode_and_stray_percent_signs_stay() {
        for (text, decoded) in [
            ("", ""),
            ("a%20b", "a b"),
            ("%2B+", "++"),
            ("100%", "100%"),
            ("%4", "%4"),
            ("%zz", "%zz"),
            ("%C3%A9", "é"),
        ] {
            assert_eq!(decode(text).as_deref(), Ok(decoded), "{text}");
        }
        assert!(decode("%ff").is_err());
    }

    #[test]
    fn no_url_makes_the_parser_panic_or_repeat_a_password() {
        const PARTS: [&str; 12] = [
            "redis", "unix", "://", "s3cr3t", "@", ":", "/", "?", "#", "&", "=", "%",
        ];
        // Every text of five parts: 12^5.
        for number in 0..PARTS.len().pow(5) {
            let digits = (0..5).map(|place| number / PARTS.len().pow(place) % PARTS.len());
            let text: String = digits.map(|digit| PARTS[digit]).collect();
            if let Err(expected) = ServerUrl::parse(&text) {
                let named_parameter = text.contains("s3cr3t=") || text.contains("s3cr3t&");
                assert!(
                    named_parameter || !expected.contains("s3cr3t"),
                    "{text}: {expected}"
                );
            }
        }
    }
}
