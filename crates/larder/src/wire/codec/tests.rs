use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use serde::Deserialize;

use super::*;

fn encoded<V: Serialize + ?Sized>(codec: Codec, value: &V) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec.encode(value, &mut bytes).unwrap();
    assert_eq!(codec.encoded_len(value).unwrap(), bytes.len());
    bytes
}

fn assert_comes_back<V: Serialize + DeserializeOwned + PartialEq + Debug>(value: &V) {
    for &codec in Codec::ALL {
        let bytes = encoded(codec, value);
        assert_eq!(codec.decode::<V>(&bytes).unwrap(), *value, "{codec:?}");
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(
            codec.decode::<V>(&longer).is_err(),
            "{codec:?} takes trailing bytes"
        );
        for len in 0..bytes.len().min(500) {
            // A number in JSON is still one when it is cut; what counts is that nothing panics.
            let _ = codec.decode::<V>(&bytes[..len]);
        }
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
enum Event {
    Quiet,
    Renamed(String),
    Moved {
        from: (i32, i32),
        to: Option<[u8; 2]>,
    },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Empty;

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Wide {
    id: u64,
    big: i128,
    small: i8,
    ratio: f64,
    letter: char,
    events: Vec<Event>,
    by_name: BTreeMap<String, Event>,
    by_id: HashMap<u32, i8>,
    empty: Empty,
}

#[test]
fn what_is_empty_comes_back() {
    assert_comes_back(&None::<u64>);
    assert_comes_back(&Some(0_u64));
    assert_comes_back(&None::<String>);
    assert_comes_back(&Some(String::new()));
    assert_comes_back(&());
    assert_comes_back(&Empty);
    assert_comes_back(&String::new());
    assert_comes_back(&Vec::<String>::new());
    assert_comes_back(&BTreeMap::<String, u8>::new());
    assert_comes_back(&0_u8);
    assert_comes_back(&0_i64);
    assert_comes_back(&0.0_f64);
    assert_comes_back(&false);
    assert_comes_back(&vec![None, Some(())].len());
}

#[test]
fn values_come_back() {
    let moved = Event::Moved {
        from: (-1, i32::MAX),
        to: Some([1, 2]),
    };
    assert_comes_back(&Event::Quiet);
    assert_comes_back(&moved);
    assert_comes_back(&Wide {
        id: u64::MAX,
        big: i128::MIN,
        small: -1,
        ratio: 0.1,
        letter: 'ö',
        events: vec![Event::Quiet, Event::Renamed("a\"b".into()), moved.clone()],
        by_name: [("é".to_owned(), moved)].into(),
        by_id: [(7, -7)].into(),
        empty: Empty,
    });
    assert_comes_back(&vec![7_u64; 100_000]);
    assert_comes_back(&vec![(); 1_000]);
}

#[test]
fn ids_do_not_change() {
    for &codec in Codec::ALL {
        assert_eq!(Codec::from_id(codec.id()), Some(codec));
        let expected = match codec.as_str() {
            "json" => 1,
            "msgpack" => 2,
            _ => 3,
        };
        assert_eq!(codec.id(), expected);
    }
    assert_eq!(Codec::from_id(0), None);
    assert_eq!(Codec::from_id(4), None);
    assert!(Codec::DEFAULT.is_none_or(Codec::describes_itself));
}

#[test]
fn a_failed_encode_leaves_nothing_behind() {
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("on purpose"))
        }
    }
    for &codec in Codec::ALL {
        let mut out = b"before".to_vec();
        let error = codec.encode(&("written", Fails), &mut out).unwrap_err();
        assert_eq!(out, b"before");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            source.contains("on purpose") || codec.as_str() == "postcard",
            "{source}"
        );
        assert!(codec.encoded_len(&Fails).is_err());
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum List {
    End,
    Link(Box<List>),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Chain(Option<Box<Chain>>);

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Nested(Vec<Nested>);

/// The test's thread has the stack of a tokio worker.
#[test]
fn nesting_without_end_is_an_error_and_no_overflow() {
    let json: &[u8] = b"{\"Link\":";
    let msgpack: &[u8] = b"\x81\xa4Link";
    for &codec in Codec::ALL {
        let (list, chain, nested): (&[u8], &[u8], &[u8]) = match codec.as_str() {
            "json" => (json, b"1", b"["),
            "msgpack" => (msgpack, b"\x01", b"\x91"),
            _ => (b"\x01", b"\x01", b"\x01"),
        };
        assert!(codec.decode::<List>(&list.repeat(100_000)).is_err());
        assert!(codec.decode::<Chain>(&chain.repeat(100_000)).is_err());
        assert!(codec.decode::<Nested>(&nested.repeat(100_000)).is_err());
        assert!(codec.decode::<Chain>(chain).is_err());
    }
}

#[test]
fn reasonable_nesting_is_read() {
    let mut list = List::End;
    let mut nested = Nested(Vec::new());
    for _ in 0..60 {
        list = List::Link(Box::new(list));
        nested = Nested(vec![nested]);
    }
    assert_comes_back(&list);
    assert_comes_back(&nested);
}

#[cfg(feature = "postcard")]
#[test]
fn elements_of_no_width_do_not_loop_for_ever() {
    let mut bytes = vec![0xFF; 9];
    bytes.push(0x01);
    assert!(Codec::Postcard.decode::<Vec<()>>(&bytes).is_err());
    assert!(Codec::Postcard.decode::<Vec<Empty>>(&bytes).is_err());
    assert!(
        Codec::Postcard
            .decode::<std::collections::BTreeSet<()>>(&bytes)
            .is_err()
    );
}

#[cfg(feature = "json")]
#[test]
fn raw_json_passes_the_guard() {
    use serde_json::value::RawValue;

    let raw: Box<RawValue> = Codec::Json.decode(b"{\"a\": [1,  2]}").unwrap();
    assert_eq!(raw.get(), "{\"a\": [1,  2]}");
    let value: serde_json::Value = Codec::Json.decode(b"{\"a\":[1,null,\"x\"]}").unwrap();
    assert_eq!(value["a"][2], "x");
    assert_eq!(Codec::Json.decode::<Option<u8>>(b"null").unwrap(), None);
}

#[cfg(any(feature = "json", feature = "msgpack"))]
#[test]
fn a_codec_that_describes_itself_finds_fields_by_name() {
    #[derive(Serialize)]
    struct Old {
        x: u8,
        y: u8,
    }
    #[derive(Deserialize, PartialEq, Debug)]
    struct New {
        y: u8,
        #[serde(default)]
        z: u8,
        x: u8,
    }
    for codec in Codec::ALL.iter().filter(|codec| codec.describes_itself()) {
        let bytes = encoded(*codec, &Old { x: 1, y: 2 });
        assert_eq!(
            codec.decode::<New>(&bytes).unwrap(),
            New { x: 1, y: 2, z: 0 }
        );
    }
}
