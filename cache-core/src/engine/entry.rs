//! A typed value in process memory with the versions it was loaded under.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    clock::Moment,
    engine::{
        call::Function,
        cells::{Cell, Sequence, Snapshot},
        stats::FunctionCounters,
    },
    tag::Tag,
};

/// A value, and what decides whether it may be served.
pub(crate) struct Entry<V: ?Sized> {
    pub(crate) meta: Meta,
    pub(crate) value: V,
}

/// What the local tier stores.
pub(crate) type StoredEntry = Entry<dyn Any + Send + Sync>;

/// What decides whether a value may be served. What every hit looks at comes last, beside the value: fewer lines of memory.
#[repr(C)]
pub(crate) struct Meta {
    pub(crate) load_cost: Duration,
    /// For a value loaded while the remote tier was down: its cells as they were before. It answers only while that lasts.
    pub(crate) degraded: Option<Snapshot>,
    /// From when on a read refreshes the entry.
    pub(crate) ahead_from: Moment,
    pub(crate) deps: Box<[Recorded]>,
    pub(crate) negative: bool,
    /// Whether `deps` names all that the value depends on; a value that was not stored may lack some.
    pub(crate) complete: bool,
    /// Whether the local tier holds the entry, and threads may keep it at hand; see [`Front`](super::front::Front).
    pub(crate) in_front: AtomicBool,
    pub(crate) function: &'static Function,
    /// What this cache has done for the function.
    pub(crate) counters: Arc<FunctionCounters>,
    pub(crate) created: Moment,
    pub(crate) expires: Moment,
    /// From when on a read asks whether it should refresh the entry; never later than `ahead_from`.
    pub(crate) refresh_from: Moment,
}

/// A tag and its version, as captured before the value was loaded.
pub(crate) struct Recorded {
    pub(crate) cell: Arc<Cell>,
    pub(crate) version: u64,
}

impl Meta {
    /// Whether the TTL holds.
    pub(crate) fn is_alive(&self, now: Moment) -> bool {
        now < self.expires
    }

    /// Whether every tag is verified here with the version recorded.
    pub(crate) fn is_verified(&self) -> bool {
        self.complete && self.deps.iter().all(|dep| dep.cell.version() == dep.version)
    }

    /// Whether threads may keep the entry at hand.
    #[inline]
    pub(crate) fn is_in_front(&self) -> bool {
        self.in_front.load(Ordering::Acquire)
    }

    /// Whether the value was loaded during an outage, and this node has made none of its tags stale since.
    pub(crate) fn is_good_in_an_outage(&self) -> bool {
        let untouched = |(cell, sequence): &(Arc<Cell>, Sequence)| cell.sequence() == *sequence && !cell.is_pinned();
        self.degraded.as_ref().is_some_and(|cells| cells.iter().all(untouched))
    }

    pub(crate) fn tags(&self) -> Vec<(Tag, u64)> {
        self.deps.iter().map(|dep| (dep.cell.tag().clone(), dep.version)).collect()
    }
}

/// To be called before the local tier takes an entry.
pub(crate) fn enters_local_tier(entry: &StoredEntry) {
    entry.meta.deps.iter().for_each(|dep| dep.cell.entered(dep.version));
}

/// Called by the local tier as an entry leaves it, for whatever reason.
pub(crate) fn left_local_tier(entry: &StoredEntry) {
    entry.meta.in_front.store(false, Ordering::Release);
    entry.meta.deps.iter().for_each(|dep| dep.cell.left(dep.version));
}
