//! Codecs: values as bytes.

mod compression;
mod faithful;

use serde::{Serialize, de::DeserializeOwned};

pub(crate) use self::compression::Compression;
pub(crate) use self::compression::{PAYLOAD_BYTES_MAX, check_compression_compiled, compress, decompress};
use crate::{
    error::{Error, ErrorKind},
    policy::CodecKind,
};

/// Whether this build has the codec.
///
/// # Errors
///
/// [`ErrorKind::Setting`], naming the feature that is off.
pub(crate) fn check_compiled(codec: CodecKind) -> Result<(), Error> {
    let feature = match codec {
        CodecKind::Json if cfg!(not(feature = "codec-json")) => "codec-json",
        CodecKind::Postcard if cfg!(not(feature = "codec-postcard")) => "codec-postcard",
        CodecKind::MessagePack | CodecKind::Json | CodecKind::Postcard => return Ok(()),
    };
    Err(Error::new(
        ErrorKind::Setting,
        format!("the codec {codec:?} was chosen, but sea-orm-cache is built without the feature `{feature}`"),
    ))
}

/// Appends the bytes of `value` to `out`.
///
/// # Errors
///
/// [`ErrorKind::Setting`] if this build lacks the codec; [`ErrorKind::Encode`] if the value's `Serialize` fails, or the codec
/// cannot write the value so that it reads back as the same.
pub(crate) fn encode<T: Serialize + ?Sized>(codec: CodecKind, value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    check_compiled(codec)?;
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::with_source(ErrorKind::Encode, format!("cannot encode the value with the codec {codec:?}"), error)
    };
    faithful::check(codec, value).map_err(|error| failed(error.into()))?;
    match codec {
        CodecKind::MessagePack => rmp_serde::encode::write_named(out, value).map_err(|error| failed(error.into())),
        #[cfg(feature = "codec-json")]
        CodecKind::Json => serde_json::to_writer(out, value).map_err(|error| failed(error.into())),
        #[cfg(feature = "codec-postcard")]
        CodecKind::Postcard => {
            let bytes = postcard::to_extend(value, std::mem::take(out)).map_err(|error| failed(error.into()))?;
            *out = bytes;
            Ok(())
        }
        #[allow(unreachable_patterns)]
        CodecKind::Json | CodecKind::Postcard => check_compiled(codec),
    }
}

/// Reads a value.
///
/// # Errors
///
/// [`ErrorKind::Decode`].
pub(crate) fn decode<T: DeserializeOwned>(codec: CodecKind, bytes: &[u8]) -> Result<T, Error> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::with_source(ErrorKind::Decode, format!("cannot decode a stored value with the codec {codec:?}"), error)
    };
    match codec {
        CodecKind::MessagePack => rmp_serde::from_slice(bytes).map_err(|error| failed(error.into())),
        #[cfg(feature = "codec-json")]
        CodecKind::Json => serde_json::from_slice(bytes).map_err(|error| failed(error.into())),
        #[cfg(feature = "codec-postcard")]
        CodecKind::Postcard => match postcard::take_from_bytes(bytes) {
            Ok((value, [])) => Ok(value),
            Ok(_) => Err(failed("bytes are left over".into())),
            Err(error) => Err(failed(error.into())),
        },
        // Written by a node of another build.
        #[allow(unreachable_patterns)]
        CodecKind::Json | CodecKind::Postcard => Err(match check_compiled(codec) {
            Err(missing) => failed(missing.into()),
            Ok(()) => failed("no such codec".into()),
        }),
    }
}
