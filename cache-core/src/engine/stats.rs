//! Counters of what the cache did.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the counters once, as atomics and as the public snapshot.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// The live counters.
        #[derive(Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)+
        }

        /// What a cache has done since it was built.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)+
            /// Entries in process memory, as of its last housekeeping.
            pub local_entries: u64,
            /// Their weight: bytes, or entries where the capacity counts entries.
            pub local_weight: u64,
            /// Tags that local entries depend on.
            pub cells: u64,
            /// Invalidations that have not reached the remote tier yet, in tags.
            pub deferred_tags: u64,
            /// Loads that run now.
            pub loads_in_flight: u64,
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> Stats {
                Stats { $($name: self.$name.get(),)+ ..Stats::default() }
            }
        }
    };
}

counters! {
    /// Reads answered from process memory.
    hits_local,
    /// Reads answered from the remote tier.
    hits_remote,
    /// Reads answered by what the same request had read before.
    hits_scope,
    /// Reads that no tier could answer.
    misses,
    /// Reads that shared another caller's load.
    joined,
    /// Reads answered by an entry past its TTL, as the policy allows.
    stale_served,
    /// Reads answered during an outage of the remote tier by a value younger than `degraded_ttl`.
    hits_degraded,
    /// Valid entries loaded anew before their end.
    refreshes,
    /// Reads that waited for another process's load.
    lock_waits,
    /// Loads that waited for one of `loads_in_flight_max` places.
    place_waits,
    /// Reads that went past the cache: inside transactions, or with arguments that cannot be a key.
    bypasses,
    /// Times a loader ran.
    loads,
    /// Times a loader failed.
    load_errors,
    /// Values stored.
    fills,
    /// Values loaded and not stored.
    fills_refused,
    /// Tags made stale by this node.
    invalidations,
    /// Invalidations that could not reach the remote tier at once.
    deferrals,
    /// Requests to the remote tier that failed.
    remote_errors,
    /// Unreadable entries found, and removed.
    poisoned,
    /// Times the bus subscription was lost.
    bus_losses,
}

/// One counter. Relaxed: it orders nothing.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn up(&self) {
        self.add(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Stats {
    /// The share of reads that process memory answered, from 0 to 1; 0 without reads.
    #[must_use]
    pub fn hit_rate_local(&self) -> f64 {
        share(self.hits_local, self.reads())
    }

    /// The share of reads that the remote tier answered, from 0 to 1; 0 without reads.
    #[must_use]
    pub fn hit_rate_remote(&self) -> f64 {
        share(self.hits_remote, self.reads())
    }

    /// Reads that did not go past the cache.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.hits_local + self.hits_remote + self.hits_scope + self.hits_degraded + self.misses + self.joined
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share does not need more than 52 bits")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
