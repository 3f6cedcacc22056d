#[cfg(any(feature = "json", feature = "msgpack", feature = "postcard"))]
mod guard;
#[cfg(test)]
mod tests;

use std::any::type_name;
use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(any(feature = "json", feature = "msgpack", feature = "postcard"))]
use guard::{Guarded, Limits};

/// How a value becomes bytes. Each variant exists with the feature of its name.
///
/// A value that nests deeper than 128 levels is written, but not read back. As with all of serde,
/// `Some(None)` and `Some(())` come back as `None` from the codecs that describe themselves, and a
/// float that is not a number does not come back from JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// JSON: describes itself, and `redis-cli` shows it.
    #[cfg(feature = "json")]
    #[cfg_attr(docsrs, doc(cfg(feature = "json")))]
    Json,
    /// `MessagePack` with named fields: describes itself, and is smaller than JSON.
    #[cfg(feature = "msgpack")]
    #[cfg_attr(docsrs, doc(cfg(feature = "msgpack")))]
    MessagePack,
    /// postcard: the smallest. It does not describe itself, so it demands a declared or derived
    /// [`Schema`](super::Schema) (G9).
    #[cfg(feature = "postcard")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postcard")))]
    Postcard,
}

/// Why a codec failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The value could not be encoded: its `Serialize` or the codec refuses it.
    #[error("cannot encode a `{type_name}` as {codec}")]
    Encode {
        /// The codec's name.
        codec: &'static str,
        /// The value's type.
        type_name: &'static str,
        /// The codec's own error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The bytes could not be decoded.
    #[error("cannot decode a `{type_name}` from {codec}")]
    Decode {
        /// The codec's name.
        codec: &'static str,
        /// The wanted type.
        type_name: &'static str,
        /// The codec's own error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

#[cfg_attr(
    not(any(feature = "json", feature = "msgpack", feature = "postcard")),
    expect(
        unused_variables,
        unreachable_code,
        reason = "without a codec no value of the enum exists"
    )
)]
impl Codec {
    /// The codec of a cache that names none: JSON, else `MessagePack`, else none. Never postcard,
    /// which demands a schema.
    pub const DEFAULT: Option<Self> = {
        #[cfg(feature = "json")]
        let default = Some(Self::Json);
        #[cfg(all(feature = "msgpack", not(feature = "json")))]
        let default = Some(Self::MessagePack);
        #[cfg(not(any(feature = "json", feature = "msgpack")))]
        let default = None;
        default
    };

