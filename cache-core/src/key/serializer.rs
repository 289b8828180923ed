//! The serializer that writes arguments as canonical text.

use std::{
    error::Error as StdError,
    fmt::{self, Write as _},
};

use serde::ser::{self, Serialize, Serializer};
use smallvec::SmallVec;

use super::text::{Quoted, Text};

/// Writes one value's text. The rules are at [`encode_key`](super::encode_key).
pub(super) struct KeySerializer<'t>(&'t mut Text);

impl<'t> KeySerializer<'t> {
    pub(super) fn new(text: &'t mut Text) -> Self {
        Self(text)
    }

    #[inline]
    fn integer(&mut self, value: impl itoa::Integer) {
        self.0.push_str(itoa::Buffer::new().format(value));
    }

    /// `zmij` writes the shortest text that reads back as the same bits, `-0.0` included.
    fn float<F: zmij::Float>(&mut self, value: F, class: std::num::FpCategory, negative: bool, bits: &[u8]) {
        match class {
            std::num::FpCategory::Nan => {
                self.0.push_str("nan(");
                self.0.push_hex(bits);
                self.0.push_str(")");
            }
            std::num::FpCategory::Infinite => self.0.push_str(if negative { "-inf" } else { "inf" }),
            _ => self.0.push_str(zmij::Buffer::new().format_finite(value)),
        }
    }

    #[inline]
    fn open<'a>(&'a mut self, open: &str, close: &'static str) -> Parts<'a, 't> {
        self.0.push_str(open);
        Parts { out: self, first: true, close }
    }
}

/// The parts of a list, a struct, or a variant.
pub(super) struct Parts<'a, 't> {
    out: &'a mut KeySerializer<'t>,
    first: bool,
    close: &'static str,
}

impl Parts<'_, '_> {
    #[inline]
    fn part<T: Serialize + ?Sized>(&mut self, name: Option<&str>, value: &T) -> Result<(), Fault> {
        if !std::mem::take(&mut self.first) {
            self.out.0.push_str(",");
        }
        if let Some(name) = name {
            self.out.0.push_name(name);
            self.out.0.push_str("=");
        }
        value.serialize(&mut *self.out)
    }

    #[inline]
    fn close(self) {
        self.out.0.push_str(self.close);
    }
}

/// The entries of a map, written one after another, put in order at the end.
pub(super) struct Entries<'a, 't> {
    out: &'a mut KeySerializer<'t>,
    start: usize,
    /// Where each entry ends, counted from `start`.
    ends: SmallVec<[usize; 8]>,
}

impl Entries<'_, '_> {
    fn close(self) {
        let written = {
            let mut copy = Text::default();
            copy.push_str(self.out.0.since(self.start));
            copy
        };
        let mut from = 0;
        let mut entries: SmallVec<[&str; 8]> = SmallVec::new();
        for end in &self.ends {
            entries.push(written.as_str().get(from..*end).unwrap_or_default());
            from = *end;
        }
        entries.sort_unstable();
        self.out.0.truncate(self.start);
        self.out.0.push_str(if entries.is_empty() { "(:" } else { "(" });
        for (at, entry) in entries.iter().enumerate() {
            if at > 0 {
                self.out.0.push_str(",");
            }
            self.out.0.push_str(entry);
        }
        self.out.0.push_str(")");
    }
}

/// Why a value's `Serialize` failed.
#[derive(Debug)]
pub(super) struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Fault {}

impl ser::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty),* $(,)?) => {
        $(#[inline]
        fn $method(self, value: $type) -> Result<(), Fault> {
            self.integer(value);
            Ok(())
        })*
    };
}

