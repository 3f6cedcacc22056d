use serde::de::DeserializeOwned;

use super::{Codec, Envelope, EnvelopeError, Header, Schema, SchemaRule};
use crate::unwind::caught;

/// Why stored bytes were not read: a miss, with what may be done to the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reject {
    /// Why.
    pub reason: RejectReason,
    /// Whether the fill of a load may overwrite these bytes. An explicit `set` or `remove` always
    /// may: this holds back only what nobody asked for (G9).
    pub replaceable: bool,
}

impl Reject {
    /// For an envelope whose parts make no sense.
    pub(crate) fn corrupt() -> Self {
        Self {
            reason: RejectReason::Corrupt,
            replaceable: true,
        }
    }
}

/// Why stored bytes were not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectReason {
    /// The bytes are no envelope: something else wrote to our key, and what that is we leave alone.
    NotOurs,
    /// A newer program's envelope.
    NewerVersion,
    /// An envelope with flags that this program does not know.
    UnknownFlags,
    /// Another codec wrote the payload.
    OtherCodec,
    /// The payload is of another schema.
    OtherSchema,
    /// The envelope belongs to another key.
    OtherKey,
    /// The envelope is cut off.
    Truncated,
    /// The envelope is damaged.
    Corrupt,
    /// The codec could not decode the payload.
    Undecodable,
}

impl RejectReason {
    /// All reasons, for a metric that wants to start each at zero.
    pub const ALL: &[Self] = &[
        Self::NotOurs,
        Self::NewerVersion,
        Self::UnknownFlags,
        Self::OtherCodec,
        Self::OtherSchema,
        Self::OtherKey,
        Self::Truncated,
        Self::Corrupt,
        Self::Undecodable,
    ];

    /// The reason's name in metrics and events. It does not change.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotOurs => "not_ours",
            Self::NewerVersion => "newer_version",
            Self::UnknownFlags => "unknown_flags",
            Self::OtherCodec => "other_codec",
            Self::OtherSchema => "other_schema",
            Self::OtherKey => "other_key",
            Self::Truncated => "truncated",
            Self::Corrupt => "corrupt",
            Self::Undecodable => "undecodable",
        }
    }
}

impl From<EnvelopeError> for Reject {
    /// Damage under our own key may be overwritten; what is newer or foreign may not.
    fn from(error: EnvelopeError) -> Self {
        let reason = match error {
            EnvelopeError::BadMagic => RejectReason::NotOurs,
            EnvelopeError::UnknownVersion { .. } if error.is_newer() => RejectReason::NewerVersion,
            EnvelopeError::UnknownFlags { .. } => RejectReason::UnknownFlags,
            EnvelopeError::Truncated { .. } => RejectReason::Truncated,
            // Version 0 never existed.
            EnvelopeError::UnknownVersion { .. }
            | EnvelopeError::TrailingBytes { .. }
            | EnvelopeError::HeaderTooShort { .. }
            | EnvelopeError::Checksum
            | EnvelopeError::OriginalNotUtf8 => RejectReason::Corrupt,
        };
        let replaceable = reason != RejectReason::NotOurs && !error.is_newer();
        Self {
            reason,
            replaceable,
        }
    }
}

impl Envelope<'_> {
    /// Decodes the payload, if it is of this key, codec and schema.
    ///
    /// # Errors
    /// [`Reject`]; whether a fill may overwrite is decided by
    /// [`SchemaRule::may_replace`], and between equal schemas the codec with the greater id wins.
    pub fn decode<V: DeserializeOwned>(
        &self,
        expected_original: Option<&str>,
        codec: Codec,
        schema: Schema,
    ) -> Result<V, Reject> {
        let theirs = self.header.schema;
        let reject = |reason| Reject {
            reason,
            replaceable: if schema == theirs {
                codec.id() >= self.header.codec
            } else {
                SchemaRule::may_replace(schema, theirs)
            },
        };
        if self.header.codec != codec.id() {
            return Err(reject(RejectReason::OtherCodec));
        }
        if !SchemaRule::readable(codec, schema, theirs) {
            return Err(reject(RejectReason::OtherSchema));
        }
        if self.original != expected_original.filter(|original| !original.is_empty()) {
            return Err(reject(RejectReason::OtherKey));
        }
        // A panic in the type's own `Deserialize` is no more to the caller than its error (G3).
        match caught(|| codec.decode(self.payload)) {
            Ok(Ok(value)) => Ok(value),
            _ => Err(reject(RejectReason::Undecodable)),
        }
    }
}

/// Reads a stored value: parses the envelope and decodes its payload. `expected_original` is the
/// readable key, where the stored key is its hash.
///
/// # Errors
/// [`Reject`]: a miss. No input panics, nests deeper than the decoder's stack, or makes it reserve
/// memory for more than the input holds (G3).
pub fn read<V: DeserializeOwned>(
    bytes: &[u8],
    expected_original: Option<&str>,
    codec: Codec,
    schema: Schema,
) -> Result<(Header, V), Reject> {
    let envelope = Envelope::parse(bytes)?;
    let value = envelope.decode(expected_original, codec, schema)?;
    Ok((envelope.header, value))
}

#[cfg(test)]
mod tests;