    /// All codecs of this build, in the order of their ids.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "json")]
        Self::Json,
        #[cfg(feature = "msgpack")]
        Self::MessagePack,
        #[cfg(feature = "postcard")]
        Self::Postcard,
    ];

    /// The codec's number on the wire. It does not change.
    pub const fn id(self) -> u8 {
        match self {
            #[cfg(feature = "json")]
            Self::Json => 1,
            #[cfg(feature = "msgpack")]
            Self::MessagePack => 2,
            #[cfg(feature = "postcard")]
            Self::Postcard => 3,
        }
    }

    /// The codec with this number on the wire, if this build has it.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|codec| codec.id() == id)
    }

    /// The codec's name in errors and metrics. It does not change.
    pub const fn as_str(self) -> &'static str {
        match self {
            #[cfg(feature = "json")]
            Self::Json => "json",
            #[cfg(feature = "msgpack")]
            Self::MessagePack => "msgpack",
            #[cfg(feature = "postcard")]
            Self::Postcard => "postcard",
        }
    }

    /// Whether the bytes name their fields and tell their types, so that reading them as another
    /// type fails or finds the fields by name, and never takes one for the other.
    pub const fn describes_itself(self) -> bool {
        match self {
            #[cfg(feature = "json")]
            Self::Json => true,
            #[cfg(feature = "msgpack")]
            Self::MessagePack => true,
            #[cfg(feature = "postcard")]
            Self::Postcard => false,
        }
    }

    /// Appends the encoded value to `out`.
    ///
    /// # Errors
    /// [`CodecError::Encode`]; `out` is then as it was.
    pub fn encode<V: Serialize + ?Sized>(
        self,
        value: &V,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let start = out.len();
        self.write(value, &mut *out)
            .inspect_err(|_| out.truncate(start))
    }

    /// How many bytes [`encode`](Self::encode) would append, without keeping them.
    ///
    /// # Errors
    /// [`CodecError::Encode`].
    pub fn encoded_len<V: Serialize + ?Sized>(self, value: &V) -> Result<usize, CodecError> {
        let mut counted = Counted(0);
        self.write(value, &mut counted)?;
        Ok(counted.0)
    }

    fn write<V: Serialize + ?Sized>(
        self,
        value: &V,
        out: &mut impl io::Write,
    ) -> Result<(), CodecError> {
        let result: Result<(), Box<dyn std::error::Error + Send + Sync>> = match self {
            #[cfg(feature = "json")]
            Self::Json => serde_json::to_writer(out, value).map_err(Into::into),
            #[cfg(feature = "msgpack")]
            Self::MessagePack => {
                let mut serializer = rmp_serde::Serializer::new(out).with_struct_map();
                value.serialize(&mut serializer).map_err(Into::into)
            }
            #[cfg(feature = "postcard")]
            Self::Postcard => postcard::to_io(value, out).map(drop).map_err(Into::into),
        };
        result.map_err(|source| CodecError::Encode {
            codec: self.as_str(),
            type_name: type_name::<V>(),
            source,
        })
    }

    /// Decodes a value that fills `bytes` exactly.
    ///
    /// # Errors
    /// [`CodecError::Decode`]. Hostile bytes cost no more than their length is worth: nesting is
    /// limited, and room is reserved for no more elements than there are bytes.
    pub fn decode<V: DeserializeOwned>(self, bytes: &[u8]) -> Result<V, CodecError> {
        let result: Result<V, Box<dyn std::error::Error + Send + Sync>> = match self {
            #[cfg(feature = "json")]
            Self::Json => decode_json(bytes).map_err(Into::into),
            #[cfg(feature = "msgpack")]
            Self::MessagePack => decode_msgpack(bytes).map_err(Into::into),
            #[cfg(feature = "postcard")]
            Self::Postcard => decode_postcard(bytes).map_err(Into::into),
        };
        result.map_err(|source| CodecError::Decode {
            codec: self.as_str(),
            type_name: type_name::<V>(),
            source,
        })
    }
}

#[cfg(feature = "json")]
fn decode_json<V: DeserializeOwned>(bytes: &[u8]) -> Result<V, serde_json::Error> {
    let limits = Limits::of(bytes);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = V::deserialize(Guarded::new(&mut deserializer, &limits))?;
    deserializer.end()?;
    Ok(value)
}

#[cfg(feature = "msgpack")]
fn decode_msgpack<V: DeserializeOwned>(bytes: &[u8]) -> Result<V, rmp_serde::decode::Error> {
    use rmp_serde::decode::Error;
    use serde::Deserialize;

    let limits = Limits::of(bytes);
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    let value = V::deserialize(Guarded::new(&mut deserializer, &limits))?;
    // It does not tell where it stopped; but only at the end is there no marker left to read.
    match bool::deserialize(&mut deserializer) {
        Err(Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(Error::Uncategorized("trailing bytes".to_owned())),
    }
}

#[cfg(feature = "postcard")]
fn decode_postcard<V: DeserializeOwned>(bytes: &[u8]) -> Result<V, postcard::Error> {
    use serde::de::Error;

    let limits = Limits::of(bytes);
    let mut deserializer = postcard::Deserializer::from_bytes(bytes);
    let value = V::deserialize(Guarded::new(&mut deserializer, &limits))?;
    if deserializer.finalize()?.is_empty() {
        Ok(value)
    } else {
        Err(postcard::Error::custom("trailing bytes"))
    }
}

struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