impl<'a, 't> Serializer for &'a mut KeySerializer<'t> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Parts<'a, 't>;
    type SerializeTuple = Parts<'a, 't>;
    type SerializeTupleStruct = Parts<'a, 't>;
    type SerializeTupleVariant = Parts<'a, 't>;
    type SerializeMap = Entries<'a, 't>;
    type SerializeStruct = Parts<'a, 't>;
    type SerializeStructVariant = Parts<'a, 't>;

    integers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Fault> {
        self.0.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Fault> {
        self.float(value, value.classify(), value.is_sign_negative(), &value.to_bits().to_be_bytes());
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Fault> {
        self.float(value, value.classify(), value.is_sign_negative(), &value.to_bits().to_be_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Fault> {
        self.0.push_str("'");
        self.0.push_escaped(value.encode_utf8(&mut [0; 4]), Some(b'\''));
        self.0.push_str("'");
        Ok(())
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Fault> {
        self.0.push_str("\"");
        self.0.push_escaped(value, Some(b'"'));
        self.0.push_str("\"");
        Ok(())
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Fault> {
        self.0.push_str("\"");
        write!(Quoted(self.0), "{value}").map_err(|_| Fault("a Display implementation failed".to_owned()))?;
        self.0.push_str("\"");
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Fault> {
        self.0.push_str("0x");
        self.0.push_hex(value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Fault> {
        self.0.push_str("null");
        Ok(())
    }

    /// `?` stands before a text that could be mistaken for `None`, or that begins with `?` itself: so `Some(None)` is
    /// `?null`, `Some(Some(None))` is `??null`, and everything else is written as if there were no `Some`.
    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Fault> {
        let start = self.0.len();
        value.serialize(&mut *self)?;
        let written = self.0.since(start);
        if written == "null" || written.starts_with('?') {
            let marked = format!("?{written}");
            self.0.truncate(start);
            self.0.push_str(&marked);
        }
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), Fault> {
        self.0.push_str("()");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Fault> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<(), Fault> {
        self.0.push_name(variant);
        Ok(())
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Result<(), Fault> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        self.0.push_name(variant);
        let mut parts = self.open("(", ")");
        parts.part(None, value)?;
        parts.close();
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _len: Option<usize>) -> Result<Parts<'a, 't>, Fault> {
        Ok(self.open("[", "]"))
    }

    #[inline]
    fn serialize_tuple(self, _len: usize) -> Result<Parts<'a, 't>, Fault> {
        Ok(self.open("[", "]"))
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Parts<'a, 't>, Fault> {
        Ok(self.open("[", "]"))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Parts<'a, 't>, Fault> {
        self.0.push_name(variant);
        Ok(self.open("(", ")"))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Entries<'a, 't>, Fault> {
        let start = self.0.len();
        Ok(Entries { out: self, start, ends: SmallVec::new() })
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Parts<'a, 't>, Fault> {
        Ok(self.open("(", ")"))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Parts<'a, 't>, Fault> {
        self.0.push_name(variant);
        Ok(self.open("(", ")"))
    }
}

macro_rules! lists {
    ($($trait:ident: $method:ident),* $(,)?) => {
        $(impl ser::$trait for Parts<'_, '_> {
            type Ok = ();
            type Error = Fault;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
                self.part(None, value)
            }

            fn end(self) -> Result<(), Fault> {
                self.close();
                Ok(())
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
        $(impl ser::$trait for Parts<'_, '_> {
            type Ok = ();
            type Error = Fault;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Fault> {
                self.part(Some(name), value)
            }

            fn end(self) -> Result<(), Fault> {
                self.close();
                Ok(())
            }
        })*
    };
}

structs! { SerializeStruct, SerializeStructVariant }

impl ser::SerializeMap for Entries<'_, '_> {
    type Ok = ();
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        key.serialize(&mut *self.out)?;
        self.out.0.push_str(":");
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        value.serialize(&mut *self.out)?;
        self.ends.push(self.out.0.len() - self.start);
        Ok(())
    }

    #[inline]
    fn end(self) -> Result<(), Fault> {
        self.close();
        Ok(())
    }
}
