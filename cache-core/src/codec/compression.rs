//! Compression of payloads.

use crate::{
    error::{Error, ErrorKind},
    policy::CompressionKind,
};

/// No payload larger than this is compressed, and nothing is decompressed to more: the bound against decompression bombs.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// LZ4 cannot shrink to less than one byte in 255: who claims more is lying.
#[cfg(feature = "compress-lz4")]
const LZ4_RATIO_MAX: usize = 255;

/// How payloads are compressed, and from which size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// The algorithm. Default: none.
    pub kind: CompressionKind,
    /// Payloads of fewer bytes stay as they are, as do those that compression does not shrink. Default: 1024.
    pub threshold_bytes: usize,
}

impl Default for Compression {
    fn default() -> Self {
        Self { kind: CompressionKind::None, threshold_bytes: 1024 }
    }
}

/// Whether this build has the algorithm.
///
/// # Errors
///
/// [`ErrorKind::Setting`], naming the feature that is off.
pub(crate) fn check_compression_compiled(kind: CompressionKind) -> Result<(), Error> {
    let feature = match kind {
        CompressionKind::Lz4 if cfg!(not(feature = "compress-lz4")) => "compress-lz4",
        CompressionKind::Zstd if cfg!(not(feature = "compress-zstd")) => "compress-zstd",
        CompressionKind::None | CompressionKind::Lz4 | CompressionKind::Zstd => return Ok(()),
    };
    Err(Error::new(
        ErrorKind::Setting,
        format!("the compression {kind:?} was chosen, but sea-orm-cache is built without the feature `{feature}`"),
    ))
}

/// The compressed bytes, or `None` if they are to stay as they are.
///
/// # Errors
///
/// [`ErrorKind::Setting`] if this build lacks the algorithm, [`ErrorKind::Encode`] if it fails.
pub(crate) fn compress(compression: Compression, bytes: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    check_compression_compiled(compression.kind)?;
    if bytes.len() < compression.threshold_bytes || bytes.len() > PAYLOAD_BYTES_MAX {
        return Ok(None);
    }
    let smaller = shrink(compression.kind, bytes)?;
    Ok(smaller.filter(|smaller| smaller.len() < bytes.len()))
}

#[cfg_attr(not(any(feature = "compress-lz4", feature = "compress-zstd")), allow(unused_variables))]
fn shrink(kind: CompressionKind, bytes: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    match kind {
        #[cfg(feature = "compress-lz4")]
        CompressionKind::Lz4 => Ok(Some(lz4_flex::block::compress(bytes))),
        #[cfg(feature = "compress-zstd")]
        CompressionKind::Zstd => zstd_contexts::compress(bytes)
            .map(Some)
            .map_err(|error| Error::with_source(ErrorKind::Encode, "cannot compress the value", error)),
        #[allow(unreachable_patterns)]
        CompressionKind::None | CompressionKind::Lz4 | CompressionKind::Zstd => Ok(None),
    }
}

/// Reverses [`compress`]; the result has exactly `len` bytes.
///
/// # Errors
///
/// [`ErrorKind::Decode`], also if `len` is above [`PAYLOAD_BYTES_MAX`].
pub(crate) fn decompress(kind: CompressionKind, bytes: &[u8], len: usize) -> Result<Vec<u8>, Error> {
    if len > PAYLOAD_BYTES_MAX {
        return Err(broken("a stored value claims to be larger than any that is compressed"));
    }
    let plain = restore(kind, bytes, len)?;
    if plain.len() == len { Ok(plain) } else { Err(broken("a stored value decompresses to another size than it had")) }
}

