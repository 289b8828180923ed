//! The binary form of an envelope.
//!
//! ```text
//! "soc" | format: u8 | checksum: u64 | header bytes: u32 | header: MessagePack array | payload
//! ```
//!
//! Numbers are little-endian. The checksum is the XXH3 of all that follows it.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{Envelope, FORMAT, Header, Payload, broken, micros, tags};
use crate::{
    codec::{self, Compression, PAYLOAD_BYTES_MAX},
    error::{Error, ErrorKind},
    policy::{CodecKind, CompressionKind},
};

const MAGIC: [u8; 3] = *b"soc";

/// Where the checked bytes begin: after magic, format and checksum.
const CHECKED: usize = 12;

/// Where the header begins.
const HEADER: usize = 16;

/// The header; `T` is borrowed tags for writing, and owned ones for reading.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    codec: u8,
    compression: u8,
    negative: bool,
    schema: u64,
    structure: u64,
    created_unix_ms: u64,
    expires_unix_ms: u64,
    load_cost_us: u64,
    plain_bytes: u64,
    tags: T,
}

pub(super) fn write<T: Serialize>(
    header: &Header<'_>,
    structure: u64,
    value: &T,
    compression: Compression,
) -> Result<Vec<u8>, Error> {
    codec::check_compression_compiled(compression.kind)?;
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(&MAGIC);
    out.push(FORMAT);
    out.resize(HEADER, 0);
    if compression.kind == CompressionKind::None {
        write_header(header, structure, CompressionKind::None, 0, &mut out)?;
        codec::encode(header.codec, value, &mut out)?;
    } else {
        let mut plain = Vec::new();
        codec::encode(header.codec, value, &mut plain)?;
        let compressed = codec::compress(compression, &plain)?;
        let kind = if compressed.is_some() { compression.kind } else { CompressionKind::None };
        write_header(header, structure, kind, plain.len(), &mut out)?;
        out.extend_from_slice(compressed.as_deref().unwrap_or(&plain));
    }
    let checksum = xxh3_64(out.get(CHECKED..).unwrap_or_default());
    patch(&mut out, 4, &checksum.to_le_bytes());
    Ok(out)
}

fn write_header(
    header: &Header<'_>,
    structure: u64,
    compression: CompressionKind,
    plain_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let stored = Stored {
        codec: match header.codec {
            CodecKind::MessagePack => 0,
            CodecKind::Json => 1,
            CodecKind::Postcard => 2,
        },
        compression: match compression {
            CompressionKind::None => 0,
            CompressionKind::Lz4 => 1,
            CompressionKind::Zstd => 2,
        },
        negative: header.negative,
        schema: header.schema,
        structure,
        created_unix_ms: header.created_unix_ms,
        expires_unix_ms: header.expires_unix_ms,
        load_cost_us: micros(header.load_cost),
        plain_bytes: plain_bytes as u64,
        tags: tags::Written(&header.tags),
    };
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::with_source(ErrorKind::Encode, "cannot encode the header of an entry", error)
    };
    rmp_serde::encode::write(out, &stored).map_err(|error| failed(error.into()))?;
    let length = u32::try_from(out.len() - HEADER).map_err(|error| failed(error.into()))?;
    patch(out, CHECKED, &length.to_le_bytes());
    Ok(())
}

fn patch(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(room) = out.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Envelope<'_>, Error> {
    const SHORT: &str = "a stored entry ends within its header";
    let (magic, rest) = bytes.split_first_chunk::<3>().ok_or_else(|| broken(SHORT))?;
    if *magic != MAGIC {
        return Err(broken("a stored entry is not one of this cache's"));
    }
    let (format, rest) = rest.split_first().ok_or_else(|| broken(SHORT))?;
    if *format != FORMAT {
        return Err(Error::new(ErrorKind::Decode, format!("a stored entry has the unknown format version {format}")));
    }
    let (checksum, checked) = rest.split_first_chunk::<8>().ok_or_else(|| broken(SHORT))?;
    if xxh3_64(checked) != u64::from_le_bytes(*checksum) {
        return Err(broken("a stored entry was cut or changed: its checksum is wrong"));
    }
    let (length, rest) = checked.split_first_chunk::<4>().ok_or_else(|| broken(SHORT))?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (header, payload) = rest.split_at_checked(length).ok_or_else(|| broken(SHORT))?;
    let stored: Stored<tags::Read> = rmp_serde::from_slice(header)
        .map_err(|error| Error::with_source(ErrorKind::Decode, "cannot read the header of a stored entry", error))?;
    envelope(stored, payload)
}

fn envelope(stored: Stored<tags::Read>, bytes: &[u8]) -> Result<Envelope<'_>, Error> {
    let codec = match stored.codec {
        0 => CodecKind::MessagePack,
        2 => CodecKind::Postcard,
        // JSON is never stored in this form.
        _ => return Err(broken("a stored entry names an unknown codec")),
    };
    let compression = match stored.compression {
        0 => CompressionKind::None,
        1 => CompressionKind::Lz4,
        2 => CompressionKind::Zstd,
        _ => return Err(broken("a stored entry names an unknown compression")),
    };
    if compression != CompressionKind::None && stored.plain_bytes > PAYLOAD_BYTES_MAX as u64 {
        return Err(broken("a stored value claims to be larger than any that is compressed"));
    }
    Ok(Envelope {
        header: Header {
            codec,
            schema: stored.schema,
            created_unix_ms: stored.created_unix_ms,
            expires_unix_ms: stored.expires_unix_ms,
            load_cost: Duration::from_micros(stored.load_cost_us),
            negative: stored.negative,
            tags: Cow::Owned(stored.tags.0),
        },
        payload: Payload { bytes, structure: stored.structure, compression, plain_bytes: stored.plain_bytes },
    })
}
