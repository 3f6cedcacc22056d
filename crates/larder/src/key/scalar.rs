//! The short way for keys that are one string or one number: no JSON is built for them.

use serde::ser::{Impossible, Serialize, Serializer};

use super::{KeyError, canonical, text};

/// What to do with a scalar; anything else is refused with [`KeyError::MapKey`].
pub(super) trait Sink: Sized {
    type Ok;
    /// A string, a character or the name of a unit variant.
    fn text(self, text: &str) -> Result<Self::Ok, KeyError>;
    /// An integer, in decimal.
    fn integer(self, digits: &str) -> Result<Self::Ok, KeyError>;
    fn boolean(self, value: bool) -> Result<Self::Ok, KeyError>;
    /// Canonical JSON that a key brought along.
    fn canonical(self, text: &str) -> Result<Self::Ok, KeyError>;
}

/// A serializer that hands the one scalar it gets to its sink.
pub(super) struct Scalar<S> {
    sink: S,
    /// The string to come is canonical JSON, not text.
    injected: bool,
}

impl<S: Sink> Scalar<S> {
    pub(super) fn new(sink: S) -> Self {
        Self {
            sink,
            injected: false,
        }
    }

    /// For the content of the newtype struct [`canonical::NAME`].
    pub(super) fn injected(sink: S) -> Self {
        Self {
            sink,
            injected: true,
        }
    }
}

fn refuse<T>(found: &'static str) -> Result<T, KeyError> {
    Err(KeyError::MapKey { found })
}

macro_rules! integers {
    ($($method:ident $type:ty,)*) => {
        $(fn $method(self, value: $type) -> Result<S::Ok, KeyError> {
            self.sink.integer(itoa::Buffer::new().format(value))
        })*
    };
}

impl<S: Sink> Serializer for Scalar<S> {
    type Ok = S::Ok;
    type Error = KeyError;
    type SerializeSeq = Impossible<S::Ok, KeyError>;
    type SerializeTuple = Impossible<S::Ok, KeyError>;
    type SerializeTupleStruct = Impossible<S::Ok, KeyError>;
    type SerializeTupleVariant = Impossible<S::Ok, KeyError>;
    type SerializeMap = Impossible<S::Ok, KeyError>;
    type SerializeStruct = Impossible<S::Ok, KeyError>;
    type SerializeStructVariant = Impossible<S::Ok, KeyError>;

    integers! {
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
        serialize_i128 i128, serialize_u128 u128,
    }

    fn serialize_str(self, text: &str) -> Result<S::Ok, KeyError> {
        if self.injected {
            self.sink.canonical(text)
        } else {
            self.sink.text(text)
        }
    }

    fn serialize_char(self, value: char) -> Result<S::Ok, KeyError> {
        self.sink.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_bool(self, value: bool) -> Result<S::Ok, KeyError> {
        self.sink.boolean(value)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<S::Ok, KeyError> {
        self.sink.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        mut self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, KeyError> {
        self.injected = name == canonical::NAME;
        value.serialize(self)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, KeyError> {
        self.serialize_str(&text::display(value)?)
    }

    fn serialize_f32(self, _: f32) -> Result<S::Ok, KeyError> {
        refuse("floating-point numbers")
    }

    fn serialize_f64(self, _: f64) -> Result<S::Ok, KeyError> {
        refuse("floating-point numbers")
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<S::Ok, KeyError> {
        refuse("bytes")
    }

    fn serialize_none(self) -> Result<S::Ok, KeyError> {
        refuse("options")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<S::Ok, KeyError> {
        refuse("options")
    }

    fn serialize_unit(self) -> Result<S::Ok, KeyError> {
        refuse("units")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<S::Ok, KeyError> {
        refuse("units")
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<S::Ok, KeyError> {
        refuse("enum variants with content")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, KeyError> {
        refuse("sequences")
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, KeyError> {
        refuse("tuples")
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, KeyError> {
        refuse("tuple structs")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, KeyError> {
        refuse("enum variants with content")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, KeyError> {
        refuse("maps")
    }

    fn serialize_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStruct, KeyError> {
        refuse("structs")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, KeyError> {
        refuse("enum variants with content")
    }
}
