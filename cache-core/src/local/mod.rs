//! Process memory, on moka.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use moka::{Expiry, policy::EvictionPolicy, sync::Cache};

use crate::ports::LocalTier;

/// A moka cache of whatever the engine stores.
pub(crate) struct MokaTier<E: ?Sized + Send + Sync + 'static> {
    cache: Cache<Arc<str>, Stored<E>>,
    capacity_bytes: Option<u64>,
}

struct Stored<E: ?Sized> {
    entry: Arc<E>,
    weight: u32,
    ttl: Duration,
}

impl<E: ?Sized> Clone for Stored<E> {
    fn clone(&self) -> Self {
        Self { entry: Arc::clone(&self.entry), weight: self.weight, ttl: self.ttl }
    }
}

/// Entries go when their own TTL ends, counted anew when one is replaced.
struct OwnTtl;

impl<E: ?Sized> Expiry<Arc<str>, Stored<E>> for OwnTtl {
    fn expire_after_create(&self, _: &Arc<str>, stored: &Stored<E>, _: Instant) -> Option<Duration> {
        Some(stored.ttl)
    }

    fn expire_after_update(
        &self,
        _: &Arc<str>,
        stored: &Stored<E>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(stored.ttl)
    }
}

impl<E: ?Sized + Send + Sync + 'static> MokaTier<E> {
    /// A tier of `capacity` bytes or entries that evicts by recency, or else by frequency. `left` is called with each entry that was
    /// replaced or removed by its key, before that call returns; with others that leave, soon after.
    pub(crate) fn new(capacity: u64, counts_bytes: bool, lru: bool, left: fn(&E)) -> Self {
        let cache = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_: &Arc<str>, stored: &Stored<E>| stored.weight)
            .eviction_policy(if lru { EvictionPolicy::lru() } else { EvictionPolicy::tiny_lfu() })
            .expire_after(OwnTtl)
            .support_invalidation_closures()
            .eviction_listener(move |_, stored: Stored<E>, _| left(&stored.entry))
            .build();
        Self { cache, capacity_bytes: counts_bytes.then_some(capacity) }
    }
}

impl<E: ?Sized + Send + Sync + 'static> LocalTier<E> for MokaTier<E> {
    fn get(&self, key: &str) -> Option<Arc<E>> {
        self.cache.get(key).map(|stored| stored.entry)
    }

    fn put(&self, key: &str, entry: Arc<E>, weight: u32, ttl: Duration) {
        if !ttl.is_zero() {
            self.cache.insert(Arc::from(key), Stored { entry, weight, ttl });
        }
    }

    fn remove(&self, key: &str) {
        self.cache.invalidate(key);
    }

    fn remove_matching(&self, matches: Box<dyn Fn(&str) -> bool + Send + Sync>) {
        // Fails only without `support_invalidation_closures`.
        let _predicate = self.cache.invalidate_entries_if(move |key, _| matches(key));
    }

    fn clear(&self) {
        self.cache.invalidate_all();
    }

    fn size(&self) -> (u64, u64) {
        self.cache.run_pending_tasks();
        (self.cache.entry_count(), self.cache.weighted_size())
    }

    fn capacity_bytes(&self) -> Option<u64> {
        self.capacity_bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn the_capacity_holds_in_bytes_and_in_entries() {
        for (counts_bytes, weight, expected) in [(true, 100, 10), (false, 1, 1_000)] {
            let tier = MokaTier::<u32>::new(1_000, counts_bytes, false, |_| ());
            for n in 0..5_000 {
                tier.put(&n.to_string(), Arc::new(n), weight, Duration::from_secs(60));
            }
            let (entries, size) = tier.size();
            assert!(size <= 1_000, "{size}");
            assert_eq!(entries, expected);
        }
    }

    #[test]
    fn lru_keeps_what_was_used_last() {
        let tier = MokaTier::<u32>::new(10, false, true, |_| ());
        for n in 0..20 {
            tier.put(&n.to_string(), Arc::new(n), 1, Duration::from_secs(60));
            tier.size();
        }
        assert_eq!(tier.get("19").as_deref(), Some(&19));
        assert_eq!(tier.get("0"), None);
    }
    #[test]
    fn an_entry_has_left_when_the_call_that_replaces_or_removes_it_returns() {
        let tier = MokaTier::<AtomicU32>::new(10, false, false, |entry| _ = entry.fetch_add(1, Ordering::Relaxed));
        let (first, second) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        tier.put("k", Arc::clone(&first), 1, Duration::from_secs(60));
        tier.put("k", Arc::clone(&second), 1, Duration::from_secs(60));
        assert_eq!((first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)), (1, 0));
        tier.remove("k");
        assert_eq!(second.load(Ordering::Relaxed), 1);
    }
}
