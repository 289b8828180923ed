//! Removal of entries by key and by pattern, on every node.

use std::sync::Arc;

use crate::{engine::Engine, error::Error, ports::ScanCursor};

/// Keys examined per step of a scan.
const SCAN_COUNT: usize = 1_000;

/// How far a removal by pattern has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgeProgress {
    /// Keys removed so far.
    pub removed: u64,
    /// Steps of the scan so far.
    pub steps: u64,
}

impl Engine {
    /// Drops the entries at `keys` here and in the remote tier, and tells the other nodes. Returns how many the remote tier had.
    pub(crate) async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        self.removals.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        for key in keys {
            self.local.remove(key);
        }
        let removed = self.remote.remove(keys).await;
        // Whoever read the remote tier before the removal and has stored the value here since is caught by the second count.
        self.removals.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        for key in keys {
            self.local.remove(key);
        }
        removed.inspect_err(|error| self.remote_failed("remove entries", error))
    }

    /// Removes the entries whose keys match a glob pattern, in bounded steps.
    pub(crate) async fn purge(
        self: &Arc<Self>,
        pattern: &str,
        mut progress: impl FnMut(PurgeProgress),
    ) -> Result<PurgeProgress, Error> {
        let mut done = PurgeProgress::default();
        let local = crate::key::Glob::new(pattern);
        self.removals.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        self.local.remove_matching(Box::new(move |key| local.matches(key)));
        let mut from: Option<ScanCursor> = None;
        loop {
            let page = self.remote.scan(pattern, from, SCAN_COUNT).await?;
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
