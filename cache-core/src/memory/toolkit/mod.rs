//! Process memory as the store of the toolkit.

mod boards;
mod events;
mod feeds;
mod limits;
mod ordered;
mod sessions;
mod shelf;
mod values;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::shelf::Shelf;
use crate::{clock::Clock, ports::toolkit::ToolStore};

/// The store of the toolkit in process memory. What it does, it does as the scripts of the Redis adapter do.
///
/// Each kind of object has a lock of its own, held for one operation on one object.
pub struct MemoryTools {
    clock: Clock,
    sessions: Mutex<sessions::Sessions>,
    limits: Mutex<Shelf<limits::Counted>>,
    feeds: Mutex<Shelf<feeds::Feed>>,
    boards: Mutex<Shelf<ordered::Ordered>>,
    streams: Arc<events::Streams>,
    values: Mutex<values::Values>,
}

impl MemoryTools {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            sessions: Mutex::default(),
            limits: Mutex::default(),
            feeds: Mutex::default(),
            boards: Mutex::default(),
            streams: Arc::default(),
            values: Mutex::default(),
        }
    }
}

impl ToolStore for MemoryTools {}

impl std::fmt::Debug for MemoryTools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryTools")
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
