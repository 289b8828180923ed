use crate::{error::Error, policy::*};
pub fn check_compiled(_: CodecKind) -> Result<(), Error> {
    Ok(())
}
pub fn check_compression_compiled(_: CompressionKind) -> Result<(), Error> {
    Ok(())
}
