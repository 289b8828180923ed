//! A remote tier whose replies, and a bus whose messages, a test can keep back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use sea_orm_cache::{
    __testing::{
        Bus, BusListener, Captured, EndWith, Ended, Fetched, IntentId, LockRequest, LockToken, RemoteTier, ScanCursor,
        ScanPage, StoreRequest,
    },
    Error, Tag,
};
use tokio::sync::{Semaphore, watch};

/// Keeps the next call of a kind back.
#[derive(Debug)]
pub(crate) struct ReplyGate {
    armed: AtomicBool,
    reached: Semaphore,
    open: Semaphore,
}

impl ReplyGate {
    pub(crate) fn new() -> Self {
        Self { armed: AtomicBool::new(false), reached: Semaphore::new(0), open: Semaphore::new(0) }
    }

    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::Release);
    }

    /// Waits until a reply has come to the gate.
    pub(crate) async fn reached(&self) {
        self.reached.acquire().await.expect("it is never closed").forget();
    }

    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }

    async fn pass(&self) {
        if self.armed.swap(false, Ordering::AcqRel) {
            self.reached.add_permits(1);
            self.open.acquire().await.expect("it is never closed").forget();
        }
    }
}

/// A tier behind gates: one for the replies to `fetch`, one for the requests that end an intent.
pub(crate) struct HeldTier {
    pub(crate) tier: Arc<dyn RemoteTier>,
    pub(crate) gate: Arc<ReplyGate>,
    pub(crate) ends: Arc<ReplyGate>,
}

impl RemoteTier for HeldTier {
    fn fetch<'a>(&'a self, keys: &'a [&'a str], tags: &'a [Tag]) -> BoxFuture<'a, Result<Fetched, Error>> {
        Box::pin(async move {
            let reply = self.tier.fetch(keys, tags).await;
            self.gate.pass().await;
            reply
        })
    }

    fn capture<'a>(
        &'a self,
        tags: &'a [Tag],
        ttl: Duration,
        locks: &'a [LockRequest<'a>],
    ) -> BoxFuture<'a, Result<Captured, Error>> {
        self.tier.capture(tags, ttl, locks)
    }

    fn store<'a>(&'a self, entries: &'a [StoreRequest<'a>]) -> BoxFuture<'a, Result<(), Error>> {
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
        Box::pin(async move {
            self.ends.pass().await;
            self.tier.end_intent(tags, id, end).await
        })
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

/// What a node has heard of tags.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    count: watch::Sender<u64>,
    deaf: AtomicBool,
    missed: AtomicU64,
}

impl Ear {
    /// From now on messages about tags are lost; pings are not, so that the lease holds.
    pub(crate) fn close(&self) {
        self.deaf.store(true, Ordering::Release);
    }

    pub(crate) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Acquire)
    }

    pub(crate) fn heard(&self) -> u64 {
        *self.count.borrow()
    }

    pub(crate) async fn wait_until_more_than(&self, heard: u64) {
        let mut count = self.count.subscribe();
        count.wait_for(|count| *count > heard).await.expect("the sender is here");
    }
}

/// A bus whose messages pass an [`Ear`].
pub(crate) struct HeldBus {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) ear: Arc<Ear>,
}

impl Bus for HeldBus {
    fn run(&self, listener: Arc<dyn BusListener>) -> BoxFuture<'_, Result<(), Error>> {
        self.bus.run(Arc::new(Through { listener, ear: Arc::clone(&self.ear) }))
    }

    fn ping(&self, nonce: u64) -> BoxFuture<'_, Result<(), Error>> {
        self.bus.ping(nonce)
    }

    fn is_synchronous(&self) -> bool {
        self.bus.is_synchronous()
    }
}

struct Through {
    listener: Arc<dyn BusListener>,
    ear: Arc<Ear>,
}

impl BusListener for Through {
    fn subscribed(&self) {
        self.listener.subscribed();
    }

    fn invalidated(&self, tag: &str) {
        if self.ear.deaf.load(Ordering::Acquire) {
            self.ear.missed.fetch_add(1, Ordering::AcqRel);
            return;
        }
        self.listener.invalidated(tag);
        self.ear.count.send_modify(|count| *count += 1);
    }

    fn removed(&self, key: &str) {
        self.listener.removed(key);
    }

    fn pinged(&self, nonce: u64) {
        self.listener.pinged(nonce);
    }

    fn lost(&self) {
        self.listener.lost();
    }
}
