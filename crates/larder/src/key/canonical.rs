//! The serializer that writes canonical JSON. The rules are in the page of [`super`].

use serde::ser::{Serialize, Serializer};

use super::compound::{Array, Object};
use super::scalar::{Scalar, Sink};
use super::text::{self, Text};
use super::{KeyError, MAX_DEPTH};

/// A newtype struct of this name holds a string that is canonical JSON already.
pub(super) const NAME: &str = "$larder::Canonical";

/// The canonical JSON of `key`.
pub(super) fn to_string<T: Serialize + ?Sized>(key: &T) -> Result<String, KeyError> {
    let mut out = Text::default();
    key.serialize(Canonical {
        out: &mut out,
        depth: 0,
    })?;
    Ok(out.into_string())
}

pub(super) struct Canonical<'a> {
    pub(super) out: &'a mut Text,
    /// How many arrays, objects, `Some` and newtypes this value stands in.
    depth: usize,
}

impl<'a> Canonical<'a> {
    pub(super) fn nested(&mut self) -> Result<Canonical<'_>, KeyError> {
        if self.depth == MAX_DEPTH {
            return Err(KeyError::TooDeep { max: MAX_DEPTH });
        }
        Ok(Canonical {
            out: self.out,
            depth: self.depth + 1,
        })
    }

    /// `{"variant":`
    fn open_variant(&mut self, variant: &str) -> Result<(), KeyError> {
        self.out.push("{")?;
        self.out.push_string(variant)?;
        self.out.push(":")
    }

    fn array(self, close: &'static str) -> Result<Array<'a>, KeyError> {
        self.out.push("[")?;
        Ok(Array::new(self, close))
    }

    fn object(self, close: &'static str) -> Result<Object<'a>, KeyError> {
        self.out.push("{")?;
        Ok(Object::new(self, close))
    }

    fn float(self, finite: bool, shortest: &str) -> Result<(), KeyError> {
        if !finite {
            return Err(KeyError::NotFinite);
        }
        self.out.push(match shortest {
            "-0.0" => "0.0",
            other => other,
        })
    }
}

macro_rules! integers {
    ($($method:ident $type:ty,)*) => {
        $(fn $method(self, value: $type) -> Result<(), KeyError> {
            self.out.push(itoa::Buffer::new().format(value))
        })*
    };
}

impl<'a> Serializer for Canonical<'a> {
    type Ok = ();
    type Error = KeyError;
    type SerializeSeq = Array<'a>;
    type SerializeTuple = Array<'a>;
    type SerializeTupleStruct = Array<'a>;
    type SerializeTupleVariant = Array<'a>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Object<'a>;

    integers! {
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
        serialize_i128 i128, serialize_u128 u128,
    }

    fn serialize_f32(self, value: f32) -> Result<(), KeyError> {
        self.float(value.is_finite(), &format!("{value:?}"))
    }

    fn serialize_f64(self, value: f64) -> Result<(), KeyError> {
        self.float(value.is_finite(), &format!("{value:?}"))
    }

    fn serialize_bool(self, value: bool) -> Result<(), KeyError> {
        self.out.push(if value { "true" } else { "false" })
    }

    fn serialize_char(self, value: char) -> Result<(), KeyError> {
        self.out.push_string(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), KeyError> {
        self.out.push_string(value)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<(), KeyError> {
        self.out.push_string(&text::display(value)?)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), KeyError> {
        self.collect_seq(bytes)
    }

    fn serialize_none(self) -> Result<(), KeyError> {
        self.out.push("null")
    }

    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Result<(), KeyError> {
        let start = self.out.len();
        value.serialize(self.nested()?)?;
        // G5: `Some(None)` must not be the key that `None` is.
        if self.out.since(start) == "null" {
            return Err(KeyError::Ambiguous);
        }
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), KeyError> {
        self.out.push("null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), KeyError> {
        self.out.push("null")
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), KeyError> {
        self.out.push_string(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        if name == NAME {
            return value.serialize(Scalar::injected(Inject(self.out)));
        }
        value.serialize(self.nested()?)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        self.open_variant(variant)?;
        value.serialize(self.nested()?)?;
        self.out.push("}")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Array<'a>, KeyError> {
        self.array("]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Array<'a>, KeyError> {
        self.array("]")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Array<'a>, KeyError> {
        self.array("]")
    }

    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Array<'a>, KeyError> {
        self.open_variant(variant)?;
        self.array("]}")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, KeyError> {
        self.object("}")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'a>, KeyError> {
        self.object("}")
    }

    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'a>, KeyError> {
        self.open_variant(variant)?;
        self.object("}}")
    }
}

/// Writes the canonical JSON that a key brought along.
struct Inject<'a>(&'a mut Text);

impl Sink for Inject<'_> {
    type Ok = ();

    fn canonical(self, json: &str) -> Result<(), KeyError> {
        self.0.push(json)
    }

    fn text(self, text: &str) -> Result<(), KeyError> {
        self.0.push_string(text)
    }

    fn integer(self, digits: &str) -> Result<(), KeyError> {
        self.0.push(digits)
    }

    fn boolean(self, value: bool) -> Result<(), KeyError> {
        self.0.push(if value { "true" } else { "false" })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use serde::Serialize;
    use serde::ser::Error as _;

    use super::super::MAX_CANONICAL;
    use super::*;

    fn json<T: Serialize>(key: T) -> String {
        to_string(&key).unwrap()
    }

    fn error<T: Serialize>(key: T) -> KeyError {
        to_string(&key).unwrap_err()
    }

    #[derive(Serialize)]
    struct Unit;
    #[derive(Serialize)]
    struct Wrapped<T>(T);
    #[derive(Serialize)]
    struct Two(u8, bool);
    #[derive(Serialize)]
    struct Named {
        z: u8,
        a: Option<char>,
        #[serde(rename = "é")]
        e: (),
    }
    #[derive(Serialize, PartialEq, Eq, Hash, PartialOrd, Ord)]
    enum Shape {
        Unit,
        Newtype(u8),
        Tuple(u8, u8),
        Struct { z: u8, a: u8 },
    }

    #[test]
    fn each_kind_of_value_has_its_one_form() {
        assert_eq!(json(true), "true");
        assert_eq!(json(i128::MIN), "-170141183460469231731687303715884105728");
        assert_eq!(json(u128::MAX), "340282366920938463463374607431768211455");
        assert_eq!(json('"'), r#""\"""#);
        assert_eq!(json(()), "null");
        assert_eq!(json(Unit), "null");
        assert_eq!(json(Wrapped("a")), r#""a""#);
        assert_eq!(json(Two(1, false)), "[1,false]");
        assert_eq!(json(("a", 42)), r#"["a",42]"#);
        assert_eq!(json([0_u8; 0]), "[]");
        assert_eq!(json(BTreeMap::<u8, u8>::new()), "{}");
        assert_eq!(
            json(Named {
                z: 1,
                a: Some('x'),
                e: ()
            }),
            r#"{"a":"x","z":1,"é":null}"#
        );
        assert_eq!(json(Shape::Unit), r#""Unit""#);
        assert_eq!(json(Shape::Newtype(1)), r#"{"Newtype":1}"#);
        assert_eq!(json(Shape::Tuple(1, 2)), r#"{"Tuple":[1,2]}"#);
        assert_eq!(
            json(Shape::Struct { z: 1, a: 2 }),
            r#"{"Struct":{"a":2,"z":1}}"#
        );
    }

    #[test]
    fn bytes_are_an_array_of_numbers() {
        struct Bytes;
        impl Serialize for Bytes {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&[0, 255])
            }
        }
        assert_eq!(json(Bytes), "[0,255]");
    }

    #[test]
    fn floats_are_the_shortest_that_round_trip() {
        for (float, text) in [
            (0.0, "0.0"),
            (-0.0, "0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (1e-4, "0.0001"),
            (9.9e-5, "9.9e-5"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e16"),
            (1.5e300, "1.5e300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e308"),
        ] {
            assert_eq!(json(float), text);
        }
        assert_eq!(json(0.1_f32), "0.1");
        assert_eq!(json(-0.0_f32), "0.0");
        for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(error(vec![float]), KeyError::NotFinite);
        }
        assert_eq!(error(f32::NAN), KeyError::NotFinite);
    }

    #[test]
    fn fields_are_sorted_by_the_bytes_of_their_names() {
        let names = ["b", "a", "", "\u{ffff}", "𝄞", "a\u{1}", "a!", "B"];
        let map: HashMap<_, _> = names.into_iter().zip(0..).collect();
        let sorted: BTreeMap<_, _> = names.into_iter().zip(0..).collect();
        assert_eq!(
            json(&map),
            r#"{"":2,"B":7,"a":1,"a\u0001":5,"a!":6,"b":0,"￿":3,"𝄞":4}"#
        );
        assert_eq!(json(&map), json(&sorted));
        // Objects within objects are moved whole.
        let nested = BTreeMap::from([(10, &map), (9, &map)]);
        assert_eq!(
            json(&nested),
            format!(r#"{{"10":{0},"9":{0}}}"#, json(&map))
        );
    }

    #[test]
    fn map_keys_are_scalars() {
        assert_eq!(
            json(BTreeMap::from([(10_i128, 0), (9, 0), (-1, 0)])),
            r#"{"-1":0,"10":0,"9":0}"#
        );
        assert_eq!(json(BTreeMap::from([(true, 0)])), r#"{"true":0}"#);
        assert_eq!(json(BTreeMap::from([('"', 0)])), r#"{"\"":0}"#);
        assert_eq!(json(BTreeMap::from([(Shape::Unit, 0)])), r#"{"Unit":0}"#);
        for error in [
            error(BTreeMap::from([(Some(1), 0)])),
            error(BTreeMap::from([((), 0)])),
            error(BTreeMap::from([((1, 2), 0)])),
            error(BTreeMap::from([(vec![1], 0)])),
            error(BTreeMap::from([(Shape::Newtype(1), 0)])),
        ] {
            assert!(matches!(error, KeyError::MapKey { .. }), "{error}");
        }
    }

    #[test]
    fn a_field_name_that_occurs_twice_is_an_error() {
        #[derive(Serialize)]
        struct Twice {
            #[serde(rename = "id")]
            first: u8,
            other: u8,
            #[serde(rename = "id")]
            second: u8,
        }
        let key = Twice {
            first: 1,
            other: 2,
            second: 3,
        };
        assert_eq!(
            error(key),
            KeyError::DuplicateField {
                name: "id".to_owned()
            }
        );
    }

    #[test]
    fn what_json_cannot_tell_apart_is_an_error() {
        assert_eq!(json(Some(1)), "1");
        assert_eq!(json(None::<u8>), "null");
        assert_eq!(json(Some(Some(1))), "1");
        assert_eq!(error(Some(None::<u8>)), KeyError::Ambiguous);
        assert_eq!(error(Some(())), KeyError::Ambiguous);
        assert_eq!(error(Some(Unit)), KeyError::Ambiguous);
        assert_eq!(error(Some(Wrapped(None::<u8>))), KeyError::Ambiguous);
        assert_eq!(error((1, Some(Some(None::<u8>)))), KeyError::Ambiguous);
        assert_eq!(json(Some("null")), r#""null""#);
        assert_eq!(json(Some([None::<u8>])), "[null]");
    }

    #[test]
    fn the_length_and_the_depth_are_limited() {
        #[derive(Serialize)]
        struct Deep(Option<Box<Deep>>);

        let ones = |count| vec![1; count];
        assert!(to_string(&ones(MAX_CANONICAL / 2 - 1)).is_ok());
        assert!(matches!(
            error(ones(MAX_CANONICAL / 2)),
            KeyError::TooLong { .. }
        ));

        let deep = |levels| (0..levels).fold(Deep(None), |deep, _| Deep(Some(Box::new(deep))));
        assert_eq!(error(deep(10)), KeyError::Ambiguous);
        assert_eq!(error(deep(1_000)), KeyError::TooDeep { max: MAX_DEPTH });
        let nested = |levels| (1..levels).fold(serde_json::json!([]), |value, _| [value].into());
        assert!(to_string(&nested(MAX_DEPTH + 1)).is_ok());
        assert_eq!(
            error(nested(MAX_DEPTH + 2)),
            KeyError::TooDeep { max: MAX_DEPTH }
        );
    }

    #[test]
    fn an_error_of_the_key_itself_is_passed_on() {
        struct Failing;
        impl Serialize for Failing {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(S::Error::custom("no such thing"))
            }
        }
        assert_eq!(
            error(Failing),
            KeyError::Serialize {
                message: "no such thing".to_owned()
            }
        );
    }
}
