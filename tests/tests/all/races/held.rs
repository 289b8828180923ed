//! A remote tier whose replies, and a bus whose messages, a test can keep back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use futures_util::future::BoxFuture;
use sea_orm_cache::{
    __testing::{Around, Bus, BusListener, RemoteTier, Request},
    Error,
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

impl Around for HeldTier {
    fn inner(&self) -> &dyn RemoteTier {
        &*self.tier
    }

    fn pass<'a, T: Send + 'a>(
        &'a self,
        request: Request<'a>,
        reply: BoxFuture<'a, Result<T, Error>>,
    ) -> BoxFuture<'a, Result<T, Error>> {
        match request {
            Request::Fetch { .. } => Box::pin(async move {
                let reply = reply.await;
                self.gate.pass().await;
                reply
            }),
            Request::End(_) => Box::pin(async move {
                self.ends.pass().await;
                reply.await
            }),
            _ => reply,
        }
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
