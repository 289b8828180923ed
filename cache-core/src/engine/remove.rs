//! Removal of entries by key or by pattern, on every node.

use std::sync::atomic::Ordering;

use crate::{engine::Engine, error::Error, glob, ports::ScanCursor};

/// Keys examined per step of a scan: one step keeps Redis busy for well below a millisecond.
const SCAN_KEYS: usize = 1_000;

/// How far a removal by pattern has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgeProgress {
    /// Entries removed from the remote tier so far.
    pub removed: u64,
    /// Steps of the scan so far.
    pub steps: u64,
}

impl Engine {
    /// Drops the entries at `keys` here and in the remote tier, and tells the other nodes. Returns how many the remote tier had.
    pub(crate) async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        self.drop_local(keys);
        let removed = self.remote.remove(keys).await;
        // Whoever read the remote tier before the removal and has stored the value here since is caught now.
        self.drop_local(keys);
        removed.inspect_err(|error| self.remote_failed("remove entries", error))
    }

    fn drop_local(&self, keys: &[&str]) {
        self.removals.fetch_add(1, Ordering::AcqRel);
        for key in keys {
            self.local.remove(key);
        }
    }

    /// Removes the entries whose keys match a glob pattern, in bounded steps; stops at the first fault.
    pub(crate) async fn purge(
        &self,
        pattern: &str,
        mut progress: impl FnMut(PurgeProgress),
    ) -> Result<PurgeProgress, Error> {
        self.removals.fetch_add(1, Ordering::AcqRel);
        let owned = pattern.to_owned();
        self.local.remove_matching(Box::new(move |key| glob::matches(&owned, key)));
        let mut done = PurgeProgress::default();
        let mut from: Option<ScanCursor> = None;
        loop {
            let page = self.remote.scan(pattern, from, SCAN_KEYS).await?;
            let keys: Vec<&str> = page.keys.iter().map(String::as_str).collect();
            if !keys.is_empty() {
                done.removed += self.remove(&keys).await?;
            }
            done.steps += 1;
            progress(done);
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(done),
            }
        }
    }
}
