use std::sync::Arc;

use bytes::Bytes;

use super::{CodecError, Schema};
use crate::key::Tag;

/// The first bytes of every envelope.
pub const MAGIC: [u8; 3] = *b"LRD";
/// The envelope version that this program writes, and the newest that it reads.
pub const VERSION: u8 = 1;
/// The bytes that version 1 puts before the stamps. A later minor form may have more.
pub const HEADER_LEN: usize = 80;
/// The bytes of one stamp.
pub const STAMP_LEN: usize = 16;

/// As much of an envelope as [`Envelope::declared_len`] needs.
pub const LENGTHS_LEN: usize = 24;
const CRC_AT: usize = 8;
/// Room for a small payload, so that most values are written without growing the buffer.
const PAYLOAD_GUESS: usize = 256;

/// What an envelope says about its value. Times and durations are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// The wire id of the codec that wrote the payload: see [`Codec::id`](super::Codec::id).
    pub codec: u8,
    /// The schema of the payload's type.
    pub schema: Schema,
    /// A random id of the fill that wrote this value.
    pub fill: u64,
    /// The server's time when the value was written.
    pub written_ms: u64,
    /// The server history that [`written_ms`](Self::written_ms) belongs to.
    pub lineage: u64,
    /// How long after `written_ms` the value is fresh.
    pub ttl_ms: u64,
    /// How long after that the value may be served as stale.
    pub stale_ms: u64,
    /// What the load cost, in microseconds; the greatest value also stands for more.
    pub cost_us: u32,
}

/// The version of one scope when the value's load began: random ids, compared only for equality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Replaced when the scope is removed: the value may not be served at all.
    pub remove: u64,
    /// Replaced when the scope is expired: the value may be served as stale.
    pub expire: u64,
}

/// The stamps of one envelope, read in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamps<'a>(&'a [u8]);

impl<'a> Stamps<'a> {
    /// As they were read before.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// How many stamps there are.
    pub fn len(&self) -> usize {
        self.0.len() / STAMP_LEN
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The stamps in the order in which they were written.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Stamp> + use<'a> {
        self.0.chunks_exact(STAMP_LEN).map(|stamp| Stamp {
            remove: u64::from_le_bytes(field(stamp, 0)),
            expire: u64::from_le_bytes(field(stamp, 8)),
        })
    }
}

/// The tags of one envelope, read in place: the length of each in a byte, and its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tags<'a>(&'a [u8]);

impl<'a> Tags<'a> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tags in the order in which they were written; `None` for one that is cut off or is not
    /// UTF-8, which is the last.
    pub fn iter(&self) -> impl Iterator<Item = Option<&'a str>> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (len, text) = rest.split_first()?;
            let Some((tag, after)) = text.split_at_checked(usize::from(*len)) else {
                rest = &[];
                return Some(None);
            };
            rest = after;
            let tag = std::str::from_utf8(tag).ok();
            if tag.is_none() {
                rest = &[];
            }
            Some(tag)
        })
    }
}

/// An envelope read in place: nothing is copied or allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// What the envelope says about its value.
    pub header: Header,
    /// The stamps of the value's scopes.
    pub stamps: Stamps<'a>,
    /// The value's tags.
    pub tags: Tags<'a>,
    /// The readable key, where the stored key holds only its hash. Never empty.
    pub original: Option<&'a str>,
    /// The encoded value.
    pub payload: &'a [u8],
}

/// Why some bytes are no envelope that this program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The bytes do not begin with the magic: something else wrote them.
    #[error("these bytes are no larder envelope: they do not begin with `LRD`")]
    BadMagic,
    /// Another envelope version.
    #[error("cannot read an envelope of version {found}: this program reads version {VERSION}")]
    UnknownVersion {
        /// The version that the envelope names.
        found: u8,
    },
    /// Flags that this program does not know, so it cannot know what the payload is.
    #[error(
        "cannot read an envelope with the flags {flags:#010b}: this program knows none of them"
    )]
    UnknownFlags {
        /// All flags of the envelope.
        flags: u8,
    },
    /// The bytes end before the envelope does.
    #[error("the envelope is cut off: it needs {needed} bytes and has {found}")]
    Truncated {
        /// The length that the envelope declares, or at least needs.
        needed: usize,
        /// The length that was given.
        found: usize,
    },
    /// There are bytes behind the envelope.
    #[error("{extra} bytes follow the end of the envelope")]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// The envelope declares a header shorter than its version's.
    #[error("the envelope declares a header of {found} bytes: version {VERSION} has {HEADER_LEN}")]
    HeaderTooShort {
        /// The header length that the envelope declares.
        found: usize,
    },
    /// The checksum does not match.
    #[error("the envelope is damaged: its checksum does not match")]
    Checksum,
    /// The readable key is not UTF-8.
    #[error("the envelope's readable key is not UTF-8")]
    OriginalNotUtf8,
}

