//! The deserializer without data that notes what it is asked for.

use std::any::type_name;

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::{BorrowedStrDeserializer, StrDeserializer},
    },
};

use super::{
    samples::{CHARS, FLOATS, INTEGERS, LENGTHS, TEXTS, ZEROS},
    tracer::{Fault, FrameKind, Mark, Tracer},
};

/// Elements of a tuple or array beyond this one share a place.
const TUPLE_PLACES: usize = 16;

/// The name under which readers that take anything are counted.
const ANY: &str = "any";

/// Readers of anything that hold each other deeper than this are offered no more maps and lists.
const ANY_DEPTH_MAX: usize = 4;

/// What a reader that takes anything is offered.
#[derive(Clone, Copy)]
enum Any {
    Number,
    Map,
    Text(&'static str),
    Seq,
    Float,
    Bool,
    Unit,
    Bytes(usize),
}

impl Tracer {
    fn text<'de, V: Visitor<'de>>(&mut self, asked: &str, visitor: V) -> Result<V::Value, Fault> {
        self.note(format_args!("{asked}"), type_name::<V::Value>(), &visitor);
        let text = match self.tag() {
            Some(tag) => tag,
            None => self.sample(TEXTS).unwrap_or_default(),
        };
        visitor.visit_borrowed_str(text)
    }

    fn bytes<'de, V: Visitor<'de>>(&mut self, asked: &str, visitor: V) -> Result<V::Value, Fault> {
        self.note(format_args!("{asked}"), type_name::<V::Value>(), &visitor);
        let length = self.sample(LENGTHS).unwrap_or_default();
        visitor.visit_borrowed_bytes(ZEROS.get(..length).unwrap_or_default())
    }

    fn anything<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Fault> {
        self.note(format_args!("any"), type_name::<V::Value>(), &visitor);
        let mut offers = vec![Any::Number];
        offers.extend(TEXTS.iter().map(|text| Any::Text(text)));
        offers.extend([Any::Float, Any::Bool, Any::Unit]);
        // After the primitives: what stands in a map or list has samples of its own, which would be tried first.
        if self.depth_of(ANY) < ANY_DEPTH_MAX {
            offers.extend([Any::Map, Any::Seq]);
        }
        offers.extend(LENGTHS.iter().map(|length| Any::Bytes(*length)));
        let offer = match self.tag() {
            Some(tag) => Any::Text(tag),
            None => self.sample(&offers).unwrap_or(Any::Unit),
        };
        match offer {
            Any::Number => visitor.visit_u64(1),
            Any::Map => visitor.visit_map(Entries::free(self)),
            Any::Text(text) => visitor.visit_borrowed_str(text),
            Any::Seq => visitor.visit_seq(Elements::list(self)),
            Any::Float => visitor.visit_f64(1.0),
            Any::Bool => visitor.visit_bool(true),
            Any::Unit => visitor.visit_unit(),
            Any::Bytes(length) => visitor.visit_borrowed_bytes(ZEROS.get(..length).unwrap_or_default()),
        }
    }

