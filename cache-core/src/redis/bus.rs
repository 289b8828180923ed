//! The bus over Redis pub/sub.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture};
use redis::{Msg, RedisError, aio::PubSubStream, cmd};
use tokio::sync::Notify;

use crate::{
    clock::Moment,
    error::{Error, ErrorKind},
    ports::{Bus, BusListener},
    redis::{
        link::{Link, failed},
        names::Names,
        scripts::TAGS_APART,
        tier::read,
    },
};

/// No ping waits for its echo.
const NONE: u64 = 0;

/// A bus over Redis pub/sub, on a connection of its own.
pub(super) struct RedisBus {
    link: Arc<Link>,
    names: Names,
    /// The channel of this node's own pings.
    echo: String,
    /// When the oldest ping was sent after which nothing has been heard, in nanoseconds of the clock.
    unheard: AtomicU64,
    /// The server says that nobody is subscribed.
    deaf: Notify,
    /// Which of the servers is asked for the next subscription.
    turn: AtomicUsize,
}

impl RedisBus {
    pub(super) fn new(link: Arc<Link>, names: Names) -> Self {
        let echo = names.ping(rand::random());
        Self { link, names, echo, unheard: AtomicU64::new(NONE), deaf: Notify::new(), turn: AtomicUsize::new(0) }
    }

    async fn subscribe(&self) -> Result<PubSubStream, Error> {
        let clients = self.link.clients();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % clients.len().max(1);
        let Some(client) = clients.get(turn) else {
            return Err(Error::new(ErrorKind::Setting, "redis url: is missing"));
        };
        let channels = [self.names.bus(), self.names.removed(), &self.echo];
        let subscribing = async {
            let mut connection = client.get_async_pubsub().await?;
            connection.subscribe(&channels).await?;
            Ok::<_, RedisError>(connection.into_on_message())
        };
        match self.link.clock().timeout(self.link.settings().connect_deadline, subscribing).await {
            Some(done) => done.map_err(|error| failed("subscribe to the bus", error)),
            None => Err(Error::new(ErrorKind::Timeout, "redis did not answer in time: cannot subscribe to the bus")),
        }
    }

    /// Delivers until the connection ends, or has been silent for too long.
    async fn deliver(&self, mut messages: PubSubStream, listener: &dyn BusListener) -> Error {
        let silence_max = self.link.settings().silence_max;
        let mut look = self.link.clock().sleep(silence_max / 4);
        loop {
            tokio::select! {
                biased;
                message = messages.next() => match message {
                    Some(message) => {
                        self.unheard.store(NONE, Ordering::Release);
                        self.tell(&message, listener);
                    }
                    None => return lost("the connection ended"),
                },
                () = self.deaf.notified() => return lost("the server has forgotten the subscription"),
                () = &mut look => {
                    if self.silence() >= silence_max {
                        return lost("pings are not answered");
                    }
                    look = self.link.clock().sleep(silence_max / 4);
                }
            }
        }
    }

    fn tell(&self, message: &Msg, listener: &dyn BusListener) {
        // Whatever is not text was not published by this library.
        let Ok(text) = std::str::from_utf8(message.get_payload_bytes()) else { return };
        let channel = message.get_channel_name();
        if channel == self.names.bus() {
            text.split(TAGS_APART).for_each(|tag| listener.invalidated(tag));
        } else if channel == self.names.removed() {
            listener.removed(text);
        } else if let Ok(nonce) = text.parse() {
            listener.pinged(nonce);
        }
    }

    fn silence(&self) -> Duration {
        match self.unheard.load(Ordering::Acquire) {
            NONE => Duration::ZERO,
            since => self.link.clock().now().since(Moment::from_nanos(since)),
        }
    }

    async fn run(&self, listener: Arc<dyn BusListener>) -> Result<(), Error> {
        let messages = self.subscribe().await?;
        self.unheard.store(NONE, Ordering::Release);
        listener.subscribed();
        let error = self.deliver(messages, listener.as_ref()).await;
        listener.lost();
        Err(error)
    }

    async fn ping(&self, nonce: u64) -> Result<(), Error> {
        let sent = self.link.clock().now().to_nanos().max(1);
        let publish = cmd("PUBLISH").arg(&self.echo).arg(nonce).take();
        // Before sending: the echo may be here before the answer.
        let first = self.unheard.compare_exchange(NONE, sent, Ordering::AcqRel, Ordering::Acquire).is_ok();
        let replies = self.link.ask("ping the bus", [vec![publish]]).await;
        if replies.is_err() && first {
            // Not sent as far as is known: its silence says nothing about the subscription.
            let _ = self.unheard.compare_exchange(sent, NONE, Ordering::AcqRel, Ordering::Acquire);
        }
        for reply in replies? {
            // A server of a cluster counts only its own subscribers.
            if self.link.is_single() && read::<i64>("ping the bus", reply)? == 0 {
                self.deaf.notify_waiters();
            }
        }
        Ok(())
    }
}

fn lost(why: &'static str) -> Error {
    Error::new(ErrorKind::Unreachable, format!("the bus subscription in redis was lost: {why}"))
}

impl Bus for RedisBus {
    fn run(&self, listener: Arc<dyn BusListener>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.run(listener))
    }

    fn ping(&self, nonce: u64) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.ping(nonce))
    }

    fn is_synchronous(&self) -> bool {
        false
    }
}
