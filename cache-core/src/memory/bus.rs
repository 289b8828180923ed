//! The bus of the memory tier: delivery within the publishing call, unless a test holds it back.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use crate::{
    error::{Error, ErrorKind},
    memory::{Call, Guarded, MemoryNode, Point},
    ports::{Bus, BusListener},
    tag::Tag,
};

/// How a test steers one node's subscription.
#[derive(Debug, Default)]
pub(super) struct BusControl {
    paused: Arc<AtomicBool>,
    cut: Notify,
}

/// One standing subscription.
pub(super) struct Subscription {
    node: u32,
    listener: Arc<dyn BusListener>,
    paused: Arc<AtomicBool>,
    over: AtomicBool,
    queue: Mutex<VecDeque<Message>>,
    /// Held while the listener is called, so that it hears messages in the order in which they were queued.
    delivery: Mutex<()>,
}

#[derive(Clone)]
enum Message {
    Invalidated(Tag),
    Removed(String),
    Pinged(u64),
}

impl Guarded {
    /// Queues a message for every subscription. The caller still holds the lock under which the tag changed.
    pub(super) fn publish(&self, tag: &Tag) {
        self.push(&Message::Invalidated(tag.clone()));
    }

    /// As [`publish`](Self::publish), for a removed entry.
    pub(super) fn publish_removed(&self, key: &str) {
        self.push(&Message::Removed(key.to_owned()));
    }

    fn push(&self, message: &Message) {
        for subscription in &self.subscriptions {
            subscription.push(message.clone());
        }
    }
}

impl MemoryNode {
    /// Keeps messages for this node in its queue from now on.
    pub fn pause_bus(&self) {
        self.bus.paused.store(true, Ordering::Release);
    }

    /// Delivers what is in the queue, and from now on everything at once.
    pub fn resume_bus(&self) {
        self.bus.paused.store(false, Ordering::Release);
        self.deliver();
    }

    /// Delivers what is in this node's queue; returns how many messages that were.
    pub fn deliver(&self) -> usize {
        let mut delivered = 0;
        while self.deliver_next() {
            delivered += 1;
        }
        delivered
    }

    /// Delivers the oldest message in this node's queue, if there is one.
    pub fn deliver_next(&self) -> bool {
        self.subscription().is_some_and(|subscription| subscription.deliver_one())
    }

    /// How many messages wait for this node.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        self.subscription().map_or(0, |subscription| subscription.queue().len())
    }

    /// Breaks this node's subscription: what is queued is lost, the listener hears `lost`, and `run` returns.
    pub fn cut_bus(&self) {
        // From this moment nothing more is delivered, even if the task of `run` comes to its turn late.
        self.unsubscribe();
        self.bus.cut.notify_waiters();
    }

    fn subscription(&self) -> Option<Arc<Subscription>> {
        self.inner.lock().subscriptions.iter().find(|subscription| subscription.node == self.id).cloned()
    }

    fn unsubscribe(&self) {
        self.inner.lock().subscriptions.retain(|subscription| {
            let keep = subscription.node != self.id;
            if !keep {
                subscription.over.store(true, Ordering::Release);
            }
            keep
        });
    }

    /// Delivers what was published, to every node that is not paused.
    pub(super) fn deliver_published(&self) {
        let subscriptions = self.inner.lock().subscriptions.clone();
        for subscription in subscriptions {
            subscription.flush();
        }
    }

    async fn subscribe(&self, listener: Arc<dyn BusListener>) -> Result<(), Error> {
        self.faults.meet(Call::Subscribe, Point::Before).await?;
        let cut = self.bus.cut.notified();
        tokio::pin!(cut);
        cut.as_mut().enable();
        let subscription = Arc::new(Subscription {
            node: self.id,
            listener: Arc::clone(&listener),
            paused: Arc::clone(&self.bus.paused),
            over: AtomicBool::new(false),
            queue: Mutex::default(),
            delivery: Mutex::default(),
        });
        let _standing = Standing(self);
        {
            let _first = subscription.delivery.lock().unwrap_or_else(PoisonError::into_inner);
            self.unsubscribe();
            self.inner.lock().subscriptions.push(Arc::clone(&subscription));
            listener.subscribed();
        }
        subscription.flush();
        if self.inner.shared {
            cut.await;
        } else {
            pending::<()>().await;
        }
        listener.lost();
        Err(Error::new(ErrorKind::Unreachable, "the subscription of the memory bus was cut"))
    }
}

impl Subscription {
    fn push(&self, message: Message) {
        self.queue().push_back(message);
    }

    fn flush(&self) {
        while !self.paused.load(Ordering::Acquire) && self.deliver_one() {}
    }

    /// Returns after every message that was queued before the call was delivered, be it by another thread.
    fn deliver_one(&self) -> bool {
        let _order = self.delivery.lock().unwrap_or_else(PoisonError::into_inner);
        let message = if self.over.load(Ordering::Acquire) { None } else { self.queue().pop_front() };
        match &message {
            Some(Message::Invalidated(tag)) => self.listener.invalidated(tag.as_str()),
            Some(Message::Removed(key)) => self.listener.removed(key),
            Some(Message::Pinged(nonce)) => self.listener.pinged(*nonce),
            None => {}
        }
        message.is_some()
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the subscription when `run` returns or is dropped.
struct Standing<'a>(&'a MemoryNode);

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.unsubscribe();
    }
}

impl Bus for MemoryNode {
    fn run(&self, listener: Arc<dyn BusListener>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.subscribe(listener))
    }

    fn ping(&self, nonce: u64) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.faults.meet(Call::Ping, Point::Before).await?;
            if let Some(subscription) = self.subscription() {
                subscription.push(Message::Pinged(nonce));
            }
            self.deliver_published();
            self.faults.meet(Call::Ping, Point::After).await
        })
    }

    fn is_synchronous(&self) -> bool {
        !self.inner.shared
    }
}
