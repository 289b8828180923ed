//! Removal of entries by key or by pattern, on every node.

use std::{
    hash::{DefaultHasher, Hasher},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    engine::{Engine, lookup::KEYS_PER_TRIP_MAX},
    error::Error,
    glob,
    ports::ScanCursor,
};

/// Keys examined per step of a scan: one step keeps Redis busy for well below a millisecond.
const SCAN_KEYS: usize = 1_000;

/// Counts removals by key, so that a value on its way into a tier notices one. Keys share a count by their hash.
pub(crate) struct Removals([AtomicU64; SLOTS]);

/// Few enough to be nothing, many enough that a removal of one key rarely costs another's fill.
const SLOTS: usize = 256;

impl Removals {
    pub(crate) fn new() -> Self {
        Self([const { AtomicU64::new(0) }; SLOTS])
    }

    /// To be read before a value is fetched, and compared after it was stored.
    pub(crate) fn count(&self, key: &str) -> u64 {
        self.slot(key).load(Ordering::Acquire)
    }

    pub(crate) fn note(&self, key: &str) {
        self.slot(key).fetch_add(1, Ordering::AcqRel);
    }

    /// Any key may have been removed.
    pub(crate) fn note_all(&self) {
        for slot in &self.0 {
            slot.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn slot(&self, key: &str) -> &AtomicU64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(key.as_bytes());
        let at = usize::try_from(hasher.finish() % SLOTS as u64).unwrap_or(0);
        self.0.get(at).unwrap_or(&self.0[0])
    }
}

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
        let removed = self.remove_remote(keys).await;
        // Whoever read the remote tier before the removal and has stored the value here since is caught now.
        self.drop_local(keys);
        removed.inspect_err(|error| self.remote_failed("remove entries", error))
    }

    async fn remove_remote(&self, keys: &[&str]) -> Result<u64, Error> {
        let mut removed = 0;
        for some in keys.chunks(KEYS_PER_TRIP_MAX) {
            removed += self.remote.remove(some).await?;
        }
        Ok(removed)
    }

    fn drop_local(&self, keys: &[&str]) {
        for key in keys {
            self.removals.note(key);
            self.local.remove(key);
        }
    }

    /// Removes the entries whose keys match a glob pattern, in bounded steps; stops at the first fault.
    pub(crate) async fn purge(
        &self,
        pattern: &str,
        mut progress: impl FnMut(PurgeProgress),
    ) -> Result<PurgeProgress, Error> {
        self.removals.note_all();
        let owned = pattern.to_owned();
        self.local.remove_matching(Box::new(move |key| glob::matches(&owned, key)));
        self.changes.note_removals();
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
