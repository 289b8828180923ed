//! The JSON form of an envelope: one document that people can read.
//!
//! ```json
//! {"checksum":"0123456789abcdef","format":1,"codec":"json","schema":7,"structure":8,"created_unix_ms":1,"expires_unix_ms":2,
//!  "load_cost_us":3,"negative":false,"tags":[["user:7",4],["*",5]],"value":{"id":7}}
//! ```
//!
//! The checksum is the XXH3, in hex, of all that follows the comma after it.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64;

use super::{Envelope, FORMAT, Header, Payload, broken, micros, tags};
use crate::{
    codec,
    error::{Error, ErrorKind},
    policy::{CodecKind, CompressionKind},
};

/// What a document begins with; the checksum's 16 digits and [`AFTER`] follow.
const BEFORE: &[u8] = b"{\"checksum\":\"";
const AFTER: &[u8] = b"\",";

/// The members before the value.
#[derive(Serialize)]
struct Head<'a> {
    format: u8,
    codec: &'static str,
    schema: u64,
    structure: u64,
    created_unix_ms: u64,
    expires_unix_ms: u64,
    load_cost_us: u64,
    negative: bool,
    tags: tags::Written<'a>,
}

/// All members but the checksum.
#[derive(Deserialize)]
struct Document<'a> {
    format: u8,
    codec: &'a str,
    schema: u64,
    structure: u64,
    created_unix_ms: u64,
    expires_unix_ms: u64,
    load_cost_us: u64,
    negative: bool,
    tags: tags::Read,
    #[serde(borrow)]
    value: &'a RawValue,
}

pub(super) fn write<T: Serialize>(header: &Header<'_>, structure: u64, value: &T) -> Result<Vec<u8>, Error> {
    let head = Head {
        format: FORMAT,
        codec: "json",
        schema: header.schema,
        structure,
        created_unix_ms: header.created_unix_ms,
        expires_unix_ms: header.expires_unix_ms,
        load_cost_us: micros(header.load_cost),
        negative: header.negative,
        tags: tags::Written(&header.tags),
    };
    let head = serde_json::to_string(&head)
        .map_err(|error| Error::with_source(ErrorKind::Encode, "cannot encode the header of an entry", error))?;
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(BEFORE);
    out.extend_from_slice(b"0000000000000000");
    out.extend_from_slice(AFTER);
    let checked = out.len();
    // The header's members go on the document's own level, and the value beside them.
    out.extend_from_slice(head.strip_prefix('{').and_then(|head| head.strip_suffix('}')).unwrap_or(&head).as_bytes());
    out.extend_from_slice(b",\"value\":");
    codec::encode(CodecKind::Json, value, &mut out)?;
    out.push(b'}');
    let checksum = hex(xxh3_64(out.get(checked..).unwrap_or_default()));
    if let Some(room) = out.get_mut(BEFORE.len()..BEFORE.len() + checksum.len()) {
        room.copy_from_slice(&checksum);
    }
    Ok(out)
}

pub(super) fn read(bytes: &[u8]) -> Result<Envelope<'_>, Error> {
    let foreign = || broken("a stored entry is not one of this cache's");
    let rest = bytes.strip_prefix(BEFORE).ok_or_else(foreign)?;
    let (checksum, rest) = rest.split_first_chunk::<16>().ok_or_else(foreign)?;
    let checked = rest.strip_prefix(AFTER).ok_or_else(foreign)?;
    if hex(xxh3_64(checked)) != *checksum {
        return Err(broken("a stored entry was cut or changed: its checksum is wrong"));
    }
    let unreadable =
        |error| Error::with_source(ErrorKind::Decode, "cannot read a stored entry, a JSON document", error);
    let document: Document<'_> = serde_json::from_slice(bytes).map_err(unreadable)?;
    if document.format != FORMAT {
        let format = document.format;
        return Err(Error::new(ErrorKind::Decode, format!("a stored entry has the unknown format version {format}")));
    }
    if document.codec != "json" {
        return Err(broken("a stored entry names an unknown codec"));
    }
    let bytes = document.value.get().as_bytes();
    Ok(Envelope {
        header: Header {
            codec: CodecKind::Json,
            schema: document.schema,
            created_unix_ms: document.created_unix_ms,
            expires_unix_ms: document.expires_unix_ms,
            load_cost: Duration::from_micros(document.load_cost_us),
            negative: document.negative,
            tags: Cow::Owned(document.tags.0),
        },
        payload: Payload {
            bytes,
            structure: document.structure,
            compression: CompressionKind::None,
            plain_bytes: bytes.len() as u64,
        },
    })
}

fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for (at, digit) in digits.iter_mut().enumerate() {
        let nibble = (number >> (60 - 4 * at)) & 15;
        *digit = b"0123456789abcdef".get(nibble as usize).copied().unwrap_or_default();
    }
    digits
}
