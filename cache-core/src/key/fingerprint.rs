//! A short form of a key, made of a call's arguments without text: what a thread's table of recent hits is searched by.

use std::{
    fmt::{self, Display},
    hash::{BuildHasher, Hasher},
    sync::LazyLock,
};

use serde::ser::{self, Impossible, Serialize, Serializer};
use siphasher::sip128::{Hasher128, SipHasher13};

/// What tells the calls of one function apart, exactly: two are equal only if [`encode_key`](super::encode_key) would make equal texts.
///
/// The first word says which calls a value's `Serialize` made, four bits for each, the others hold what they were made with. Text that
/// does not fit is there as its SipHash of 128 bits, under a key that no other process knows: nobody can look for two that collide.
#[derive(Clone, Copy, Debug, Eq)]
pub(crate) struct Fingerprint([u64; WORDS]);

impl PartialEq for Fingerprint {
    /// Word by word: the derived one compares memory in larger pieces than one of the two was just written in, for which a processor has to wait.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        (a ^ e) | (b ^ f) | (c ^ g) | (d ^ h) == 0
    }
}

/// The first says what the others are.
const WORDS: usize = 4;

/// Calls that fit into the first word.
const KINDS: u32 = 16;

/// What was serialised. Never zero, so that fewer calls are not equal to more.
#[derive(Clone, Copy)]
enum Kind {
    None = 1,
    Some,
    Unit,
    No,
    Yes,
    Unsigned,
    Signed,
    Float,
    Char,
    Text,
    Bytes,
    Digest,
    Variant,
    Open,
    Close,
}

impl Fingerprint {
    /// Of the arguments of a call; `None` if they do not fit, or are of a shape that rarely is an argument: then the text says it.
    #[inline]
    pub(crate) fn of_args<T: Serialize + ?Sized>(args: &T) -> Option<Self> {
        let mut packer = Packer::new();
        args.serialize(&mut packer).ok()?;
        Some(packer.done())
    }

    /// Of a key's text. Not equal to that of any arguments, since those are a tuple.
    pub(crate) fn of_text(text: &str) -> Self {
        let mut packer = Packer::new();
        // A digest always fits.
        let _fits = packer.bytes(Kind::Text, text.as_bytes());
        packer.done()
    }

    /// Where to look, for entries of what is at `address`.
    #[inline]
    pub(crate) fn hash(&self, state: &impl BuildHasher, address: usize) -> u64 {
        let mut hasher = state.build_hasher();
        hasher.write_usize(address);
        for word in self.0 {
            hasher.write_u64(word);
        }
        hasher.finish()
    }
}

/// Packs what a value's `Serialize` says.
struct Packer {
    kinds: u64,
    count: u32,
    words: [u64; WORDS - 1],
    used: usize,
}

/// The value has no short form.
#[derive(Debug)]
struct TooLong;

impl Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value has no short form")
    }
}

impl std::error::Error for TooLong {}

impl ser::Error for TooLong {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

/// The key of this process's digests.
static DIGEST_KEY: LazyLock<[u8; 16]> = LazyLock::new(rand::random);

impl Packer {
    #[inline]
    fn new() -> Self {
        Self { kinds: 0, count: 0, words: [0; WORDS - 1], used: 0 }
    }

    #[inline]
    fn done(self) -> Fingerprint {
        let [one, two, three] = self.words;
        Fingerprint([self.kinds, one, two, three])
    }

    #[inline]
    fn kind(&mut self, kind: Kind) -> Result<(), TooLong> {
        if self.count == KINDS {
            return Err(TooLong);
        }
        self.count += 1;
        self.kinds = self.kinds << 4 | kind as u64;
        Ok(())
    }

    #[inline]
    fn word(&mut self, word: u64) -> Result<(), TooLong> {
        let place = self.words.get_mut(self.used).ok_or(TooLong)?;
        *place = word;
        self.used += 1;
        Ok(())
    }

    #[inline]
    fn number(&mut self, kind: Kind, word: u64) -> Result<(), TooLong> {
        self.kind(kind)?;
        self.word(word)
    }

    /// The bytes themselves with their number in front, in whole words, or else their digest.
    #[inline]
    fn bytes(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), TooLong> {
        // The number takes the first byte of the first word.
        if bytes.len() / 8 >= self.words.len() - self.used {
            return self.digest(kind, bytes);
        }
        self.kind(kind)?;
        let (first, rest) = bytes.split_at(bytes.len().min(7));
        self.word(packed(first) << 8 | bytes.len() as u64)?;
        for chunk in rest.chunks(8) {
            self.word(packed(chunk))?;
        }
        Ok(())
    }

