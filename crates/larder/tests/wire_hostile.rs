//! G3: whatever stands on the server is a miss at worst.

#![allow(clippy::unwrap_used, reason = "a test")]

use larder::wire::{Codec, RejectReason, read};
use proptest::collection::vec;
use proptest::prelude::*;

mod hostile;

use hostile::{Nasty, check, check_mutated, check_payload, sample, schema, valid};

proptest! {
    #[test]
    fn hostile_bytes_are_a_miss_never_a_panic(bytes in vec(any::<u8>(), 0..300)) {
        check(&bytes);
        check_payload(&bytes);
        let ours = [b"LRD\x01\x50\x00", &bytes[..]].concat();
        check(&ours);
    }

    #[test]
    fn a_changed_envelope_is_a_miss_never_a_panic(
        edits in vec(any::<(u16, u8)>(), 1..6),
        cut in prop_oneof![Just(0), any::<u16>()],
        resealed in any::<bool>(),
    ) {
        check_mutated(&edits, cut, resealed);
    }

    #[test]
    fn a_changed_payload_is_a_miss_never_a_panic(
        edits in vec(any::<(prop::sample::Index, u8)>(), 1..6),
    ) {
        for &codec in Codec::ALL {
            let mut payload = Vec::new();
            codec.encode(&sample(), &mut payload).unwrap();
            for (at, flip) in &edits {
                let at = at.index(payload.len());
                payload[at] ^= flip;
            }
            check_payload(&payload);
        }
    }
}

#[test]
fn the_sample_is_read() {
    for &codec in Codec::ALL {
        let (header, value) =
            read::<Nasty>(&valid(codec), Some("user:42"), codec, schema()).unwrap();
        assert_eq!(value, sample());
        assert_eq!(header.codec, codec.id());
    }
}

#[test]
fn a_valid_envelope_cut_or_flipped_anywhere_is_a_miss() {
    for &codec in Codec::ALL {
        let bytes = valid(codec);
        for len in 0..bytes.len() {
            let reject =
                read::<Nasty>(&bytes[..len], Some("user:42"), codec, schema()).unwrap_err();
            let foreign = reject.reason == RejectReason::NotOurs;
            assert_eq!(foreign, len < 3);
            assert_eq!(reject.replaceable, !foreign);
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            read::<Nasty>(&flipped, Some("user:42"), codec, schema()).unwrap_err();
        }
    }
}
