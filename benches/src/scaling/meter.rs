//! A remote tier and a bus that count what passes through them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures_util::future::BoxFuture;
use sea_orm_cache::{
    __testing::{Around, Bus, BusListener, RemoteTier, Request},
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

fn lengths(keys: &[&str]) -> usize {
    keys.iter().map(|key| key.len()).sum()
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

/// The text in a request.
fn bytes(request: Request<'_>) -> usize {
    match request {
        Request::Fetch { keys, tags } => lengths(keys) + texts(tags),
        Request::Capture { tags, locks } => texts(tags) + locks.iter().map(|lock| lock.key.len() + 8).sum::<usize>(),
        Request::Store(entries) => entries.iter().map(|entry| entry.key.len() + entry.bytes.len()).sum(),
        Request::Unlock(key) => key.len() + 8,
        Request::Begin(tags) | Request::End(tags) => texts(tags) + 16 * tags.len(),
        Request::Remove(keys) => lengths(keys),
        Request::Scan(text) | Request::Ttl(text) => text.len(),
        Request::Advise => 0,
    }
}

impl Around for Meter {
    fn inner(&self) -> &dyn RemoteTier {
        &*self.tier
    }

    fn pass<'a, T: Send + 'a>(
        &'a self,
        request: Request<'a>,
        reply: BoxFuture<'a, Result<T, Error>>,
    ) -> BoxFuture<'a, Result<T, Error>> {
        if !matches!(request, Request::Advise) {
            self.counts.request(bytes(request));
        }
        reply
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
