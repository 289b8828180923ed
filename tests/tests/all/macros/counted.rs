//! A remote tier that counts its round trips.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use sea_orm_cache::{
    __testing::{
        Captured, EndWith, Ended, Fetched, IntentId, LockRequest, LockToken, RemoteTier, ScanCursor, ScanPage,
        StoreRequest,
    },
    Error, Tag,
};

/// Fetches, captures and stores so far.
#[derive(Default)]
pub(crate) struct Trips([AtomicUsize; 3]);

impl Trips {
    pub(crate) fn so_far(&self) -> [usize; 3] {
        [0, 1, 2].map(|at: usize| self.0[at].load(Ordering::Relaxed))
    }

    fn up(&self, at: usize) {
        self.0[at].fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) struct Counted {
    pub(crate) tier: Arc<dyn RemoteTier>,
    pub(crate) trips: Arc<Trips>,
}

impl RemoteTier for Counted {
    fn fetch<'a>(&'a self, keys: &'a [&'a str], tags: &'a [Tag]) -> BoxFuture<'a, Result<Fetched, Error>> {
        self.trips.up(0);
        self.tier.fetch(keys, tags)
    }

    fn capture<'a>(
        &'a self,
        tags: &'a [Tag],
        ttl: Duration,
        locks: &'a [LockRequest<'a>],
    ) -> BoxFuture<'a, Result<Captured, Error>> {
        self.trips.up(1);
        self.tier.capture(tags, ttl, locks)
    }

    fn store<'a>(&'a self, entries: &'a [StoreRequest<'a>]) -> BoxFuture<'a, Result<(), Error>> {
        self.trips.up(2);
        self.tier.store(entries)
    }

    fn unlock<'a>(&'a self, key: &'a str, token: LockToken) -> BoxFuture<'a, Result<(), Error>> {
        self.tier.unlock(key, token)
    }

    fn begin_intent<'a>(
        &'a self,
        tags: &'a [Tag],
        id: IntentId,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<bool>, Error>> {
        self.tier.begin_intent(tags, id, lease)
    }

    fn end_intent<'a>(
        &'a self,
        tags: &'a [Tag],
        id: IntentId,
        end: EndWith,
    ) -> BoxFuture<'a, Result<Vec<Ended>, Error>> {
        self.tier.end_intent(tags, id, end)
    }

    fn remove<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<u64, Error>> {
        self.tier.remove(keys)
    }

    fn scan<'a>(
        &'a self,
        pattern: &'a str,
        from: Option<ScanCursor>,
        count: usize,
    ) -> BoxFuture<'a, Result<ScanPage, Error>> {
        self.tier.scan(pattern, from, count)
    }

    fn ttl<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Duration>, Error>> {
        self.tier.ttl(key)
    }

    fn advise(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        self.tier.advise()
    }

    fn is_shared(&self) -> bool {
        self.tier.is_shared()
    }
}
