//! Estimates how many bytes of memory a value takes, by walking over it as if it were serialised.

use std::fmt::{self, Display, Write};

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// A `String` or `Vec` besides what it holds.
const LIST: usize = 24;

/// A map besides its entries, and each of its entries besides key and value.
const MAP: usize = 48;
const MAP_ENTRY: usize = 16;

/// What tells one variant from another, with its padding.
const VARIANT: usize = 8;

/// The bytes that `value` takes: numbers by their width, texts and lists by their length. What `Serialize` does not show is not counted;
/// a value whose `Serialize` fails is counted as far as it came.
pub(crate) fn footprint<T: Serialize + ?Sized>(value: &T) -> usize {
    let mut sum = Sum(0);
    let _complete = value.serialize(&mut sum);
    sum.0
}

struct Sum(usize);

type Counted = Result<(), fmt::Error>;

impl Sum {
    fn add(&mut self, bytes: usize) -> Counted {
        self.0 = self.0.saturating_add(bytes);
        Ok(())
    }
}

impl Write for Sum {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text.len())
    }
}

macro_rules! scalars {
    ($($method:ident: $type:ty),+ $(,)?) => {
        $(fn $method(self, _: $type) -> Counted {
            self.add(size_of::<$type>())
        })+
    };
}

impl Serializer for &mut Sum {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    scalars! {
        serialize_bool: bool, serialize_char: char,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64,
    }

    fn serialize_str(self, text: &str) -> Counted {
        self.add(LIST + text.len())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Counted {
        self.add(LIST + bytes.len())
    }

    fn serialize_none(self) -> Counted {
        self.add(VARIANT)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Counted {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Counted {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Counted {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Counted {
        self.add(VARIANT)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Counted {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Counted {
        self.add(VARIANT)?;
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        self.add(LIST)?;
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        self.add(VARIANT)?;
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        self.add(MAP)?;
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        self.add(VARIANT)?;
        Ok(self)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Counted {
        self.add(LIST)?;
        write!(self, "{value}")
    }

    /// Types with a compact form (UUIDs) are nearer to it in memory than to their text.
    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! lists {
    ($($list:ident::$method:ident),+ $(,)?) => {
        $(impl $list for &mut Sum {
            type Ok = ();
            type Error = fmt::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Counted {
                value.serialize(&mut **self)
            }

            fn end(self) -> Counted {
                Ok(())
            }
        })+
    };
}

lists! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! structs {
    ($($list:ident),+ $(,)?) => {
        $(impl $list for &mut Sum {
            type Ok = ();
            type Error = fmt::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Counted {
                value.serialize(&mut **self)
            }

            fn end(self) -> Counted {
                Ok(())
            }
        })+
    };
}

structs! { SerializeStruct, SerializeStructVariant }

impl SerializeMap for &mut Sum {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Counted {
        self.add(MAP_ENTRY)?;
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Counted {
        value.serialize(&mut **self)
    }

    fn end(self) -> Counted {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(serde::Serialize)]
    struct Row {
        id: i64,
        name: String,
        note: Option<String>,
    }

    #[test]
    fn a_value_is_counted_by_what_it_holds_and_not_by_its_encoding() {
        let row = Row { id: 1, name: "x".repeat(100), note: None };
        assert_eq!(footprint(&row), 8 + LIST + 100 + VARIANT);
        assert_eq!(footprint(&vec![1_i64; 1_000]), LIST + 8_000);
        assert_eq!(footprint(&Some("abc")), LIST + 3);
        assert_eq!(footprint(&BTreeMap::from([(1_u32, 2_u32)])), MAP + MAP_ENTRY + 8);
        assert_eq!(footprint(&uuid::Uuid::nil()), LIST + 16);
    }

    #[test]
    fn a_list_of_rows_weighs_about_what_it_takes() {
        let rows: Vec<Row> = (0..100).map(|id| Row { id, name: "n".repeat(50), note: Some("o".repeat(50)) }).collect();
        let real = size_of::<Vec<Row>>() + rows.len() * (size_of::<Row>() + 100);
        let counted = footprint(&rows);
        assert!(counted.abs_diff(real) * 10 < real, "{counted} for {real}");
    }
}
