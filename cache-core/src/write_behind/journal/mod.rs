//! The journals that live in this process.

mod file;
mod memory;
mod shard;

pub use file::FileJournal;
pub use memory::MemoryJournal;

use crate::error::{Error, ErrorKind};

fn of_shard<T>(shards: &[T], shard: u32) -> Result<&T, Error> {
    usize::try_from(shard)
        .ok()
        .and_then(|at| shards.get(at))
        .ok_or_else(|| Error::new(ErrorKind::Setting, format!("the journal has no shard {shard}")))
}
