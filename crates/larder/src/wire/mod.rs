//! What a value looks like on the server: an [`Envelope`] with the payload that a [`Codec`] wrote.
//!
//! # The envelope, version 1
//! All numbers are unsigned and little-endian. Times are milliseconds.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 3 | magic, `4c 52 44` ("LRD") |
//! | 3 | 1 | version, 1 |
//! | 4 | 2 | header length `H`: 80, or more in a later minor form |
//! | 6 | 1 | flags: bit 0 the payload is compressed, bit 1 it is sealed, the others reserved |
//! | 7 | 1 | codec: 1 JSON, 2 MessagePack with named fields, 3 postcard |
//! | 8 | 4 | checksum: CRC-32 (IEEE 802.3, as in zlib) of all other bytes of the envelope, in order |
//! | 12 | 4 | payload length `P` |
//! | 16 | 4 | readable key's length `K` |
//! | 20 | 2 | number of stamps `S` |
//! | 22 | 2 | length of the tags `T` |
//! | 24 | 4 | declared schema version, 0 = none |
//! | 28 | 4 | what the load cost, in microseconds; `ffffffff` = that or more |
//! | 32 | 8 | schema fingerprint, 0 = none |
//! | 40 | 8 | id of the fill |
//! | 48 | 8 | when it was written, by the server's clock |
//! | 56 | 8 | lineage: the server history which that time belongs to |
//! | 64 | 8 | how long it is fresh |
//! | 72 | 8 | how long after that it may be served as stale |
//! | 80 | `H` − 80 | fields of a later minor form: skipped |
//! | `H` | 16 × `S` | stamps: remove id (8), expire id (8) |
//! | `H` + 16 `S` | `T` | tags: for each its length (1) and its text in UTF-8 |
//! | `H` + 16 `S` + `T` | `K` | the readable key in UTF-8, where the stored key is a hash; else empty |
//! | `H` + 16 `S` + `T` + `K` | `P` | payload |
//!
//! The envelope ends where the payload does; bytes behind it are an error. A reader checks the
//! magic, the version, the lengths, the checksum and the flags, in this order. It must not read,
//! and must not overwrite, an envelope of a greater version or with a flag that it does not know.
//! A change which older readers may ignore adds a field behind offset 80; any other is a new
//! version.
//!
//! # Who reads and overwrites what
//! [`read()`] answers with the value, or with a [`Reject`]: a miss, its reason for the metrics, and
//! whether the value that a load then brings may take the slot (G3, G9).

mod codec;
mod envelope;
mod head;
mod read;
mod schema;

pub use codec::{Codec, CodecError};
pub use envelope::{
    EncodeError, Envelope, EnvelopeError, HEADER_LEN, Header, LENGTHS_LEN, MAGIC, STAMP_LEN, Stamp,
    Stamps, Tags, VERSION, encode,
};
pub use head::Head;
pub use read::{Reject, RejectReason, read};
pub use schema::{Derived, Schema, SchemaError, SchemaRule};
