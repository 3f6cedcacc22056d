//! A deserializer between a codec and a type, so that hostile bytes cost no more than their length
//! is worth. The codecs alone do not see to that: rmp-serde and postcard hand on any declared
//! length as a hint for how much to reserve, in each of a thousand nested sequences; rmp-serde
//! counts the depth of arrays and maps but not of enums, postcard counts none, and no codec counts
//! a `Some` or a newtype, which can recurse without taking a byte; and postcard reads 2⁶⁴ elements
//! of no width from ten bytes.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// The levels of sequence, map, struct, enum, newtype and `Some` within each other. It must suit
/// the 2 MiB stack of a tokio worker in a debug build.
const MAX_DEPTH: u16 = 128;

/// How many elements of no width a sequence may have beyond one for each byte of the input.
const FREE_ITEMS: usize = 1024;

pub(super) struct Limits {
    depth: Cell<u16>,
    /// Elements of sequences and entries of maps that may still come.
    items: Cell<usize>,
    /// How many of them may still be reserved in advance: one for each byte of the input, in all.
    hints: Cell<usize>,
}

impl Limits {
    pub(super) fn of(input: &[u8]) -> Self {
        Self {
            depth: Cell::new(MAX_DEPTH),
            items: Cell::new(input.len().saturating_add(FREE_ITEMS)),
            hints: Cell::new(input.len()),
        }
    }

    fn deeper<T, E: Error>(&self, visit: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let depth = self.depth.get();
        self.depth.set(
            depth
                .checked_sub(1)
                .ok_or_else(|| E::custom("nested too deep"))?,
        );
        let result = visit();
        self.depth.set(depth);
        result
    }

    fn item<E: Error>(&self) -> Result<(), E> {
        let items = self.items.get().checked_sub(1);
        self.items
            .set(items.ok_or_else(|| E::custom("more elements than the input can hold"))?);
        Ok(())
    }

    fn hint(&self, declared: Option<usize>) -> Option<usize> {
        let granted = declared?.min(self.hints.get());
        self.hints.set(self.hints.get() - granted);
        Some(granted)
    }
}

/// A deserializer, a seed, or an access, under [`Limits`].
pub(super) struct Guarded<'l, T> {
    inner: T,
    limits: &'l Limits,
}

impl<'l, T> Guarded<'l, T> {
    pub(super) fn new(inner: T, limits: &'l Limits) -> Self {
        Self { inner, limits }
    }
}

/// A visitor under [`Limits`].
struct Visit<'l, V> {
    inner: V,
    limits: &'l Limits,
    /// Whether the number of elements comes from the data; that of a struct comes from its type.
    counted: bool,
}

/// The elements of a sequence or map under [`Limits`].
struct Items<'l, A> {
    inner: A,
    limits: &'l Limits,
    counted: bool,
    hint: Option<usize>,
}

macro_rules! forward_deserialize {
    ($counted:literal: $($method:ident($($arg:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let Self { inner, limits } = self;
            inner.$method($($arg,)* Visit { inner: visitor, limits, counted: $counted })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Guarded<'_, D> {
    type Error = D::Error;

    forward_deserialize! { true:
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_map();
        deserialize_identifier();
        deserialize_ignored_any();
    }

    forward_deserialize! { false:
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! forward_visit {
    ($($method:ident($type:ty);)*) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Visit<'_, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    forward_visit! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_i128(i128);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_u128(u128);
        visit_f32(f32);
        visit_f64(f64);
        visit_char(char);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>);
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let Self { inner, limits, .. } = self;
        limits.deeper(|| inner.visit_some(Guarded::new(deserializer, limits)))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        let Self { inner, limits, .. } = self;
        limits.deeper(|| inner.visit_newtype_struct(Guarded::new(deserializer, limits)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let hint = access.size_hint();
        let Self { inner, limits, .. } = self;
        limits.deeper(|| inner.visit_seq(Items::new(access, limits, self.counted, hint)))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let hint = access.size_hint();
        let Self { inner, limits, .. } = self;
        limits.deeper(|| inner.visit_map(Items::new(access, limits, self.counted, hint)))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let Self { inner, limits, .. } = self;
        limits.deeper(|| inner.visit_enum(Guarded::new(access, limits)))
    }
}

impl<'l, A> Items<'l, A> {
    fn new(inner: A, limits: &'l Limits, counted: bool, declared: Option<usize>) -> Self {
        // A struct reserves nothing: its hint must not use up what a sequence needs.
        let hint = counted.then(|| limits.hint(declared)).flatten();
        Self {
            inner,
            limits,
            counted,
            hint,
        }
    }

    fn count<E: Error>(&self) -> Result<(), E> {
        if self.counted {
            self.limits.item()
        } else {
            Ok(())
        }
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Items<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let element = self
            .inner
            .next_element_seed(Guarded::new(seed, self.limits))?;
        if element.is_some() {
            self.count()?;
        }
        Ok(element)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Items<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let key = self.inner.next_key_seed(Guarded::new(seed, self.limits))?;
        if key.is_some() {
            self.count()?;
        }
        Ok(key)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Guarded::new(seed, self.limits))
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Guarded<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner
            .deserialize(Guarded::new(deserializer, self.limits))
    }
}

impl<'de, 'l, A: EnumAccess<'de>> EnumAccess<'de> for Guarded<'l, A> {
    type Error = A::Error;
    type Variant = Guarded<'l, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.inner.variant_seed(Guarded::new(seed, self.limits))?;
        Ok((value, Guarded::new(variant, self.limits)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Guarded<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner
            .newtype_variant_seed(Guarded::new(seed, self.limits))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let Self { inner, limits } = self;
        inner.tuple_variant(
            len,
            Visit {
                inner: visitor,
                limits,
                counted: false,
            },
        )
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let Self { inner, limits } = self;
        inner.struct_variant(
            fields,
            Visit {
                inner: visitor,
                limits,
                counted: false,
            },
        )
    }
}
