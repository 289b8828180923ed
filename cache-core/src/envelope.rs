//! Envelopes: the stored bytes of an entry.

mod binary;
#[cfg(feature = "codec-json")]
mod json;
mod tags;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

pub(crate) use crate::codec::Compression;
use crate::{
    codec,
    error::{Error, ErrorKind},
    footprint::footprint,
    policy::{CodecKind, CompressionKind},
    schema::schema_id,
    tag::Tag,
};

/// The version of both formats. Bytes of another version are an error, that is, a miss.
const FORMAT: u8 = 1;

/// What an entry says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// How the value was encoded.
    pub codec: CodecKind,
    /// Whom the entry is for: whatever whoever stores it will ask for again when reading. The structure of the value's type
    /// is kept besides, see [`Envelope::decode`].
    pub schema: u64,
    /// When the value was loaded, in milliseconds since the Unix epoch.
    pub created_unix_ms: u64,
    /// When the entry ends, in milliseconds since the Unix epoch.
    pub expires_unix_ms: u64,
    /// What the load took; kept to the microsecond.
    pub load_cost: Duration,
    /// Whether the value is an absence (`None`, an empty list).
    pub negative: bool,
    /// What the entry depends on, with the versions captured before the load.
    pub tags: Cow<'a, [(Tag, u64)]>,
}

/// A parsed envelope: the header is read and the bytes are known to be whole, the value is still encoded.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    header: Header<'static>,
    payload: Payload<'a>,
}

/// The encoded value.
#[derive(Clone, Copy, Debug)]
struct Payload<'a> {
    bytes: &'a [u8],
    /// The [`schema_id`] of the type that was encoded.
    structure: u64,
    compression: CompressionKind,
    /// The size before compression.
    plain_bytes: u64,
}

/// Writes an entry as bytes. With MessagePack and postcard these are a binary header and the payload, compressed if that is asked
/// for and makes it smaller; with JSON they are one JSON document, never compressed, since it is there to be read by people.
///
/// # Errors
///
/// [`ErrorKind::Setting`] if this build lacks the codec or the compression, [`ErrorKind::Encode`] if the value cannot be
/// encoded so that it reads back as the same.
pub(crate) fn encode_envelope<T: Serialize + DeserializeOwned + 'static>(
    header: &Header<'_>,
    value: &T,
    compression: Compression,
) -> Result<Vec<u8>, Error> {
    match header.codec {
        #[cfg(feature = "codec-json")]
        CodecKind::Json => json::write(header, schema_id::<T>(), value),
        _ => binary::write(header, schema_id::<T>(), value, compression),
    }
}

impl<'a> Envelope<'a> {
    /// Reads the header, and checks that every byte is as it was written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] if the bytes are cut, changed, of another format version, or no envelope at all.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.first() != Some(&b'{') {
            return binary::read(bytes);
        }
        #[cfg(feature = "codec-json")]
        return json::read(bytes);
        #[cfg(not(feature = "codec-json"))]
        Err(broken("a stored entry is a JSON document, and sea-orm-cache is built without the feature `codec-json`"))
    }

    /// What the entry says about itself.
    #[must_use]
    pub fn header(&self) -> &Header<'static> {
        &self.header
    }

    /// The header, by value.
    #[must_use]
    pub fn into_header(self) -> Header<'static> {
        self.header
    }

    /// Reads the value.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] if the value was stored by a type of another structure, or cannot be read as a `T`.
    pub fn decode<T: DeserializeOwned + 'static>(&self) -> Result<T, Error> {
        if self.payload.structure != schema_id::<T>() {
            return Err(broken("a stored value has the structure of another type, or of another version of it"));
        }
        let Payload { bytes, compression, plain_bytes, .. } = self.payload;
        if compression == CompressionKind::None {
            return codec::decode(self.header.codec, bytes);
        }
        let plain_bytes = usize::try_from(plain_bytes).unwrap_or(usize::MAX);
        codec::decode(self.header.codec, &codec::decompress(compression, bytes, plain_bytes)?)
    }
}

/// How values of one type are written and read, as plain function pointers: whoever stores entries needs no serde bounds.
#[derive(Debug)]
pub struct Wire<T> {
    /// Writes an entry, see [`encode_envelope`].
    pub encode: fn(&Header<'_>, &T, Compression) -> Result<Vec<u8>, Error>,
    /// Reads an entry's value, see [`Envelope::decode`].
    pub decode: fn(&Envelope<'_>) -> Result<T, Error>,
    /// The type's schema id.
    pub schema: fn() -> u64,
    /// About how many bytes of memory a value takes.
    pub footprint: fn(&T) -> usize,
}

impl<T: Serialize + DeserializeOwned + 'static> Wire<T> {
    /// By serde.
    pub const SERDE: &'static Self = &Self {
        encode: encode_envelope::<T>,
        decode: |envelope| envelope.decode::<T>(),
        schema: schema_id::<T>,
        footprint: footprint::<T>,
    };
}

fn broken(why: &'static str) -> Error {
    Error::new(ErrorKind::Decode, why)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
