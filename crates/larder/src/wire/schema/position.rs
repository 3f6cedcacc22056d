//! One place in a traced type: a deserializer that notes what it is asked for and offers a
//! made-up value.

use serde::de::{Deserializer, Visitor};

use super::access::{Chosen, Items, visit_elements, visit_fields};
use super::shape::{Body, Shape};
use super::trace::{TraceError, Tracer};

// Values to offer, the next where one is refused: many types check what they read.
const INTEGERS: &[u8] = &[0, 1];
const STRINGS: &[&str] = &[
    "",
    "a",
    "1",
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00",
    "1970-01-01",
    "00:00:00",
    "00000000-0000-0000-0000-000000000000",
    "http://a.example/",
    "a@a.example",
    "127.0.0.1",
    "1.0.0",
    "UTC",
];
const BYTES: &[&[u8]] = &[&[], &[0; 16], &[0; 32], &[0; 12], &[0; 20], &[0; 64]];

pub(super) struct Position<'t> {
    pub(super) tracer: &'t mut Tracer,
    pub(super) shape: &'t mut Shape,
    pub(super) within: Within,
}

/// Where a place is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Within {
    pub(super) depth: u16,
    /// Inside of a struct or variant that is inside of itself.
    cut: bool,
}

impl Within {
    fn inner(self, cut: bool) -> Self {
        Self {
            depth: self.depth + 1,
            cut,
        }
    }
}

impl Position<'_> {
    fn leaf<V: Visitor<'static>, C>(
        self,
        shape: &'static str,
        candidates: &[C],
        visitor: V,
        visit: impl FnOnce(V, &C) -> Result<V::Value, TraceError>,
    ) -> Result<V::Value, TraceError> {
        let Self {
            tracer,
            shape: place,
            within,
        } = self;
        tracer.visit(within)?;
        *place = Shape::Leaf(shape);
        let id = typeid::of::<V>();
        let refusals = tracer.refusals.get(&id).copied().unwrap_or(0);
        let candidate = candidates.get(refusals).or(candidates.first());
        let Some(candidate) = candidate else {
            return Err(tracer.give_up("there is nothing to offer it"));
        };
        if candidates.len() > 1 {
            tracer.last_leaf = Some((id, candidates.len()));
        }
        visit(visitor, candidate)
    }

    /// Reads a struct: notes it, and lets `visit` note what is in it.
    fn structure<V: Visitor<'static>>(
        self,
        name: &'static str,
        visit: impl FnOnce(&mut Tracer, Within) -> Result<(V::Value, Body), TraceError>,
    ) -> Result<V::Value, TraceError> {
        let Self {
            tracer,
            shape,
            within,
        } = self;
        tracer.visit(within)?;
        let id = tracer.containers.structure(typeid::of::<V>(), name);
        *shape = Shape::Container(id);
        let entered = tracer.containers.enter(id, within.cut);
        let (cut, before) = entered.map_err(|stop| tracer.stop(stop))?;
        let (value, body) = visit(tracer, within.inner(cut))?;
        let left = tracer.containers.leave(id, before, (!cut).then_some(body));
        left.map_err(|stop| tracer.stop(stop))?;
        Ok(value)
    }
}

macro_rules! leaves {
    ($($deserialize:ident $shape:literal $candidates:expr => $visitor:ident $value:ident $visit:expr;)*) => {$(
        fn $deserialize<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, TraceError> {
            self.leaf($shape, $candidates, visitor, |$visitor, &$value| $visit)
        }
    )*};
}

impl Deserializer<'static> for Position<'_> {
    type Error = TraceError;

    leaves! {
        deserialize_bool "bool" &[false] => v value v.visit_bool(value);
        deserialize_i8 "i8" INTEGERS => v value v.visit_i8(i8::from(value != 0));
        deserialize_i16 "i16" INTEGERS => v value v.visit_i16(value.into());
        deserialize_i32 "i32" INTEGERS => v value v.visit_i32(value.into());
        deserialize_i64 "i64" INTEGERS => v value v.visit_i64(value.into());
        deserialize_i128 "i128" INTEGERS => v value v.visit_i128(value.into());
        deserialize_u8 "u8" INTEGERS => v value v.visit_u8(value);
        deserialize_u16 "u16" INTEGERS => v value v.visit_u16(value.into());
        deserialize_u32 "u32" INTEGERS => v value v.visit_u32(value.into());
        deserialize_u64 "u64" INTEGERS => v value v.visit_u64(value.into());
        deserialize_u128 "u128" INTEGERS => v value v.visit_u128(value.into());
        deserialize_f32 "f32" INTEGERS => v value v.visit_f32(value.into());
        deserialize_f64 "f64" INTEGERS => v value v.visit_f64(value.into());
        deserialize_char "char" &['A'] => v value v.visit_char(value);
        deserialize_str "str" STRINGS => v value v.visit_borrowed_str(value);
        deserialize_string "str" STRINGS => v value v.visit_borrowed_str(value);
        deserialize_bytes "bytes" BYTES => v value v.visit_borrowed_bytes(value);
        deserialize_byte_buf "bytes" BYTES => v value v.visit_borrowed_bytes(value);
        deserialize_unit "unit" &[()] => v _value v.visit_unit();
        deserialize_ignored_any "ignored" &[()] => v _value v.visit_unit();
    }