#[cfg_attr(not(any(feature = "compress-lz4", feature = "compress-zstd")), allow(unused_variables))]
fn restore(kind: CompressionKind, bytes: &[u8], len: usize) -> Result<Vec<u8>, Error> {
    match kind {
        #[cfg(feature = "compress-lz4")]
        CompressionKind::Lz4 => {
            if len / LZ4_RATIO_MAX > bytes.len() {
                return Err(broken("a stored value claims to be larger than LZ4 could have made it"));
            }
            lz4_flex::block::decompress(bytes, len)
                .map_err(|error| Error::with_source(ErrorKind::Decode, "cannot decompress a stored value", error))
        }
        #[cfg(feature = "compress-zstd")]
        CompressionKind::Zstd => zstd_contexts::decompress(bytes, len)
            .map_err(|error| Error::with_source(ErrorKind::Decode, "cannot decompress a stored value", error)),
        #[allow(unreachable_patterns)]
        CompressionKind::None | CompressionKind::Lz4 | CompressionKind::Zstd => Err(Error::new(
            ErrorKind::Decode,
            format!("a stored value is compressed with {kind:?}, which this build of sea-orm-cache cannot read"),
        )),
    }
}

fn broken(why: &'static str) -> Error {
    Error::new(ErrorKind::Decode, why)
}

/// A context is far more expensive than what it does to a small value, so each thread keeps one for reading. Those for
/// writing are larger and needed less often: they are made for each value.
#[cfg(feature = "compress-zstd")]
mod zstd_contexts {
    use std::{cell::RefCell, io};

    use zstd::bulk::Decompressor;

    const LEVEL: i32 = 3;

    thread_local! {
        static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    }

    pub(super) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
        zstd::bulk::compress(bytes, LEVEL)
    }

    pub(super) fn decompress(bytes: &[u8], len: usize) -> io::Result<Vec<u8>> {
        DECOMPRESSOR.with_borrow_mut(|kept| {
            let decompressor = match kept {
                Some(decompressor) => decompressor,
                None => kept.insert(Decompressor::new()?),
            };
            decompressor.decompress(bytes, len)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::vec_init_then_push, reason = "one line per feature")]
    fn kinds() -> Vec<CompressionKind> {
        #[allow(unused_mut, reason = "without any algorithm there is none")]
        let mut kinds = vec![];
        #[cfg(feature = "compress-lz4")]
        kinds.push(CompressionKind::Lz4);
        #[cfg(feature = "compress-zstd")]
        kinds.push(CompressionKind::Zstd);
        kinds
    }

    #[test]
    fn what_was_compressed_comes_back() {
        let bytes = b"the same again and again, ".repeat(100);
        for kind in kinds() {
            let small = compress(Compression { kind, threshold_bytes: 100 }, &bytes).unwrap().unwrap();
            assert!(small.len() < bytes.len() / 10);
            assert_eq!(decompress(kind, &small, bytes.len()).unwrap(), bytes);
        }
    }

    #[test]
    fn small_and_incompressible_payloads_stay_as_they_are() {
        for kind in kinds() {
            let compression = Compression { kind, threshold_bytes: 100 };
            assert_eq!(compress(compression, &[0; 99]).unwrap(), None);
            assert!(compress(compression, &[0; 100]).unwrap().is_some());
            let noise: Vec<u8> = (0..=255).collect();
            assert_eq!(compress(compression, &noise).unwrap(), None);
        }
        assert_eq!(compress(Compression::default(), &[0; 5000]).unwrap(), None);
    }

    #[test]
    fn a_payload_never_decompresses_to_more_than_it_says() {
        for kind in kinds() {
            let small = compress(Compression { kind, threshold_bytes: 0 }, &[0; 1_000_000]).unwrap().unwrap();
            for len in [0, 10, 999_999, 1_000_001, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MAX + 1, usize::MAX] {
                assert_eq!(decompress(kind, &small, len).unwrap_err().kind(), ErrorKind::Decode, "{len}");
            }
        }
    }

    #[test]
    fn an_algorithm_that_is_not_built_in_is_a_setting_error() {
        for (kind, feature) in [(CompressionKind::Lz4, "compress-lz4"), (CompressionKind::Zstd, "compress-zstd")] {
            if kinds().contains(&kind) {
                assert!(check_compression_compiled(kind).is_ok());
            } else {
                let error = compress(Compression { kind, threshold_bytes: 0 }, &[0; 100]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Setting);
                assert!(error.to_string().contains(feature));
                assert_eq!(decompress(kind, &[0; 100], 1000).unwrap_err().kind(), ErrorKind::Decode);
            }
        }
    }
}
