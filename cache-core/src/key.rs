//! Keys: the arguments of a call, as canonical text.

mod fingerprint;
mod serializer;
mod text;

#[cfg(test)]
mod tests;

use std::{fmt, ops::Deref};

use serde::Serialize;
use sha2::{Digest, Sha256};

pub(crate) use self::fingerprint::Fingerprint;
use self::{serializer::KeySerializer, text::Text};
use crate::error::{Error, ErrorKind};

/// A text behind the prefix that is longer than this is replaced by its digest.
const TEXT_BYTES_MAX: usize = 200;

/// The key of an entry, such as `find_user:v1:[42]`. A thread uses the memory of its last key again.
#[derive(Clone)]
pub struct KeyText {
    text: Text,
    short: Option<Fingerprint>,
}

/// Makes a key from `prefix` and the arguments of a call, given as a tuple: `find_user:v1:` and `(42,)` make
/// `find_user:v1:[42]`.
///
/// Two values of one Rust type get the same text exactly if their `Serialize` makes the same calls: `None`, `Some(None)` and
/// `Some(())` differ, as do `0.0`, `-0.0` and each NaN, and strings cannot reach out of their quotes. What a type's own
/// `Serialize` leaves out (`#[serde(skip)]`) or merges (`#[serde(untagged)]` variants that look alike) cannot take part. The
/// entries of a map are sorted, so the order of a `HashMap` does not matter; a `HashSet` serialises as a list in no certain
/// order, which costs misses and never a wrong value.
///
/// | value | text |
/// |---|---|
/// | integers, `bool` | `42`, `-7`, `true` |
/// | floats | `1.5`, `-0.0`, `inf`, `nan(7ff8000000000000)` |
/// | strings, chars | `"a\"b"`, `'x'`; control characters, `\`, `{` and `}` are escaped as in JSON |
/// | bytes | `0x00ff` |
/// | `None`, `Some(x)` | `null`, the text of `x` (behind `?` where that reads as `null` or begins with `?`) |
/// | unit | `()` |
/// | tuples, lists | `[1,2]` |
/// | structs | `(id=1,name="a")` |
/// | maps | `("a":1,"b":2)`, `(:)` |
/// | enum variants | `Active`, `Above(3)`, `Pair(1,2)`, `Range(from=1,to=2)` |
///
/// There are no braces in a key, since Redis Cluster would take what stands between them for the hash tag. A text of more than
/// 200 bytes becomes `#` and the first 128 bits of its SHA-256, which no other text can be spelled like.
///
/// # Errors
///
/// [`ErrorKind::Encode`] if an argument's `Serialize` fails.
pub(crate) fn encode_key<T: Serialize + ?Sized>(prefix: &str, args: &T) -> Result<KeyText, Error> {
    let mut text = Text::default();
    text.push_prefix(prefix);
    push_args(text, prefix, args)
}

/// As [`encode_key`], for a prefix that [`clean_prefix`] has made.
#[inline]
pub(crate) fn encode_args<T: Serialize + ?Sized>(prefix: &str, args: &T) -> Result<KeyText, Error> {
    let mut text = Text::default();
    text.push_str(prefix);
    push_args(text, prefix, args)
}

/// The prefix as it stands in keys.
pub(crate) fn clean_prefix(prefix: &str) -> String {
    let mut text = Text::default();
    text.push_prefix(prefix);
    text.as_str().to_owned()
}

#[inline]
fn push_args<T: Serialize + ?Sized>(mut text: Text, prefix: &str, args: &T) -> Result<KeyText, Error> {
    let start = text.len();
    match args.serialize(&mut KeySerializer::new(&mut text)) {
        Ok(()) => Ok(KeyText { text: digested(text, start), short: Fingerprint::of_args(args) }),
        Err(error) => Err(unfit(prefix, error)),
    }
}

#[cold]
fn unfit(prefix: &str, error: serializer::Fault) -> Error {
    Error::with_source(ErrorKind::Encode, format!("cannot make a key of the arguments for {prefix}"), error)
}

/// Makes a key from `prefix` and a text that the user composed (`key = "user:{id}"`), escaped and digested like the text of
/// [`encode_key`]. Equal texts are equal keys: keeping `a:b` + `c` apart from `a` + `b:c` is up to who composes them.
#[must_use]
pub(crate) fn plain_key(prefix: &str, text: &str) -> KeyText {
    let mut out = Text::default();
    out.push_prefix(prefix);
    let start = out.len();
    if text.starts_with('#') {
        out.push_str("\\");
    }
    out.push_escaped(text, None);
    KeyText { text: digested(out, start), short: None }
}

/// Replaces what follows `start` by its digest if it is too long.
#[inline]
fn digested(mut text: Text, start: usize) -> Text {
    if text.len() - start > TEXT_BYTES_MAX {
        digest(&mut text, start);
    }
    text
}

#[cold]
fn digest(text: &mut Text, start: usize) {
    let digest = Sha256::digest(text.since(start).as_bytes());
    text.truncate(start);
    text.push_str("#");
    text.push_hex(digest.get(..16).unwrap_or_default());
}

impl KeyText {
    /// The key.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }
}

/// What names an entry.
pub(crate) trait Key {
    /// The whole key, without the namespace.
    fn text(&self) -> &str;

    /// A short form of the arguments that it was made of, if they have one.
    fn short(&self) -> Option<Fingerprint> {
        None
    }
}

impl Key for KeyText {
    fn text(&self) -> &str {
        self
    }

    fn short(&self) -> Option<Fingerprint> {
        self.short
    }
}

impl Key for String {
    fn text(&self) -> &str {
        self
    }
}

impl Deref for KeyText {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for KeyText {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({})", self.as_str())
    }
}

impl PartialEq for KeyText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for KeyText {}
