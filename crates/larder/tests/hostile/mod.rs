//! What must hold for any bytes. The tests try it on chosen and random ones; the fuzzer in `fuzz/`
//! includes this file and goes on for longer.

use std::collections::{BTreeMap, HashMap};

use larder::wire::{Codec, Envelope, Header, Reject, RejectReason, Schema, Stamp, encode, read};
use serde::{Deserialize, Serialize};

/// A type with everything that makes decoders do too much: it nests in every way, reserves room by
/// declared lengths, and has elements of no width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Nasty {
    Nothing,
    Deep(Box<Nasty>),
    Many(Vec<Nasty>),
    ByName(HashMap<String, Nasty>),
    Sorted(BTreeMap<u64, Option<Box<Nasty>>>),
    Pair(Box<(Nasty, Nasty)>),
    Fields {
        text: String,
        bytes: Vec<u8>,
        wide: [u64; 8],
        letter: char,
    },
    NoWidth(Vec<()>),
    Chain(Chain),
    Big(i128),
}

/// Nests without taking a byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Chain(Option<Box<Chain>>);

pub(crate) fn sample() -> Nasty {
    let fields = Nasty::Fields {
        text: "ö".repeat(20),
        bytes: vec![0, 1, 255],
        wide: [u64::MAX; 8],
        letter: 'x',
    };
    let sorted = [(1, None), (2, Some(Box::new(Nasty::Big(i128::MIN))))];
    Nasty::Many(vec![
        Nasty::Deep(Box::new(Nasty::Nothing)),
        Nasty::ByName([("key".to_owned(), fields)].into()),
        Nasty::Sorted(sorted.into()),
        Nasty::Pair(Box::new((
            Nasty::NoWidth(vec![(); 9]),
            Nasty::Chain(Chain(None)),
        ))),
    ])
}

pub(crate) fn schema() -> Schema {
    Schema {
        version: 1,
        fingerprint: 0x00C0_FFEE,
    }
}

/// A valid envelope around a payload that need not be.
pub(crate) fn envelope(codec: Codec, original: Option<&str>, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        codec: codec.id(),
        schema: schema(),
        ttl_ms: 1_000,
        ..Header::default()
    };
    encode(
        &header,
        original,
        &[Stamp {
            remove: 1,
            expire: 2,
        }],
        &[],
        |out| {
            out.extend_from_slice(payload);
            Ok(())
        },
    )
    .unwrap()
    .to_vec()
}

pub(crate) fn valid(codec: Codec) -> Vec<u8> {
    let mut payload = Vec::new();
    codec.encode(&sample(), &mut payload).unwrap();
    envelope(codec, Some("user:42"), &payload)
}

/// Makes the checksum right again, so that a change gets past it.
pub(crate) fn reseal(bytes: &mut [u8]) {
    if bytes.len() >= 12 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&bytes[..8]);
        crc.update(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.finalize().to_le_bytes());
    }
}

/// Reads any bytes as stored bytes, under each codec.
pub(crate) fn check(bytes: &[u8]) {
    let parsed = Envelope::parse(bytes);
    if let Ok(envelope) = parsed {
        assert_eq!(Envelope::declared_len(bytes), Some(bytes.len()));
        let parts = envelope.payload.len() + envelope.original.map_or(0, str::len);
        assert!(parts + envelope.stamps.iter().len() * 16 + 80 <= bytes.len());
    }
    for &codec in Codec::ALL {
        for original in [None, Some("user:42")] {
            let result = read::<Nasty>(bytes, original, codec, schema());
            let Err(Reject {
                reason,
                replaceable,
            }) = result
            else {
                assert!(parsed.is_ok());
                continue;
            };
            let newer = parsed.is_err_and(|error| error.is_newer());
            assert!(
                !(replaceable && newer),
                "would overwrite a newer program's value"
            );
            assert!(!(replaceable && reason == RejectReason::NotOurs));
        }
    }
}

/// Decodes any bytes as a payload, in an envelope with which nothing is wrong.
pub(crate) fn check_payload(payload: &[u8]) {
    for &codec in Codec::ALL {
        let bytes = envelope(codec, None, payload);
        match read::<Nasty>(&bytes, None, codec, schema()) {
            Ok((_, value)) => {
                // What was decoded can be written; only then is it known to be sound.
                let mut again = Vec::new();
                codec.encode(&value, &mut again).unwrap();
                assert_eq!(codec.encoded_len(&value).unwrap(), again.len());
            }
            Err(reject) => {
                assert_eq!(reject.reason, RejectReason::Undecodable);
                assert!(reject.replaceable);
            }
        }
    }
}

/// Changes bytes of a valid envelope, cuts it, and reads what is left.
pub(crate) fn check_mutated(edits: &[(u16, u8)], cut: u16, resealed: bool) {
    for &codec in Codec::ALL {
        let original = valid(codec);
        let mut bytes = original.clone();
        for &(at, flip) in edits {
            let at = usize::from(at) % bytes.len();
            bytes[at] ^= flip;
        }
        bytes.truncate(bytes.len() - usize::from(cut) % bytes.len());
        if resealed {
            reseal(&mut bytes);
        } else if edits.len() == 1 && bytes != original {
            read::<Nasty>(&bytes, Some("user:42"), codec, schema()).unwrap_err();
        }
        check(&bytes);
    }
}
