//! Removal of entries by key, on every node.

use std::sync::atomic::Ordering;

use crate::{engine::Engine, error::Error};

impl Engine {
    /// Drops the entries at `keys` here and in the remote tier, and tells the other nodes. Returns how many the remote tier had.
    pub(crate) async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        self.removals.fetch_add(1, Ordering::AcqRel);
        for key in keys {
            self.local.remove(key);
        }
        let removed = self.remote.remove(keys).await;
        // Whoever read the remote tier before the removal and has stored the value here since is caught by the second count.
        self.removals.fetch_add(1, Ordering::AcqRel);
        for key in keys {
            self.local.remove(key);
        }
        removed.inspect_err(|error| self.remote_failed("remove entries", error))
    }
}