impl EnvelopeError {
    /// Whether a newer program wrote this envelope, so that this one must not overwrite it (G9).
    pub fn is_newer(&self) -> bool {
        match self {
            Self::UnknownVersion { found } => *found > VERSION,
            Self::UnknownFlags { .. } => true,
            _ => false,
        }
    }
}

/// Why a value could not be put into an envelope.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The codec refused the value.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The value's `Serialize` panicked.
    #[error("its `Serialize` panicked: {message}")]
    Panicked {
        /// The panic's message.
        message: Arc<str>,
    },
    /// A part is longer than the envelope can declare.
    #[error("cannot write an envelope: its {part} of length {len} is over the limit of {max}")]
    TooLong {
        /// Which part: the payload, the readable key or the stamps.
        part: &'static str,
        /// Its length: bytes, or the number of stamps.
        len: usize,
        /// The greatest length that the format can declare.
        max: usize,
    },
    /// The payload's writer removed bytes that it did not write.
    #[error("cannot write an envelope: the payload's writer shortened the buffer")]
    Shortened,
}

/// The lengths that the first [`LENGTHS_LEN`] bytes declare.
pub(super) struct Lengths {
    header: usize,
    stamps: usize,
    tags: usize,
    original: usize,
    payload: usize,
}

impl Lengths {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let truncated = |needed| EnvelopeError::Truncated {
            needed,
            found: bytes.len(),
        };
        if !bytes.starts_with(&MAGIC) {
            return Err(EnvelopeError::BadMagic);
        }
        match bytes.get(3) {
            None => return Err(truncated(HEADER_LEN)),
            Some(&VERSION) => {}
            Some(&found) => return Err(EnvelopeError::UnknownVersion { found }),
        }
        if bytes.len() < LENGTHS_LEN {
            return Err(truncated(HEADER_LEN));
        }
        let lengths = Self {
            header: u16::from_le_bytes(field(bytes, 4)).into(),
            payload: u32::from_le_bytes(field(bytes, 12)) as usize,
            original: u32::from_le_bytes(field(bytes, 16)) as usize,
            stamps: usize::from(u16::from_le_bytes(field(bytes, 20))) * STAMP_LEN,
            tags: u16::from_le_bytes(field(bytes, 22)).into(),
        };
        if lengths.header < HEADER_LEN {
            return Err(EnvelopeError::HeaderTooShort {
                found: lengths.header,
            });
        }
        Ok(lengths)
    }

    /// Saturating, so that no declared length can wrap to a small one on a 32-bit machine.
    pub(super) fn total(&self) -> usize {
        self.without_payload().saturating_add(self.payload)
    }

    pub(super) fn without_payload(&self) -> usize {
        (self.header + self.stamps + self.tags).saturating_add(self.original)
    }

    /// Stamps, tags and readable key; `None` where `bytes` end before them.
    pub(super) fn split<'a>(&self, bytes: &'a [u8]) -> Option<(Stamps<'a>, Tags<'a>, &'a [u8])> {
        let rest = bytes.get(self.header..)?;
        let (stamps, rest) = rest.split_at_checked(self.stamps)?;
        let (tags, rest) = rest.split_at_checked(self.tags)?;
        Some((Stamps(stamps), Tags(tags), rest.get(..self.original)?))
    }
}

impl<'a> Envelope<'a> {
    /// Reads an envelope that fills `bytes` exactly. Checked in this order: magic, version,
    /// lengths, checksum, flags; so a damaged flag is damage, and a set one is a newer program's.
    ///
    /// # Errors
    /// [`EnvelopeError`], for all bytes that are not a whole and undamaged envelope of this
    /// version. No input panics, and nothing is allocated.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        let lengths = Lengths::read(bytes)?;
        let needed = lengths.total();
        if bytes.len() < needed {
            return Err(EnvelopeError::Truncated {
                needed,
                found: bytes.len(),
            });
        }
        if bytes.len() > needed {
            return Err(EnvelopeError::TrailingBytes {
                extra: bytes.len() - needed,
            });
        }
        if checksum(bytes) != u32::from_le_bytes(field(bytes, CRC_AT)) {
            return Err(EnvelopeError::Checksum);
        }
        let [flags] = field(bytes, 6);
        if flags != 0 {
            return Err(EnvelopeError::UnknownFlags { flags });
        }
        // The lengths add up to `bytes.len()`, so no split is out of range.
        let (head, rest) = bytes.split_at(lengths.header);
        let (stamps, rest) = rest.split_at(lengths.stamps);
        let (tags, rest) = rest.split_at(lengths.tags);
        let (original, payload) = rest.split_at(lengths.original);
        let original = std::str::from_utf8(original).map_err(|_| EnvelopeError::OriginalNotUtf8)?;
        let [codec] = field(head, 7);
        Ok(Self {
            header: Header {
                codec,
                schema: Schema {
                    version: u32::from_le_bytes(field(head, 24)),
                    fingerprint: u64::from_le_bytes(field(head, 32)),
                },
                cost_us: u32::from_le_bytes(field(head, 28)),
                fill: u64::from_le_bytes(field(head, 40)),
                written_ms: u64::from_le_bytes(field(head, 48)),
                lineage: u64::from_le_bytes(field(head, 56)),
                ttl_ms: u64::from_le_bytes(field(head, 64)),
                stale_ms: u64::from_le_bytes(field(head, 72)),
            },
            stamps: Stamps(stamps),
            tags: Tags(tags),
            original: Some(original).filter(|original| !original.is_empty()),
            payload,
        })
    }

    /// The length of the whole envelope that begins with `prefix`, for a reader that fetched only
    /// a part. `None` where `prefix` is shorter than [`LENGTHS_LEN`] or begins no envelope of this
    /// version. Nothing is verified: the number is as good as the bytes are.
    pub fn declared_len(prefix: &[u8]) -> Option<usize> {
        Lengths::read(prefix).ok().map(|lengths| lengths.total())
    }
}

