//! The check that a codec can write a value so that it reads back as the same.

use std::{error::Error as StdError, fmt};

use serde::{Serialize, Serializer, ser};

use crate::policy::CodecKind;

/// Walks `value` and refuses what `codec` would silently turn into something else:
///
/// - `Some(None)` and `Some(())` in MessagePack and JSON, which write both as they write `None`;
/// - floats that are not finite in JSON, which writes them as `null`;
/// - fields left out by `#[serde(skip_serializing_if)]` in postcard, which reads fields by their position.
pub(super) fn check<T: Serialize + ?Sized>(codec: CodecKind, value: &T) -> Result<(), Unfaithful> {
    value.serialize(Walk(codec)).map(drop)
}

/// Why a value is refused.
#[derive(Debug)]
pub(super) struct Unfaithful(String);

impl fmt::Display for Unfaithful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Unfaithful {}

impl ser::Error for Unfaithful {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// How a value looks in the codec.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Like `None`.
    Nil,
    Other,
}

#[derive(Clone, Copy)]
struct Walk(CodecKind);

impl Walk {
    fn float(self, finite: bool) -> Result<Look, Unfaithful> {
        if finite || self.0 != CodecKind::Json {
            Ok(Look::Other)
        } else {
            Err(Unfaithful("JSON has no floats that are infinite or not a number".to_owned()))
        }
    }
}

macro_rules! others {
    ($($method:ident: $type:ty),* $(,)?) => {
        $(fn $method(self, _: $type) -> Result<Look, Unfaithful> {
            Ok(Look::Other)
        })*
    };
}

impl Serializer for Walk {
    type Ok = Look;
    type Error = Unfaithful;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    others! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
    }

    fn is_human_readable(&self) -> bool {
        self.0 == CodecKind::Json
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Result<Look, Unfaithful> {
        Ok(Look::Other)
    }

    fn serialize_f32(self, value: f32) -> Result<Look, Unfaithful> {
        self.float(value.is_finite())
    }

    fn serialize_f64(self, value: f64) -> Result<Look, Unfaithful> {
        self.float(value.is_finite())
    }

    fn serialize_none(self) -> Result<Look, Unfaithful> {
        Ok(Look::Nil)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Look, Unfaithful> {
        match (value.serialize(self)?, self.0) {
            (Look::Nil, CodecKind::MessagePack | CodecKind::Json) => {
                Err(Unfaithful(format!("{:?} cannot tell Some(None) or Some(()) from None", self.0)))
            }
            _ => Ok(Look::Other),
        }
    }

    fn serialize_unit(self) -> Result<Look, Unfaithful> {
        Ok(Look::Nil)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Look, Unfaithful> {
        Ok(if self.0 == CodecKind::Json { Look::Nil } else { Look::Other })
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<Look, Unfaithful> {
        Ok(Look::Other)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Look, Unfaithful> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<Look, Unfaithful> {
        value.serialize(self)?;
        Ok(Look::Other)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Unfaithful> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Unfaithful> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Unfaithful> {
        Ok(self)
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Unfaithful> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Unfaithful> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Unfaithful> {
        Ok(self)
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Unfaithful> {
        Ok(self)
    }
}

macro_rules! lists {
    ($($trait:ident: $method:ident),* $(,)?) => {
        $(impl ser::$trait for Walk {
            type Ok = Look;
            type Error = Unfaithful;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfaithful> {
                value.serialize(*self).map(drop)
            }

            fn end(self) -> Result<Look, Unfaithful> {
                Ok(Look::Other)
            }
        })*
    };
}

lists! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

macro_rules! structs {
    ($($trait:ident),* $(,)?) => {
        $(impl ser::$trait for Walk {
            type Ok = Look;
            type Error = Unfaithful;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Unfaithful> {
                value.serialize(*self).map(drop)
            }

            fn skip_field(&mut self, field: &'static str) -> Result<(), Unfaithful> {
                if self.0 == CodecKind::Postcard {
                    return Err(Unfaithful(format!("postcard cannot leave out a field, and `{field}` is skipped")));
                }
                Ok(())
            }

            fn end(self) -> Result<Look, Unfaithful> {
                Ok(Look::Other)
            }
        })*
    };
}

structs! { SerializeStruct, SerializeStructVariant }

impl ser::SerializeMap for Walk {
    type Ok = Look;
    type Error = Unfaithful;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unfaithful> {
        key.serialize(*self).map(drop)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfaithful> {
        value.serialize(*self).map(drop)
    }

    fn end(self) -> Result<Look, Unfaithful> {
        Ok(Look::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    struct Wrapped(Option<u8>);

    #[derive(Serialize)]
    struct Skipping {
        #[serde(skip_serializing_if = "Option::is_none")]
        a: Option<u8>,
    }

    fn faithful<T: Serialize>(value: &T) -> [bool; 3] {
        [CodecKind::MessagePack, CodecKind::Json, CodecKind::Postcard].map(|codec| check(codec, value).is_ok())
    }

    #[test]
    fn options_that_look_like_none_are_refused() {
        assert_eq!(faithful(&Some(None::<u8>)), [false, false, true]);
        assert_eq!(faithful(&vec![Some(())]), [false, false, true]);
        assert_eq!(faithful(&(1, Some(Wrapped(None)))), [false, false, true]);
        assert_eq!(faithful(&Some(Unit)), [true, false, true]);
        assert_eq!(faithful(&(None::<Option<u8>>, Some(Some(1)), (), Wrapped(None))), [true; 3]);
    }

    #[test]
    fn floats_without_json_are_refused_in_json() {
        assert_eq!(faithful(&f64::NAN), [true, false, true]);
        assert_eq!(faithful(&[Some(f32::INFINITY)]), [true, false, true]);
        assert_eq!(faithful(&(-0.0_f64, 1.5_f32)), [true; 3]);
    }

    #[test]
    fn skipped_fields_are_refused_in_postcard() {
        assert_eq!(faithful(&Skipping { a: None }), [true, true, false]);
        assert_eq!(faithful(&Skipping { a: Some(1) }), [true; 3]);
    }
}
