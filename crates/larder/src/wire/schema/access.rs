//! What is inside of a place in a traced type: elements, fields, and the content of a variant.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::position::{Position, Within};
use super::shape::{Body, Shape};
use super::trace::{TraceError, Tracer};

pub(super) fn visit_elements<V: Visitor<'static>>(
    tracer: &mut Tracer,
    within: Within,
    len: usize,
    visitor: V,
) -> Result<(V::Value, Vec<Shape>), TraceError> {
    let mut shapes = Vec::new();
    for _ in 0..len {
        tracer.visit(within)?;
        shapes.push(Shape::Unread);
    }
    let value = visitor.visit_seq(Items {
        tracer,
        shapes: shapes.iter_mut(),
        within,
    })?;
    Ok((value, shapes))
}

pub(super) fn visit_fields<V: Visitor<'static>>(
    tracer: &mut Tracer,
    within: Within,
    fields: &'static [&'static str],
    visitor: V,
) -> Result<(V::Value, Body), TraceError> {
    let (value, shapes) = visit_elements(tracer, within, fields.len(), visitor)?;
    Ok((
        value,
        Body::Struct(fields.iter().copied().zip(shapes).collect()),
    ))
}

/// The elements of a sequence, or the keys and values of a map in turn.
pub(super) struct Items<'t, I> {
    pub(super) tracer: &'t mut Tracer,
    pub(super) shapes: I,
    pub(super) within: Within,
}

impl<'s, I: Iterator<Item = &'s mut Shape>> Items<'_, I> {
    fn next<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, TraceError> {
        let Some(shape) = self.shapes.next() else {
            return Ok(None);
        };
        let tracer = &mut *self.tracer;
        seed.deserialize(Position {
            tracer,
            shape,
            within: self.within,
        })
        .map(Some)
    }
}

impl<'s, I: Iterator<Item = &'s mut Shape>> SeqAccess<'static> for Items<'_, I> {
    type Error = TraceError;

    fn next_element_seed<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, TraceError> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.shapes.size_hint().1
    }
}

impl<'s, I: Iterator<Item = &'s mut Shape>> MapAccess<'static> for Items<'_, I> {
    type Error = TraceError;

    fn next_key_seed<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, TraceError> {
        self.next(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, TraceError> {
        match self.next(seed)? {
            Some(value) => Ok(value),
            None => Err(self
                .tracer
                .give_up("it asks a map for a value without a key")),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        self.shapes.size_hint().1.map(|shapes| shapes / 2)
    }
}

/// The variant that this pass goes into.
pub(super) struct Chosen<'t> {
    pub(super) tracer: &'t mut Tracer,
    pub(super) id: usize,
    pub(super) index: usize,
    pub(super) within: Within,
    pub(super) body: &'t mut Option<Body>,
}

impl EnumAccess<'static> for Chosen<'_> {
    type Error = TraceError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'static>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), TraceError> {
        let index = u32::try_from(self.index).unwrap_or(u32::MAX);
        let index: U32Deserializer<TraceError> = index.into_deserializer();
        let Ok(value) = seed.deserialize(index) else {
            let stop = self.tracer.containers.refuse(self.id, self.index);
            return Err(self.tracer.stop(stop));
        };
        Ok((value, self))
    }
}

impl VariantAccess<'static> for Chosen<'_> {
    type Error = TraceError;

    fn unit_variant(self) -> Result<(), TraceError> {
        *self.body = Some(Body::Unit);
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'static>>(
        self,
        seed: S,
    ) -> Result<S::Value, TraceError> {
        let mut shape = Shape::Unread;
        let inner = Position {
            tracer: self.tracer,
            shape: &mut shape,
            within: self.within,
        };
        let value = seed.deserialize(inner)?;
        *self.body = Some(Body::Newtype(shape));
        Ok(value)
    }

    fn tuple_variant<V: Visitor<'static>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        let (value, shapes) = visit_elements(self.tracer, self.within, len, visitor)?;
        *self.body = Some(Body::Tuple(shapes));
        Ok(value)
    }

    fn struct_variant<V: Visitor<'static>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        let (value, body) = visit_fields(self.tracer, self.within, fields, visitor)?;
        *self.body = Some(body);
        Ok(value)
    }
}