/// Writes an envelope: `write_payload` appends the payload straight behind the header, and the
/// lengths and the checksum are filled in afterwards, so the payload is never copied whole.
/// An empty `original` is the same as none.
///
/// # Errors
/// What `write_payload` returns; [`EncodeError::TooLong`] where a part's length does not fit.
pub fn encode(
    header: &Header,
    original: Option<&str>,
    stamps: &[Stamp],
    tags: &[Tag],
    write_payload: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<Bytes, EncodeError> {
    let original = original.unwrap_or_default();
    let original_len = u32::try_from(original.len())
        .map_err(|_| too_long("readable key", original.len(), u32::MAX as usize))?;
    let stamp_count = u16::try_from(stamps.len())
        .map_err(|_| too_long("list of stamps", stamps.len(), u16::MAX.into()))?;
    let tags_len = tags.iter().map(|tag| 1 + tag.as_str().len()).sum();
    let tags_len_16 =
        u16::try_from(tags_len).map_err(|_| too_long("list of tags", tags_len, u16::MAX.into()))?;
    let payload_at = HEADER_LEN + stamps.len() * STAMP_LEN + tags_len + original.len();

    let mut out = Vec::with_capacity(payload_at + PAYLOAD_GUESS);
    out.extend_from_slice(&MAGIC);
    out.push(VERSION);
    #[expect(clippy::cast_possible_truncation, reason = "the constant 80 fits")]
    out.extend_from_slice(&(HEADER_LEN as u16).to_le_bytes());
    out.push(0); // flags
    out.push(header.codec);
    out.extend_from_slice(&[0; 4]); // checksum, below
    out.extend_from_slice(&[0; 4]); // payload length, below
    out.extend_from_slice(&original_len.to_le_bytes());
    out.extend_from_slice(&stamp_count.to_le_bytes());
    out.extend_from_slice(&tags_len_16.to_le_bytes());
    out.extend_from_slice(&header.schema.version.to_le_bytes());
    out.extend_from_slice(&header.cost_us.to_le_bytes());
    out.extend_from_slice(&header.schema.fingerprint.to_le_bytes());
    out.extend_from_slice(&header.fill.to_le_bytes());
    out.extend_from_slice(&header.written_ms.to_le_bytes());
    out.extend_from_slice(&header.lineage.to_le_bytes());
    out.extend_from_slice(&header.ttl_ms.to_le_bytes());
    out.extend_from_slice(&header.stale_ms.to_le_bytes());
    for stamp in stamps {
        out.extend_from_slice(&stamp.remove.to_le_bytes());
        out.extend_from_slice(&stamp.expire.to_le_bytes());
    }
    for tag in tags {
        let tag = tag.as_str();
        // At most 200, as a `Tag` is.
        out.push(u8::try_from(tag.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(tag.as_bytes());
    }
    out.extend_from_slice(original.as_bytes());

    write_payload(&mut out)?;

    let payload_len = out
        .len()
        .checked_sub(payload_at)
        .ok_or(EncodeError::Shortened)?;
    let payload_len = u32::try_from(payload_len)
        .map_err(|_| too_long("payload", payload_len, u32::MAX as usize))?;
    out[12..16].copy_from_slice(&payload_len.to_le_bytes());
    let checksum = checksum(&out);
    out[CRC_AT..CRC_AT + 4].copy_from_slice(&checksum.to_le_bytes());
    Ok(out.into())
}

fn too_long(part: &'static str, len: usize, max: usize) -> EncodeError {
    EncodeError::TooLong { part, len, max }
}

/// CRC-32 over everything but the checksum itself.
fn checksum(envelope: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(envelope.get(..CRC_AT).unwrap_or_default());
    crc.update(envelope.get(CRC_AT + 4..).unwrap_or_default());
    crc.finalize()
}

/// The `N` bytes at `at`; zeros where there are none, which the callers' length checks exclude.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .unwrap_or([0; N])
}

#[cfg(test)]
mod tests;
