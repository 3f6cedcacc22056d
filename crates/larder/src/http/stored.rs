//! What a cache of HTTP responses holds.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, status};
use serde::{Deserialize, Serialize};

use super::rules::storing::Terms;

/// The version of [`Stored`]: postcard does not describe itself, so a program that has another one does
/// not read these.
pub(super) const SCHEMA: u32 = 1;

/// What lies under a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Stored {
    Response(#[serde(with = "shared")] Arc<StoredResponse>),
    /// The responses lie under keys of their own, since they vary.
    Varies(Varies),
    /// What came last was not to be stored: requests need not wait for each other (hit-for-miss).
    Uncacheable,
}

/// A whole response.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredResponse {
    pub(super) status: Status,
    pub(super) headers: Fields,
    pub(super) body: Bytes,
    pub(super) terms: Terms,
}

/// A value behind an `Arc`, written as the value itself.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T, S>(value: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
        S: Serializer,
    {
        value.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Arc<T>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        T::deserialize(deserializer).map(Arc::new)
    }
}

/// By which fields of the request the responses of a URL vary.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Varies {
    /// A part of their keys, and new each time: where this index is removed, no request leads to
    /// them any more (G2).
    pub(super) generation: u64,
    pub(super) fields: Names,
}

/// About what a value weighs in memory.
pub(super) fn weight(key: &str, stored: &Stored) -> u64 {
    let fields = |headers: &HeaderMap| -> usize {
        let each = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 64);
        each.sum()
    };
    let size = match stored {
        Stored::Response(response) => response.body.len() + fields(&response.headers.0),
        Stored::Varies(_) | Stored::Uncacheable => 64,
    };
    (key.len() + size) as u64
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "u16", try_from = "u16")]
pub(super) struct Status(pub(super) StatusCode);

impl From<Status> for u16 {
    fn from(status: Status) -> Self {
        status.0.as_u16()
    }
}

impl TryFrom<u16> for Status {
    type Error = status::InvalidStatusCode;

    fn try_from(status: u16) -> Result<Self, Self::Error> {
        StatusCode::from_u16(status).map(Self)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Vec<(String, Bytes)>", try_from = "Vec<(String, Bytes)>")]
pub(super) struct Fields(pub(super) HeaderMap);

impl From<Fields> for Vec<(String, Bytes)> {
    fn from(fields: Fields) -> Self {
        let all = fields.0.iter();
        let owned = all.map(|(name, value)| {
            (
                name.as_str().to_owned(),
                Bytes::copy_from_slice(value.as_bytes()),
            )
        });
        owned.collect()
    }
}

impl TryFrom<Vec<(String, Bytes)>> for Fields {
    type Error = http::Error;

    fn try_from(fields: Vec<(String, Bytes)>) -> Result<Self, http::Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::try_from(name)?;
            headers.try_append(name, HeaderValue::from_maybe_shared(value)?)?;
        }
        Ok(Self(headers))
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub(super) struct Names(pub(super) Vec<HeaderName>);

impl From<Names> for Vec<String> {
    fn from(names: Names) -> Self {
        names
            .0
            .iter()
            .map(|name| name.as_str().to_owned())
            .collect()
    }
}

impl TryFrom<Vec<String>> for Names {
    type Error = http::header::InvalidHeaderName;

    fn try_from(names: Vec<String>) -> Result<Self, Self::Error> {
        let names: Result<_, _> = names.into_iter().map(HeaderName::try_from).collect();
        names.map(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wire::Codec;

    #[test]
    fn a_response_comes_back_as_it_was() {
        let mut headers = HeaderMap::new();
        headers.append("link", HeaderValue::from_static("<a>"));
        headers.append("link", HeaderValue::from_bytes(b"\xff").unwrap());
        let stored = Stored::Response(Arc::new(StoredResponse {
            status: Status(StatusCode::from_u16(299).unwrap()),
            headers: Fields(headers.clone()),
            body: Bytes::from_static(&[0, 255, 10]),
            terms: Terms {
                lifetime: Duration::from_millis(1_500),
                ..Terms::default()
            },
        }));
        let mut bytes = Vec::new();
        Codec::Postcard.encode(&stored, &mut bytes).unwrap();
        let Stored::Response(back) = Codec::Postcard.decode(&bytes).unwrap() else {
            panic!()
        };
        assert_eq!(
            (&back.headers.0, &back.body[..]),
            (&headers, &[0, 255, 10][..])
        );
        assert_eq!(
            (back.status.0.as_u16(), back.terms.lifetime),
            (299, Duration::from_millis(1_500))
        );
    }

    #[test]
    fn a_field_that_cannot_be_is_not_read() {
        let fields = vec![("x".to_owned(), Bytes::from_static(b"a\nb"))];
        assert!(Fields::try_from(fields).is_err());
    }
}