    #[cold]
    fn digest(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), TooLong> {
        let mut hasher = SipHasher13::new_with_key(&DIGEST_KEY);
        hasher.write(bytes);
        let digest = hasher.finish128();
        self.kind(kind)?;
        self.kind(Kind::Digest)?;
        self.word(digest.h1)?;
        self.word(digest.h2)
    }
}

/// At most eight bytes as a number.
#[inline]
fn packed(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(whole) => u64::from_le_bytes(*whole),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

macro_rules! numbers {
    ($($method:ident($value:ident: $type:ty) => $kind:ident, $word:expr;)*) => {
        $(#[inline]
        fn $method(self, $value: $type) -> Result<(), TooLong> {
            self.number(Kind::$kind, $word)
        })*
    };
}

/// A list, a tuple, or a variant of several parts.
struct Parts<'a>(&'a mut Packer);

impl<'a> Serializer for &'a mut Packer {
    type Ok = ();
    type Error = TooLong;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Impossible<(), TooLong>;
    type SerializeStruct = Impossible<(), TooLong>;
    type SerializeStructVariant = Impossible<(), TooLong>;

    numbers! {
        serialize_i8(value: i8) => Signed, i64::from(value).cast_unsigned();
        serialize_i16(value: i16) => Signed, i64::from(value).cast_unsigned();
        serialize_i32(value: i32) => Signed, i64::from(value).cast_unsigned();
        serialize_i64(value: i64) => Signed, value.cast_unsigned();
        serialize_u8(value: u8) => Unsigned, u64::from(value);
        serialize_u16(value: u16) => Unsigned, u64::from(value);
        serialize_u32(value: u32) => Unsigned, u64::from(value);
        serialize_u64(value: u64) => Unsigned, value;
        serialize_f64(value: f64) => Float, value.to_bits();
        serialize_char(value: char) => Char, u64::from(value);
    }

    /// Not as the `f64` of the same value: the bits of each NaN count.
    fn serialize_f32(self, value: f32) -> Result<(), TooLong> {
        self.kind(Kind::Float)?;
        self.number(Kind::Unsigned, u64::from(value.to_bits()))
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), TooLong> {
        self.kind(if value { Kind::Yes } else { Kind::No })
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), TooLong> {
        self.bytes(Kind::Text, value.as_bytes())
    }

    /// A `Display` would be written into memory first; the text does that better.
    fn collect_str<T: Display + ?Sized>(self, _: &T) -> Result<(), TooLong> {
        Err(TooLong)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), TooLong> {
        self.bytes(Kind::Bytes, value)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), TooLong> {
        self.kind(Kind::None)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), TooLong> {
        self.kind(Kind::Some)?;
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), TooLong> {
        self.kind(Kind::Unit)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), TooLong> {
        self.kind(Kind::Unit)
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<(), TooLong> {
        self.number(Kind::Variant, u64::from(index))
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), TooLong> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), TooLong> {
        self.number(Kind::Variant, u64::from(index))?;
        self.kind(Kind::Open)?;
        value.serialize(&mut *self)?;
        self.kind(Kind::Close)
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, TooLong> {
        self.kind(Kind::Open)?;
        Ok(Parts(self))
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, TooLong> {
        self.kind(Kind::Open)?;
        Ok(Parts(self))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Parts<'a>, TooLong> {
        self.serialize_tuple(len)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        len: usize,
    ) -> Result<Parts<'a>, TooLong> {
        self.number(Kind::Variant, u64::from(index))?;
        self.serialize_tuple(len)
    }

    /// Their entries have no order.
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, TooLong> {
        Err(TooLong)
    }

    /// Which of its fields a struct serialises may depend on its value.
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, TooLong> {
        Err(TooLong)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, TooLong> {
        Err(TooLong)
    }
}

macro_rules! parts {
    ($($trait:ident: $method:ident),* $(,)?) => {
        $(impl ser::$trait for Parts<'_> {
            type Ok = ();
            type Error = TooLong;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), TooLong> {
                value.serialize(&mut *self.0)
            }

            #[inline]
            fn end(self) -> Result<(), TooLong> {
                self.0.kind(Kind::Close)
            }
        })*
    };
}

parts! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}
