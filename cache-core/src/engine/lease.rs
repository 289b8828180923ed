//! How long local hits may go without asking anybody.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Moment;

/// Holds while the bus is known to deliver. An echoed ping renews it until the ping's sending plus the lease's length, so
/// that a node which is cut off stops trusting its own memory that long after the last message it could have missed.
pub(crate) struct Lease(AtomicU64);

impl Lease {
    /// A lease that has never been granted.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn holds(&self, now: Moment) -> bool {
        now.to_nanos() < self.0.load(Ordering::Acquire)
    }

    pub(crate) fn renew(&self, until: Moment) {
        self.0.fetch_max(until.to_nanos(), Ordering::AcqRel);
    }

    /// For a bus that delivers within the publishing call.
    pub(crate) fn renew_for_ever(&self) {
        self.0.store(u64::MAX, Ordering::Release);
    }

    pub(crate) fn revoke(&self) {
        self.0.store(0, Ordering::Release);
    }
}
