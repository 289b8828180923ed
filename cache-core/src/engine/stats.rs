//! Counters of what the cache did.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use crate::engine::call::Function;

/// Declares the counters once: those of each function, and those of the node, as atomics and as public snapshots.
macro_rules! counters {
    (
        functions { $($(#[$function_doc:meta])* $function:ident: $counter:ident),+ $(,)? }
        node { $($(#[$node_doc:meta])* $node:ident),+ $(,)? }
    ) => {
        /// The live counters of one function.
        #[derive(Default)]
        pub(crate) struct FunctionCounters {
            $(pub(crate) $function: $counter,)+
            pub(crate) load_nanos: Counter,
            pub(crate) load_nanos_max: Counter,
        }

        /// The live counters of what belongs to no function.
        #[derive(Default)]
        pub(crate) struct NodeCounters {
            $(pub(crate) $node: Counter,)+
        }

        /// What a cache has done since it was built.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$function_doc])* pub $function: u64,)+
            $($(#[$node_doc])* pub $node: u64,)+
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

        /// What a cache has done for one function since it was built.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct FunctionStats {
            /// The function's name in keys; `""` for direct use of the cache, `query.one` and so on for the query form.
            pub name: &'static str,
            /// The module that it stands in.
            pub module: &'static str,
            $($(#[$function_doc])* pub $function: u64,)+
            /// What its loaders took in all, without their waiting for a place.
            pub load_time: Duration,
            /// What the slowest of them took.
            pub load_time_max: Duration,
        }

        impl FunctionCounters {
            pub(crate) fn snapshot(&self, of: &Function) -> FunctionStats {
                FunctionStats {
                    name: of.name(),
                    module: of.module(),
                    $($function: self.$function.get(),)+
                    load_time: Duration::from_nanos(self.load_nanos.get()),
                    load_time_max: Duration::from_nanos(self.load_nanos_max.get()),
                }
            }

            pub(crate) fn add_to(&self, stats: &mut Stats) {
                $(stats.$function += self.$function.get();)+
            }
        }

        impl NodeCounters {
            pub(crate) fn snapshot(&self) -> Stats {
                Stats { $($node: self.$node.get(),)+ ..Stats::default() }
            }
        }
    };
}

counters! {
    functions {
        /// Reads answered from process memory.
        hits_local: HotCounter,
        /// Reads answered from the remote tier.
        hits_remote: Counter,
        /// Reads answered by what the same request had read before.
        hits_scope: Counter,
        /// Reads that no tier could answer.
        misses: Counter,
        /// Reads that shared another caller's load.
        joined: Counter,
        /// Reads answered by an entry past its TTL, as the policy allows.
        stale_served: Counter,
        /// Reads answered during an outage of the remote tier by a value younger than `degraded_ttl`.
        hits_degraded: Counter,
        /// Valid entries loaded anew before their end.
        refreshes: Counter,
        /// Reads that waited for another process's load.
        lock_waits: Counter,
        /// Loads that waited for one of `loads_in_flight_max` places.
        place_waits: Counter,
        /// Reads that went past the cache: inside transactions, or with arguments that cannot be a key.
        bypasses: Counter,
        /// Times a loader ran.
        loads: Counter,
        /// Times a loader failed.
        load_errors: Counter,
        /// Values stored.
        fills: Counter,
        /// Values loaded and not stored.
        fills_refused: Counter,
        /// Values that their writer stored itself.
        write_through: Counter,
        /// Values that their writer could not store: another write came between, or the remote tier did not answer.
        write_through_refused: Counter,
    }
    node {
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
}

/// One counter. Relaxed: it orders nothing.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn up(&self) {
        self.add(1);
    }

    /// As [`up`](Self::up), if nobody else writes to the counter.
    #[inline]
    fn up_alone(&self) {
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Keeps the largest.
    pub(crate) fn raise(&self, n: u64) {
        self.0.fetch_max(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many threads have a share of their own of every [`HotCounter`].
const OWN_SHARES: usize = 8;

/// A counter that is raised by every hit: threads do not write to one another's memory, and the first so many need no atomic addition.
#[derive(Default)]
pub(crate) struct HotCounter {
    own: [Share; OWN_SHARES],
    /// Of all other threads.
    common: Share,
}

/// A line of memory of its own.
#[derive(Default)]
#[repr(align(128))]
struct Share(Counter);

/// Which shares have an owner: a bit for each.
static OWNED: AtomicUsize = AtomicUsize::new(0);

/// Which share a thread counts in.
#[derive(Clone, Copy)]
enum Whose {
    NotChosen,
    Own(usize),
    Common,
}

thread_local! {
    /// A place that needs no initialisation is found faster.
    static SHARE: Cell<Whose> = const { Cell::new(Whose::NotChosen) };
    static OWNER: Cell<Option<Owner>> = const { Cell::new(None) };
}

/// Gives a share back at the end of its thread.
struct Owner(usize);

impl Drop for Owner {
    fn drop(&mut self) {
        SHARE.set(Whose::Common);
        // Whoever owns the share next goes on from what this thread has written.
        OWNED.fetch_and(!(1 << self.0), Ordering::Release);
    }
}

#[cold]
fn choose_share() -> Whose {
    let free = |owned: usize| (0..OWN_SHARES).find(|share| owned & 1 << share == 0);
    let owned = OWNED.fetch_update(Ordering::Acquire, Ordering::Relaxed, |owned| Some(owned | 1 << free(owned)?));
    let whose = match owned.ok().and_then(free) {
        Some(share) => {
            let owner = Owner(share);
            // A thread that is ending has no place for it any more, and drops it here.
            match OWNER.try_with(|place| place.set(Some(owner))) {
                Ok(()) => Whose::Own(share),
                Err(_) => Whose::Common,
            }
        }
        None => Whose::Common,
    };
    SHARE.set(whose);
    whose
}

impl HotCounter {
    #[inline]
    pub(crate) fn up(&self) {
        let whose = match SHARE.get() {
            Whose::NotChosen => choose_share(),
            whose => whose,
        };
        match whose {
            Whose::Own(share) => {
                if let Some(Share(counter)) = self.own.get(share) {
                    counter.up_alone();
                }
            }
            Whose::Common | Whose::NotChosen => self.common.0.up(),
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.own.iter().map(|share| share.0.get()).sum::<u64>() + self.common.0.get()
    }
}

impl FunctionCounters {
    pub(crate) fn loaded(&self, cost: Duration, ok: bool) {
        let nanos = u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX);
        self.loads.up();
        self.load_nanos.add(nanos);
        self.load_nanos_max.raise(nanos);
        if !ok {
            self.load_errors.up();
        }
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

impl FunctionStats {
    /// The share of reads that either tier answered, from 0 to 1; 0 without reads.
    #[must_use]
    pub fn hit_rate(&self) -> f64 {
        share(self.hits_local + self.hits_remote, self.reads())
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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn hits_of_more_threads_than_have_a_share_are_all_counted() {
        const THREADS: usize = 3 * OWN_SHARES;
        const HITS: u64 = 1_000;
        let counter = HotCounter::default();
        // Twice, so that the second threads own what the first have given back.
        for rounds in 1..=2 {
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| (0..HITS).for_each(|_| counter.up()));
                }
            });
            assert_eq!(counter.get(), rounds * HITS * THREADS as u64);
        }
        let own = counter.own.iter().filter(|share| share.0.get() > 0).count();
        assert!(own > 0, "some threads owned a share");
    }
}