    /// Runs `read` inside the type `made`, and comes back if it succeeds.
    fn inside<T>(&mut self, made: &'static str, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let mark = self.mark();
        self.enter(made)?;
        let value = read(self)?;
        self.back_to(mark);
        Ok(value)
    }
}

macro_rules! integers {
    ($($method:ident: $visit:ident $type:ty),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.note(format_args!(stringify!($type)), type_name::<V::Value>(), &visitor);
            let sample = self.sample(INTEGERS).unwrap_or_default();
            visitor.$visit(<$type>::try_from(sample).unwrap_or_default())
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Tracer {
    type Error = Fault;

    fn is_human_readable(&self) -> bool {
        self.human_readable
    }

    integers! {
        deserialize_i8: visit_i8 i8, deserialize_i16: visit_i16 i16, deserialize_i32: visit_i32 i32,
        deserialize_i64: visit_i64 i64, deserialize_i128: visit_i128 i128,
        deserialize_u8: visit_u8 u8, deserialize_u16: visit_u16 u16, deserialize_u32: visit_u32 u32,
        deserialize_u64: visit_u64 u64, deserialize_u128: visit_u128 u128,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.inside(ANY, |tracer| tracer.anything(visitor))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note(format_args!("bool"), type_name::<V::Value>(), &visitor);
        let sample = self.sample(&[true, false]).unwrap_or_default();
        visitor.visit_bool(sample)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note(format_args!("f32"), type_name::<V::Value>(), &visitor);
        let sample = self.sample(FLOATS).unwrap_or_default();
        visitor.visit_f32(sample)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note(format_args!("f64"), type_name::<V::Value>(), &visitor);
        let sample = self.sample(FLOATS).unwrap_or_default();
        visitor.visit_f64(sample.into())
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note(format_args!("char"), type_name::<V::Value>(), &visitor);
        let sample = self.sample(CHARS).unwrap_or_default();
        visitor.visit_char(sample)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.text("str", visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.text("string", visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.text("identifier", visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.bytes("bytes", visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.bytes("byte_buf", visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note(format_args!("option"), type_name::<V::Value>(), &visitor);
        if self.is_closed(format_args!("?")) {
            return visitor.visit_none();
        }
        self.inside("option", |tracer| {
            tracer.step(format_args!("?"), Some(FrameKind::Optional));
            visitor.visit_some(tracer)
        })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note(format_args!("unit"), type_name::<V::Value>(), &visitor);
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        self.note(format_args!("unit struct {name}"), type_name::<V::Value>(), &visitor);
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        self.note(format_args!("newtype {name}"), type_name::<V::Value>(), &visitor);
        let made = type_name::<V::Value>();
        if self.is_within(made) {
            return Err(Fault::CUT);
        }
        self.inside(made, |tracer| visitor.visit_newtype_struct(tracer))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note(format_args!("seq"), type_name::<V::Value>(), &visitor);
        self.inside("seq", |tracer| visitor.visit_seq(Elements::list(tracer)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.note(format_args!("tuple {len}"), type_name::<V::Value>(), &visitor);
        self.inside("tuple", |tracer| visitor.visit_seq(Elements::tuple(tracer, len)))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.note(format_args!("tuple struct {name} {len}"), type_name::<V::Value>(), &visitor);
        let made = type_name::<V::Value>();
        if self.is_within(made) {
            return Err(Fault::CUT);
        }
        self.inside(made, |tracer| visitor.visit_seq(Elements::tuple(tracer, len)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note(format_args!("map"), type_name::<V::Value>(), &visitor);
        self.inside("map", |tracer| visitor.visit_map(Entries::free(tracer)))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let made = type_name::<V::Value>();
        self.note(format_args!("struct {name} {fields:?}"), made, &visitor);
        if self.is_within(made) {
            return Err(Fault::CUT);
        }
        self.inside(made, |tracer| visitor.visit_map(Entries::fields(tracer, fields)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let made = type_name::<V::Value>();
        self.note(format_args!("enum {name} {variants:?}"), made, &visitor);
        let (at, variant) = self.variant(made, variants)?;
        let within = self.is_within(made);
        self.inside(made, |tracer| {
            tracer.step(format_args!("#{variant}"), (!within).then_some(FrameKind::Variant));
            let value = visitor.visit_enum(Variant { tracer, name: variant })?;
            tracer.variant_read(made, at);
            Ok(value)
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }
}

/// The elements of a list (one) or a tuple (all).
struct Elements<'a> {
    tracer: &'a mut Tracer,
    mark: Mark,
    at: usize,
    tuple: Option<usize>,
}

impl<'a> Elements<'a> {
    fn list(tracer: &'a mut Tracer) -> Self {
        Self { mark: tracer.mark(), tracer, at: 0, tuple: None }
    }

    fn tuple(tracer: &'a mut Tracer, len: usize) -> Self {
        Self { mark: tracer.mark(), tracer, at: 0, tuple: Some(len) }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        self.tracer.back_to(self.mark);
        let ended = match self.tuple {
            Some(len) => self.at >= len,
            None => self.at >= 1 || self.tracer.is_closed(format_args!("[]")),
        };
        if ended {
            return Ok(None);
        }
        match self.tuple {
            Some(_) => self.tracer.step(format_args!("[{}]", self.at.min(TUPLE_PLACES)), None),
            None => self.tracer.step(format_args!("[]"), Some(FrameKind::Optional)),
        }
        self.at += 1;
        let value = seed.deserialize(&mut *self.tracer)?;
        self.tracer.back_to(self.mark);
        Ok(Some(value))
    }
}

/// The fields of a struct, or the entries of a map: those it turned out to want, else one of our own making.
struct Entries<'a> {
    tracer: &'a mut Tracer,
    mark: Mark,
    names: std::vec::IntoIter<&'static str>,
    present: Option<&'static str>,
    free: bool,
    made_own: bool,
}

impl<'a> Entries<'a> {
    fn fields(tracer: &'a mut Tracer, fields: &'static [&'static str]) -> Self {
        let mark = tracer.mark();
        Self { tracer, mark, names: Vec::from(fields).into_iter(), present: None, free: false, made_own: true }
    }

    fn free(tracer: &'a mut Tracer) -> Self {
        let (mark, names) = (tracer.mark(), tracer.wanted());
        // A map that misses a name is a struct read through a buffer: an entry of our own would only be in the way.
        let made_own = !names.is_empty();
        Self { tracer, mark, names: names.into_iter(), present: None, free: true, made_own }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.tracer.back_to(self.mark);
        for name in self.names.by_ref() {
            if !self.tracer.is_closed(format_args!(".{name}")) {
                self.present = Some(name);
                return seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some);
            }
        }
        self.present = None;
        if self.made_own || self.tracer.is_closed(format_args!("{{}}")) {
            self.tracer.map_ended(self.free);
            return Ok(None);
        }
        self.made_own = true;
        self.tracer.step(format_args!("{{}}"), Some(FrameKind::Optional));
        self.tracer.step(format_args!("k"), None);
        let key = seed.deserialize(&mut *self.tracer)?;
        self.tracer.back_to(self.mark);
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        self.tracer.back_to(self.mark);
        match self.present.take() {
            Some(name) => self.tracer.step(format_args!(".{name}"), Some(FrameKind::Optional)),
            None => {
                self.tracer.step(format_args!("{{}}"), Some(FrameKind::Optional));
                self.tracer.step(format_args!("v"), None);
            }
        }
        let value = seed.deserialize(&mut *self.tracer)?;
        self.tracer.back_to(self.mark);
        Ok(value)
    }
}

/// The chosen variant of an enum.
struct Variant<'a> {
    tracer: &'a mut Tracer,
    name: &'static str,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        self.tracer.note(format_args!("unit variant"), "", &self.name);
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        self.tracer.note(format_args!("newtype variant"), type_name::<T::Value>(), &self.name);
        seed.deserialize(self.tracer)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.tracer.note(format_args!("tuple variant {len}"), type_name::<V::Value>(), &visitor);
        visitor.visit_seq(Elements::tuple(self.tracer, len))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        self.tracer.note(format_args!("struct variant {fields:?}"), type_name::<V::Value>(), &visitor);
        visitor.visit_map(Entries::fields(self.tracer, fields))
    }
}
