//! Counts what may end the validity of entries at hand.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Shared by all that can make an entry of this node invalid other than by time: cells, the lease, removals by key that were missed.
///
/// Whoever reads the count, then proves an entry valid, and later finds the count unchanged, knows that the entry is as valid as
/// it was, but for the time that has passed.
#[derive(Clone, Default)]
pub(crate) struct Changes(Arc<Count>);

/// Alone on its lines of memory: every hit reads it.
#[derive(Default)]
#[repr(align(128))]
struct Count(AtomicU64);

/// A state of the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

/// The count's upper part counts what ends an entry at hand although it would pass every check. The lower part reaches it after eight
/// years of a million changes per second, and does no harm then.
const GENERATION: u64 = 1 << 48;

impl Changes {
    #[inline]
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.0.0.load(Ordering::Acquire))
    }

    /// Something has changed: entries must be checked again. To be called after the change.
    pub(crate) fn note(&self) {
        self.0.0.fetch_add(1, Ordering::AcqRel);
    }

    /// Entries have been removed in a way that does not tell which.
    pub(crate) fn note_removals(&self) {
        self.0.0.fetch_add(GENERATION, Ordering::AcqRel);
    }
}

impl Epoch {
    /// Whether an entry that was valid at `self` may be so still at `now`, if it passes all checks.
    pub(crate) fn may_last_until(self, now: Self) -> bool {
        self.0 / GENERATION == now.0 / GENERATION
    }
}