    fn deserialize_any<V: Visitor<'static>>(self, _: V) -> Result<V::Value, TraceError> {
        let why = "it looks at the data before it knows what to read (an untagged or internally \
                   tagged enum, a flattened field, or a type such as `serde_json::Value`)";
        Err(self.tracer.give_up(why))
    }

    fn deserialize_identifier<V: Visitor<'static>>(self, _: V) -> Result<V::Value, TraceError> {
        let why = "it takes names of fields or variants from the data (a flattened field, or a \
                   Deserialize written by hand)";
        Err(self.tracer.give_up(why))
    }

    fn deserialize_option<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, TraceError> {
        let Self {
            tracer,
            shape,
            within,
        } = self;
        tracer.visit(within)?;
        let within = within.inner(within.cut);
        let mut inner = Shape::Unread;
        let value = if within.cut {
            visitor.visit_none()
        } else {
            visitor.visit_some(Position {
                tracer,
                shape: &mut inner,
                within,
            })
        }?;
        *shape = Shape::Option(Box::new(inner));
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, TraceError> {
        let Self {
            tracer,
            shape,
            within,
        } = self;
        tracer.visit(within)?;
        let within = within.inner(within.cut);
        let mut inner = Shape::Unread;
        let elements = Some(&mut inner).filter(|_| !within.cut).into_iter();
        let value = visitor.visit_seq(Items {
            tracer,
            shapes: elements,
            within,
        })?;
        *shape = Shape::Seq(Box::new(inner));
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, TraceError> {
        let Self {
            tracer,
            shape,
            within,
        } = self;
        tracer.visit(within)?;
        let within = within.inner(within.cut);
        let (mut key, mut value) = (Shape::Unread, Shape::Unread);
        let entry: &mut [&mut Shape] = &mut [&mut key, &mut value];
        let entry = if within.cut { &mut [] } else { entry };
        let shapes = entry.iter_mut().map(|shape| &mut **shape);
        let map = visitor.visit_map(Items {
            tracer,
            shapes,
            within,
        })?;
        *shape = Shape::Map(Box::new(key), Box::new(value));
        Ok(map)
    }

    fn deserialize_tuple<V: Visitor<'static>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        let (value, shapes) = visit_elements(
            self.tracer,
            self.within.inner(self.within.cut),
            len,
            visitor,
        )?;
        *self.shape = Shape::Tuple(shapes);
        Ok(value)
    }

    fn deserialize_unit_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        self.structure::<V>(name, |_, _| Ok((visitor.visit_unit()?, Body::Unit)))
    }

    fn deserialize_newtype_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        self.structure::<V>(name, |tracer, within| {
            let mut shape = Shape::Unread;
            let inner = Position {
                tracer,
                shape: &mut shape,
                within,
            };
            let value = visitor.visit_newtype_struct(inner)?;
            Ok((value, Body::Newtype(shape)))
        })
    }

    fn deserialize_tuple_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        self.structure::<V>(name, |tracer, within| {
            let (value, shapes) = visit_elements(tracer, within, len, visitor)?;
            Ok((value, Body::Tuple(shapes)))
        })
    }

    fn deserialize_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        self.structure::<V>(name, |tracer, within| {
            visit_fields(tracer, within, fields, visitor)
        })
    }

    fn deserialize_enum<V: Visitor<'static>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        let Self {
            tracer,
            shape,
            within,
        } = self;
        tracer.visit(within)?;
        let id = tracer
            .containers
            .enumeration(typeid::of::<V>(), name, variants);
        *shape = Shape::Container(id);
        let chosen = tracer.containers.choose(id, within.cut);
        let (index, cut, before) = chosen.map_err(|stop| tracer.stop(stop))?;
        let within = within.inner(cut);
        let mut body = None;
        let value = visitor.visit_enum(Chosen {
            tracer,
            id,
            index,
            within,
            body: &mut body,
        })?;
        // A visitor that never asks for the content has said so: there is none.
        let body = body.unwrap_or(Body::Unit);
        let body = (!cut).then_some(body);
        let left = tracer.containers.leave_variant(id, index, before, body);
        left.map_err(|stop| tracer.stop(stop))?;
        Ok(value)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
