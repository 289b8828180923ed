//! How long local hits may go without asking anybody.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{clock::Moment, engine::changes::Changes};

/// Holds while the bus is known to deliver. An echoed ping renews it until the ping's sending plus the lease's length, so
/// that a node which is cut off stops trusting its own memory that long after the last message it could have missed.
pub(crate) struct Lease {
    /// In nanoseconds on the clock's time line.
    end: AtomicU64,
    changes: Changes,
}

impl Lease {
    /// A lease that has never been granted; `changes` will hear of its revocation.
    pub(crate) fn new(changes: Changes) -> Self {
        Self { end: AtomicU64::new(0), changes }
    }

    pub(crate) fn holds(&self, now: Moment) -> bool {
        now < self.end()
    }

    /// When it ends, unless it is renewed or revoked.
    pub(crate) fn end(&self) -> Moment {
        Moment::from_nanos(self.end.load(Ordering::Acquire))
    }

    pub(crate) fn renew(&self, until: Moment) {
        self.end.fetch_max(until.to_nanos(), Ordering::AcqRel);
    }

    /// For a bus that delivers within the publishing call.
    pub(crate) fn renew_for_ever(&self) {
        self.end.store(u64::MAX, Ordering::Release);
    }

    pub(crate) fn revoke(&self) {
        self.end.store(0, Ordering::Release);
        self.changes.note();
    }
}
