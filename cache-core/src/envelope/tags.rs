//! Tags with their versions, in a header: `[["user:7",4],["*",5]]`.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
};

use crate::tag::Tag;

/// Room made before the first tag is read, whatever the header claims.
const ROOM_MAX: usize = 64;

/// Tags to be written.
pub(super) struct Written<'a>(pub(super) &'a [(Tag, u64)]);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(tag, version)| (tag.as_str(), version)))
    }
}

/// Tags that were read.
pub(super) struct Read(pub(super) Vec<(Tag, u64)>);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tags;

        impl<'de> Visitor<'de> for Tags {
            type Value = Read;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tags with versions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Read, A::Error> {
                let mut tags = Vec::with_capacity(access.size_hint().unwrap_or(0).min(ROOM_MAX));
                while let Some((Canonical(tag), version)) = access.next_element()? {
                    tags.push((tag, version));
                }
                Ok(Read(tags))
            }
        }

        deserializer.deserialize_seq(Tags)
    }
}

/// A tag from its canonical text, without a `String` between.
struct Canonical(Tag);

impl<'de> Deserialize<'de> for Canonical {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Canonical;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tag")
            }

            fn visit_str<E>(self, text: &str) -> Result<Canonical, E> {
                Ok(Canonical(Tag::from_canonical(text)))
            }
        }

        deserializer.deserialize_str(Text)
    }
}
