use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::*;
use crate::wire::{EncodeError, encode};

mod old {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(super) struct Point {
        pub(super) x: u32,
        pub(super) y: u32,
    }
}

mod new {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(super) struct Point {
        pub(super) y: u32,
        pub(super) x: u32,
    }
}

fn stored<V: Serialize>(value: &V, codec: Codec, schema: Schema) -> Bytes {
    let header = Header {
        codec: codec.id(),
        schema,
        fill: 7,
        ..Header::default()
    };
    encode(&header, Some("key"), &[], &[], |out| {
        Ok(codec.encode(value, out)?)
    })
    .unwrap()
}

fn try_read<V: DeserializeOwned>(bytes: &[u8], codec: Codec, schema: Schema) -> Result<V, Reject> {
    read(bytes, Some("key"), codec, schema).map(|(header, value)| {
        assert_eq!(header.fill, 7);
        value
    })
}

#[test]
fn two_programs_with_swapped_fields_never_misread_each_other() {
    for &codec in Codec::ALL {
        for declared in [None, Some(1)] {
            let old_schema = Schema::for_cache::<old::Point>(codec, declared).unwrap();
            let new_schema = Schema::for_cache::<new::Point>(codec, declared).unwrap();
            assert_ne!(old_schema, new_schema);

            let by_old = stored(&old::Point { x: 1, y: 2 }, codec, old_schema);
            let by_new = stored(&new::Point { x: 1, y: 2 }, codec, new_schema);
            assert_eq!(
                try_read(&by_old, codec, old_schema),
                Ok(old::Point { x: 1, y: 2 })
            );
            assert_eq!(
                try_read(&by_new, codec, new_schema),
                Ok(new::Point { x: 1, y: 2 })
            );

            let old_read = try_read::<old::Point>(&by_new, codec, old_schema);
            let new_read = try_read::<new::Point>(&by_old, codec, new_schema);
            if codec.describes_itself() {
                assert_eq!(old_read, Ok(old::Point { x: 1, y: 2 }));
                assert_eq!(new_read, Ok(new::Point { x: 1, y: 2 }));
            } else {
                let (old, new) = (old_read.unwrap_err(), new_read.unwrap_err());
                assert_eq!(old.reason, RejectReason::OtherSchema);
                assert_eq!(new.reason, RejectReason::OtherSchema);
                assert_ne!(old.replaceable, new.replaceable, "one of them gives way");
            }
        }
    }
}

#[test]
fn another_declared_version_is_a_miss_and_only_the_newer_overwrites() {
    for &codec in Codec::ALL {
        let one = Schema::for_cache::<u32>(codec, Some(1)).unwrap();
        let two = Schema::for_cache::<u32>(codec, Some(2)).unwrap();
        let reason = RejectReason::OtherSchema;
        let by_two = try_read::<u32>(&stored(&5_u32, codec, two), codec, one);
        assert_eq!(
            by_two,
            Err(Reject {
                reason,
                replaceable: false
            })
        );
        let by_one = try_read::<u32>(&stored(&5_u32, codec, one), codec, two);
        assert_eq!(
            by_one,
            Err(Reject {
                reason,
                replaceable: true
            })
        );
    }
}

#[test]
fn between_codecs_the_greater_id_overwrites() {
    let schema = Schema {
        version: 1,
        fingerprint: 1,
    };
    for &mine in Codec::ALL {
        for &theirs in Codec::ALL.iter().filter(|&&theirs| theirs != mine) {
            let reject = try_read::<u32>(&stored(&5_u32, theirs, schema), mine, schema);
            let reason = RejectReason::OtherCodec;
            let replaceable = mine.id() > theirs.id();
            assert_eq!(
                reject,
                Err(Reject {
                    reason,
                    replaceable
                })
            );
        }
    }
}

#[test]
fn another_key_is_a_miss() {
    let schema = Schema {
        version: 1,
        fingerprint: 1,
    };
    for &codec in Codec::ALL {
        let bytes = stored(&5_u32, codec, schema);
        for other in [None, Some(""), Some("KEY")] {
            let reject = read::<u32>(&bytes, other, codec, schema).unwrap_err();
            let reason = RejectReason::OtherKey;
            assert_eq!(
                reject,
                Reject {
                    reason,
                    replaceable: true
                }
            );
        }
    }
}

#[test]
fn what_cannot_be_decoded_is_a_miss_that_gives_way() {
    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "never read")]
    struct Other {
        name: String,
    }
    for &codec in Codec::ALL {
        let theirs = Schema::for_cache::<u32>(codec, None).unwrap();
        let damaged = try_read::<Other>(&stored(&5_u32, codec, theirs), codec, theirs);
        let reason = RejectReason::Undecodable;
        assert_eq!(
            damaged.unwrap_err(),
            Reject {
                reason,
                replaceable: true
            }
        );

        let mine = Schema::for_cache::<Other>(codec, None).unwrap();
        let other = try_read::<Other>(&stored(&5_u32, codec, theirs), codec, mine).unwrap_err();
        assert_eq!(other.replaceable, mine > theirs);
    }
}

#[test]
fn what_is_newer_or_foreign_is_left_alone() {
    let schema = Schema::default();
    for &codec in Codec::ALL {
        let reject = |bytes: &[u8]| try_read::<u32>(bytes, codec, schema).unwrap_err();
        let bytes = stored(&5_u32, codec, schema);
        let reason = RejectReason::NotOurs;
        for foreign in [&b""[..], b"LR", b"hello", b"{\"id\":1}"] {
            assert_eq!(
                reject(foreign),
                Reject {
                    reason,
                    replaceable: false
                }
            );
        }
        let mut newer = bytes.to_vec();
        newer[3] = 2;
        let reason = RejectReason::NewerVersion;
        assert_eq!(
            reject(&newer),
            Reject {
                reason,
                replaceable: false
            }
        );

        let reason = RejectReason::Truncated;
        assert_eq!(
            reject(&bytes[..50]),
            Reject {
                reason,
                replaceable: true
            }
        );
        let mut damaged = bytes.to_vec();
        damaged[60] ^= 1;
        let reason = RejectReason::Corrupt;
        assert_eq!(
            reject(&damaged),
            Reject {
                reason,
                replaceable: true
            }
        );
        damaged[3] = 0;
        assert_eq!(
            reject(&damaged),
            Reject {
                reason,
                replaceable: true
            }
        );
    }
    let flagged = Reject::from(EnvelopeError::UnknownFlags { flags: 1 });
    let reason = RejectReason::UnknownFlags;
    assert_eq!(
        flagged,
        Reject {
            reason,
            replaceable: false
        }
    );
}

#[test]
fn reasons_have_distinct_names() {
    let names: std::collections::HashSet<_> = RejectReason::ALL
        .iter()
        .map(|reason| reason.as_str())
        .collect();
    assert_eq!(names.len(), RejectReason::ALL.len());
}

#[test]
fn a_value_that_cannot_be_encoded_has_no_envelope() {
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("on purpose"))
        }
    }
    for &codec in Codec::ALL {
        let error = encode(&Header::default(), None, &[], &[], |out| {
            Ok(codec.encode(&Fails, out)?)
        });
        assert!(matches!(error, Err(EncodeError::Codec(_))));
    }
}
