//! A remote tier and a bus that count what passes through them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
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

/// What has passed, of all nodes.
#[derive(Default)]
pub(super) struct Counts {
    requests: AtomicU64,
    request_bytes: AtomicU64,
    messages: AtomicU64,
    message_bytes: AtomicU64,
}

/// The counts at one moment.
pub(super) struct Snapshot {
    pub(super) requests: u64,
    pub(super) request_bytes: u64,
    pub(super) messages: u64,
    pub(super) message_bytes: u64,
}

impl Counts {
    pub(super) fn snapshot(&self) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            requests: get(&self.requests),
            request_bytes: get(&self.request_bytes),
            messages: get(&self.messages),
            message_bytes: get(&self.message_bytes),
        }
    }

    /// One round trip with this much text in it; what the protocol adds is not counted.
    fn request(&self, bytes: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.request_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn message(&self, bytes: usize) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.message_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

fn texts(tags: &[Tag]) -> usize {
    tags.iter().map(|tag| tag.as_str().len()).sum()
}

/// A tier that counts requests.
pub(super) struct Meter {
    tier: Arc<dyn RemoteTier>,
    counts: Arc<Counts>,
}

impl Meter {
    pub(super) fn new(tier: Arc<dyn RemoteTier>, counts: Arc<Counts>) -> Self {
        Self { tier, counts }
    }
}

impl RemoteTier for Meter {
    fn fetch<'a>(&'a self, keys: &'a [&'a str], tags: &'a [Tag]) -> BoxFuture<'a, Result<Fetched, Error>> {
        self.counts.request(keys.iter().map(|key| key.len()).sum::<usize>() + texts(tags));
        self.tier.fetch(keys, tags)
    }

    fn capture<'a>(
        &'a self,
        tags: &'a [Tag],
        ttl: Duration,
        locks: &'a [LockRequest<'a>],
    ) -> BoxFuture<'a, Result<Captured, Error>> {
        self.counts.request(texts(tags) + locks.iter().map(|lock| lock.key.len() + 8).sum::<usize>());
        self.tier.capture(tags, ttl, locks)
    }

    fn store<'a>(&'a self, entries: &'a [StoreRequest<'a>]) -> BoxFuture<'a, Result<(), Error>> {
        self.counts.request(entries.iter().map(|entry| entry.key.len() + entry.bytes.len()).sum());
        self.tier.store(entries)
    }

    fn unlock<'a>(&'a self, key: &'a str, token: LockToken) -> BoxFuture<'a, Result<(), Error>> {
        self.counts.request(key.len() + 8);
        self.tier.unlock(key, token)
    }

    fn begin_intent<'a>(
        &'a self,
        tags: &'a [Tag],
        id: IntentId,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<bool>, Error>> {
        self.counts.request(texts(tags) + 16 * tags.len());
        self.tier.begin_intent(tags, id, lease)
    }

    fn end_intent<'a>(
        &'a self,
        tags: &'a [Tag],
        id: IntentId,
        end: EndWith,
    ) -> BoxFuture<'a, Result<Vec<Ended>, Error>> {
        self.counts.request(texts(tags) + 16 * tags.len());
        self.tier.end_intent(tags, id, end)
    }

    fn remove<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<u64, Error>> {
        self.counts.request(keys.iter().map(|key| key.len()).sum());
        self.tier.remove(keys)
    }

    fn scan<'a>(
        &'a self,
        pattern: &'a str,
        from: Option<ScanCursor>,
        count: usize,
    ) -> BoxFuture<'a, Result<ScanPage, Error>> {
        self.counts.request(pattern.len());
        self.tier.scan(pattern, from, count)
    }

    fn ttl<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Duration>, Error>> {
        self.counts.request(key.len());
        self.tier.ttl(key)
    }

    fn advise(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        self.tier.advise()
    }

    fn is_shared(&self) -> bool {
        self.tier.is_shared()
    }
}

/// A bus that counts what it delivers; pings are not counted.
pub(super) struct MeteredBus {
    bus: Arc<dyn Bus>,
    counts: Arc<Counts>,
}

impl MeteredBus {
    pub(super) fn new(bus: Arc<dyn Bus>, counts: Arc<Counts>) -> Self {
        Self { bus, counts }
    }
}

impl Bus for MeteredBus {
    fn run(&self, listener: Arc<dyn BusListener>) -> BoxFuture<'_, Result<(), Error>> {
        self.bus.run(Arc::new(Listener { listener, counts: Arc::clone(&self.counts) }))
    }

    fn ping(&self, nonce: u64) -> BoxFuture<'_, Result<(), Error>> {
        self.bus.ping(nonce)
    }

    fn is_synchronous(&self) -> bool {
        self.bus.is_synchronous()
    }
}

struct Listener {
    listener: Arc<dyn BusListener>,
    counts: Arc<Counts>,
}

impl BusListener for Listener {
    fn subscribed(&self) {
        self.listener.subscribed();
    }

    fn invalidated(&self, tag: &str) {
        self.counts.message(tag.len());
        self.listener.invalidated(tag);
    }

    fn removed(&self, key: &str) {
        self.counts.message(key.len());
        self.listener.removed(key);
    }

    fn pinged(&self, nonce: u64) {
        self.listener.pinged(nonce);
    }

    fn lost(&self) {
        self.listener.lost();
    }
}
