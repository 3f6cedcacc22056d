use super::*;

fn header() -> Header {
    Header {
        codec: 1,
        schema: Schema {
            version: 2,
            fingerprint: 0x1122_3344_5566_7788,
        },
        fill: 0xA1A2_A3A4_A5A6_A7A8,
        written_ms: 1_700_000_000_123,
        lineage: 0xB1B2_B3B4_B5B6_B7B8,
        ttl_ms: 300_000,
        stale_ms: 60_000,
        cost_us: 1_500,
    }
}

const STAMPS: [Stamp; 2] = [
    Stamp {
        remove: 1,
        expire: 2,
    },
    Stamp {
        remove: 3,
        expire: u64::MAX,
    },
];

fn sample() -> Bytes {
    encode(&header(), Some("user:ö"), &STAMPS, &[], |out| {
        out.extend_from_slice(b"{\"id\":42}");
        Ok(())
    })
    .unwrap()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// With its checksum made right again.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = checksum(&bytes);
    bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn what_is_written_is_read() {
    let bytes = sample();
    let envelope = Envelope::parse(&bytes).unwrap();
    assert_eq!(envelope.header, header());
    assert_eq!(envelope.original, Some("user:ö"));
    assert_eq!(envelope.payload, b"{\"id\":42}");
    assert_eq!(envelope.stamps.len(), 2);
    assert_eq!(envelope.stamps.iter().collect::<Vec<_>>(), STAMPS);

    let bare = encode(&Header::default(), None, &[], &[], |_| Ok(())).unwrap();
    let envelope = Envelope::parse(&bare).unwrap();
    assert_eq!(envelope.header, Header::default());
    assert_eq!((envelope.original, envelope.payload), (None, &b""[..]));
    assert!(envelope.stamps.is_empty());
    assert_eq!(bare.len(), HEADER_LEN);
}

#[test]
fn the_format_is_fixed_to_the_byte() {
    let golden = concat!(
        "4c5244",
        "01",
        "5000",
        "00",
        "01",
        "cdb5d942",
        "09000000",
        "07000000",
        "0200",
        "0000",
        "02000000",
        "dc050000",
        "8877665544332211",
        "a8a7a6a5a4a3a2a1",
        "7b68e5cf8b010000",
        "b8b7b6b5b4b3b2b1",
        "e093040000000000",
        "60ea000000000000",
        "01000000000000000200000000000000",
        "0300000000000000ffffffffffffffff",
        "757365723ac3b6",
        "7b226964223a34327d",
    );
    assert_eq!(hex(&sample()), golden);
}

#[test]
fn an_envelope_cut_at_any_length_is_rejected() {
    let bytes = sample();
    for len in 0..bytes.len() {
        let error = Envelope::parse(&bytes[..len]).unwrap_err();
        let expected_truncated = len >= MAGIC.len();
        assert_eq!(
            matches!(error, EnvelopeError::Truncated { .. }),
            expected_truncated,
            "{len}"
        );
        assert!(!error.is_newer());
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert_eq!(
        Envelope::parse(&longer),
        Err(EnvelopeError::TrailingBytes { extra: 1 })
    );
}

#[test]
fn every_flipped_bit_is_rejected() {
    let bytes = sample();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = Envelope::parse(&flipped).unwrap_err();
        // Only the version byte may make it look like a newer program's.
        assert_eq!(
            error.is_newer(),
            bit / 8 == 3 && flipped[3] > VERSION,
            "{bit}: {error}"
        );
    }
}

#[test]
fn a_newer_version_is_known_as_newer_even_when_cut() {
    let mut bytes = sample().to_vec();
    bytes[3] = 2;
    for len in 4..bytes.len() {
        let error = Envelope::parse(&bytes[..len]).unwrap_err();
        assert_eq!(error, EnvelopeError::UnknownVersion { found: 2 });
        assert!(error.is_newer());
    }
    bytes[3] = 0;
    assert!(!Envelope::parse(&bytes).unwrap_err().is_newer());
}

#[test]
fn any_set_flag_is_a_newer_programs() {
    for bit in 0..8 {
        let mut bytes = sample().to_vec();
        bytes[6] = 1 << bit;
        assert_eq!(Envelope::parse(&bytes), Err(EnvelopeError::Checksum));
        let error = Envelope::parse(&resealed(bytes)).unwrap_err();
        assert_eq!(error, EnvelopeError::UnknownFlags { flags: 1 << bit });
        assert!(error.is_newer());
    }
}

#[test]
fn fields_of_a_later_minor_form_are_skipped() {
    let mut bytes = sample().to_vec();
    bytes.splice(HEADER_LEN..HEADER_LEN, [0xEE; 24]);
    bytes[4] += 24;
    let bytes = resealed(bytes);
    let envelope = Envelope::parse(&bytes).unwrap();
    assert_eq!(envelope.header, header());
    assert_eq!(envelope.original, Some("user:ö"));
    assert_eq!(envelope.payload, b"{\"id\":42}");
}

#[test]
fn a_header_shorter_than_the_versions_is_rejected() {
    let mut bytes = sample().to_vec();
    bytes[4] = 79;
    let error = Envelope::parse(&resealed(bytes)).unwrap_err();
    assert_eq!(error, EnvelopeError::HeaderTooShort { found: 79 });
}

#[test]
fn a_readable_key_that_is_not_utf8_is_rejected() {
    let mut bytes = sample().to_vec();
    let at = bytes.len() - 9 - 1;
    bytes[at] = 0xFF;
    assert_eq!(
        Envelope::parse(&resealed(bytes)),
        Err(EnvelopeError::OriginalNotUtf8)
    );
}

#[test]
fn the_length_is_known_from_the_first_bytes() {
    let bytes = sample();
    for len in 0..bytes.len() {
        let expected = (len >= LENGTHS_LEN).then_some(bytes.len());
        assert_eq!(Envelope::declared_len(&bytes[..len]), expected);
    }
    assert_eq!(Envelope::declared_len(&[0; 100]), None);
}

#[test]
fn lengths_that_promise_more_than_there_is_are_a_cut_envelope() {
    let mut bytes = sample().to_vec();
    bytes[12..22].fill(0xFF);
    let error = Envelope::parse(&resealed(bytes)).unwrap_err();
    assert!(matches!(error, EnvelopeError::Truncated { .. }), "{error}");
}

#[test]
fn a_failing_payload_writer_fails_the_envelope() {
    let error = encode(&header(), None, &[], &[], |out| {
        out.clear();
        Ok(())
    })
    .unwrap_err();
    assert!(matches!(error, EncodeError::Shortened));
    let many = vec![Stamp::default(); 65_536];
    let error = encode(&header(), None, &many, &[], |_| Ok(())).unwrap_err();
    assert!(
        matches!(error, EncodeError::TooLong { len: 65_536, .. }),
        "{error}"
    );
}
