//! Arrays and objects of canonical JSON.

use std::borrow::Cow;
use std::ops::Range;

use serde::ser::{self, Error as _, Serialize};

use super::canonical::Canonical;
use super::scalar::{Scalar, Sink};
use super::{KeyError, escape, text};

pub(super) struct Array<'a> {
    at: Canonical<'a>,
    empty: bool,
    close: &'static str,
}

impl<'a> Array<'a> {
    /// For an array that was opened, to be closed with `close`.
    pub(super) fn new(at: Canonical<'a>, close: &'static str) -> Self {
        Self {
            at,
            empty: true,
            close,
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        if !self.empty {
            self.at.out.push(",")?;
        }
        self.empty = false;
        value.serialize(self.at.nested()?)
    }

    fn finish(self) -> Result<(), KeyError> {
        self.at.out.push(self.close)
    }
}

/// Fields are written as they come, and put in order at the end where they are not.
pub(super) struct Object<'a> {
    at: Canonical<'a>,
    /// Where the first field begins.
    start: usize,
    fields: Vec<Field>,
    close: &'static str,
}

struct Field {
    name: Cow<'static, str>,
    /// Where `"name":value` stands, counted from the first field.
    range: Range<usize>,
}

impl<'a> Object<'a> {
    /// For an object that was opened, to be closed with `close`.
    pub(super) fn new(at: Canonical<'a>, close: &'static str) -> Self {
        Self {
            start: at.out.len(),
            at,
            fields: Vec::new(),
            close,
        }
    }

    fn name(&mut self, name: Cow<'static, str>) -> Result<(), KeyError> {
        if !self.fields.is_empty() {
            self.at.out.push(",")?;
        }
        let start = self.at.out.len() - self.start;
        self.at.out.push_string(&name)?;
        self.at.out.push(":")?;
        self.fields.push(Field {
            name,
            range: start..start,
        });
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        value.serialize(self.at.nested()?)?;
        match self.fields.last_mut() {
            Some(field) => field.range.end = self.at.out.len() - self.start,
            None => return Err(KeyError::custom("a map's value came before its key")),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), KeyError> {
        if !self.fields.is_sorted_by(|a, b| a.name < b.name) {
            self.fields.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            let twice = self
                .fields
                .windows(2)
                .find(|two| two[0].name == two[1].name);
            if let Some(two) = twice {
                return Err(KeyError::DuplicateField {
                    name: two[0].name.to_string(),
                });
            }
            let written = self.at.out.take_since(self.start);
            for (at, field) in self.fields.into_iter().enumerate() {
                if at > 0 {
                    self.at.out.push(",")?;
                }
                self.at
                    .out
                    .push(written.get(field.range).unwrap_or_default())?;
            }
        }
        self.at.out.push(self.close)
    }
}

/// Forwards the traits of serde that differ in name only.
macro_rules! forward {
    ($($type:ident $trait:ident { $method:ident => $to:ident $(, $name:ident)? })*) => {
        $(impl ser::$trait for $type<'_> {
            type Ok = ();
            type Error = KeyError;
            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: &'static str,)?
                value: &T,
            ) -> Result<(), KeyError> {
                $(self.name(Cow::Borrowed($name))?;)?
                self.$to(value)
            }
            fn end(self) -> Result<(), KeyError> {
                self.finish()
            }
        })*
    };
}

forward! {
    Array SerializeSeq { serialize_element => element }
    Array SerializeTuple { serialize_element => element }
    Array SerializeTupleStruct { serialize_field => element }
    Array SerializeTupleVariant { serialize_field => element }
    Object SerializeStruct { serialize_field => value, name }
    Object SerializeStructVariant { serialize_field => value, name }
}

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = KeyError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), KeyError> {
        let name = key.serialize(Scalar::new(Name))?;
        self.name(Cow::Owned(name))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        self.value(value)
    }

    fn end(self) -> Result<(), KeyError> {
        self.finish()
    }
}

/// Makes a field name of a map's key.
struct Name;

impl Sink for Name {
    type Ok = String;

    fn canonical(self, json: &str) -> Result<String, KeyError> {
        if let Some(text) = text::unescape(json) {
            return Ok(text.into_owned());
        }
        if escape::is_integer(json) || matches!(json, "true" | "false") {
            return Ok(json.to_owned());
        }
        Err(KeyError::MapKey {
            found: "erased keys that are no scalars",
        })
    }

    fn text(self, text: &str) -> Result<String, KeyError> {
        Ok(text.to_owned())
    }

    fn integer(self, digits: &str) -> Result<String, KeyError> {
        Ok(digits.to_owned())
    }

    fn boolean(self, value: bool) -> Result<String, KeyError> {
        Ok(value.to_string())
    }
}
