//! Invalidations that have not reached the remote tier yet, retried until they land.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    engine::{Engine, cells::Pins},
    error::{Error, ErrorKind},
    event::Event,
    tag::Tag,
};

/// Between two attempts.
const BACKOFF_MIN: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_millis(500);

/// Tags per attempt.
const BATCH: usize = 256;

/// What became of an invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a deferred invalidation has not reached the other nodes yet"]
pub enum Invalidation {
    /// Every node sees it: at once for strict reads, after one bus delivery for bounded ones.
    Done,
    /// It could not be told to the remote tier. No read on this node serves what was to be made stale; other nodes may, until
    /// the retries in the background land or their entries end.
    Deferred,
}

impl Invalidation {
    /// Whether every node sees it.
    #[must_use]
    pub fn is_done(self) -> bool {
        self == Self::Done
    }
}

/// The queue: each tag once, however often it was to be made stale.
pub(crate) struct Deferred {
    waiting: Mutex<Waiting>,
    tags_max: usize,
    wake: Notify,
}

#[derive(Default)]
struct Waiting {
    /// Each tag with the number of its latest invalidation, and what keeps it pending on this node.
    tags: HashMap<Tag, (u64, Pins)>,
    /// Numbers what is queued and what is attempted, in order.
    next: u64,
}

impl Deferred {
    pub(crate) fn new(tags_max: usize) -> Self {
        Self { waiting: Mutex::default(), tags_max, wake: Notify::new() }
    }

    /// The number of tags that wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting().tags.len()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Engine {
    /// Takes over an invalidation that could not be told.
    pub(crate) fn defer(&self, tags: &[Tag], error: &Error) {
        self.counters.deferrals.up();
        tracing::warn!(tags = tags.len(), error = %error, "invalidation deferred; it is retried");
        self.tell(&Event::Deferred { tags, error });
        let mut waiting = self.deferred.waiting();
        for tag in tags {
            self.queue(&mut waiting, tag);
        }
        if waiting.tags.len() > self.deferred.tags_max {
            // Bounded, and still nothing is lost: one tag that every entry depends on stands for them all. It is pinned before
            // the others are let go.
            self.queue(&mut waiting, &Tag::all());
            waiting.tags.retain(|tag, _| *tag == Tag::all());
        }
        drop(waiting);
        self.deferred.wake.notify_one();
    }

    fn queue(&self, waiting: &mut Waiting, tag: &Tag) {
        let number = waiting.number();
        let (latest, _) = waiting.tags.entry(tag.clone()).or_insert_with(|| {
            let mut pins = Pins::new();
            self.pin(&mut pins, std::slice::from_ref(tag));
            (number, pins)
        });
        *latest = number;
    }
}

/// Starts the retries.
pub(crate) fn start(engine: &Arc<Engine>) {
    let weak = Arc::downgrade(engine);
    let clock = engine.clock.clone();
    engine.tasks.spawn_loop(async move {
        let mut backoff = BACKOFF_MIN;
        loop {
            let Some(engine) = weak.upgrade() else { return };
            let landed = attempt(&engine).await;
            let idle = engine.deferred.len() == 0;
            if landed {
                backoff = BACKOFF_MIN;
            }
            if idle {
                // The engine is not kept alive by its own idle retries.
                let deferred = Arc::clone(&engine.deferred);
                drop(engine);
                deferred.wake.notified().await;
            } else if !landed {
                drop(engine);
                clock.sleep(backoff.mul_f64(rand::random_range(0.5..1.0))).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
    });
}

/// Lands what waits, for at most `patience`.
pub(crate) async fn drain(engine: &Arc<Engine>, patience: Duration) -> Result<(), Error> {
    let landed = engine.clock.timeout(patience, async {
        while engine.deferred.len() > 0 {
            if !attempt(engine).await {
                engine.clock.sleep(BACKOFF_MIN).await;
            }
        }
    });
    landed.await.ok_or_else(|| {
        Error::new(
            ErrorKind::Timeout,
            format!("closed with {} tags whose invalidation has not reached the remote tier", engine.deferred.len()),
        )
    })
}

/// Tries to land one batch. Returns whether it did.
async fn attempt(engine: &Arc<Engine>) -> bool {
    let (batch, before) = {
        let mut waiting = engine.deferred.waiting();
        let batch: Vec<Tag> = waiting.tags.keys().take(BATCH).cloned().collect();
        (batch, waiting.number())
    };
    if batch.is_empty() {
        return true;
    }
    if let Err(error) = engine.end(&batch, rand::random()).await {
        engine.remote_failed("land a deferred invalidation", &error);
        return false;
    }
    let landed: Vec<(u64, Pins)> = {
        let mut waiting = engine.deferred.waiting();
        // What was queued since may be about a later commit: it has to land by itself.
        let is_done = |tag: &&Tag| waiting.tags.get(*tag).is_some_and(|(number, _)| *number < before);
        let done: Vec<&Tag> = batch.iter().filter(is_done).collect();
        done.into_iter().filter_map(|tag| waiting.tags.remove(tag)).collect()
    };
    drop(landed);
    engine.tell(&Event::Landed { tags: &batch });
    true
}
