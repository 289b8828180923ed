//! Invalidations that have not reached the remote tier yet, retried until they land.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    engine::{Engine, cells::Pins},
    error::{Error, ErrorKind},
    event::Event,
    ports::EndWith,
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

/// The queue.
pub(crate) struct Deferred {
    waiting: Mutex<Vec<Waiting>>,
    /// Numbers what is queued, in order.
    next: AtomicU64,
    tags: AtomicUsize,
    tags_max: usize,
    wake: Notify,
}

struct Waiting {
    number: u64,
    tags: Vec<Tag>,
    /// Keeps the tags pending on this node.
    _pins: Pins,
}

impl Deferred {
    pub(crate) fn new(tags_max: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            next: AtomicU64::new(0),
            tags: AtomicUsize::new(0),
            tags_max,
            wake: Notify::new(),
        }
    }

    /// The number of tags that wait.
    pub(crate) fn len(&self) -> usize {
        self.tags.load(Ordering::Acquire)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::AcqRel)
    }

    fn recount(&self, waiting: &[Waiting]) {
        self.tags.store(waiting.iter().map(|one| one.tags.len()).sum(), Ordering::Release);
    }
}

impl Engine {
    /// Takes over an invalidation that could not be told.
    pub(crate) fn defer(&self, tags: Vec<Tag>, pins: Pins, error: &Error) {
        self.counters.deferrals.up();
        tracing::warn!(tags = tags.len(), error = %error, "invalidation deferred; it is retried");
        self.tell(&Event::Deferred { tags: &tags, error });
        let mut waiting = self.deferred.waiting();
        waiting.push(Waiting { number: self.deferred.number(), tags, _pins: pins });
        self.deferred.recount(&waiting);
        if self.deferred.len() > self.deferred.tags_max {
            // Bounded, and still nothing is lost: one tag that every entry depends on stands for them all.
            let mut all = Pins::new();
            self.pin(&mut all, &[Tag::all()]);
            *waiting = vec![Waiting { number: self.deferred.number(), tags: vec![Tag::all()], _pins: all }];
            self.deferred.recount(&waiting);
        }
        drop(waiting);
        self.deferred.wake.notify_one();
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
pub(crate) async fn drain(engine: &Engine, patience: Duration) -> Result<(), Error> {
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
async fn attempt(engine: &Engine) -> bool {
    let (batch, before) = {
        let waiting = engine.deferred.waiting();
        let batch: Vec<Tag> = waiting.iter().flat_map(|one| one.tags.iter()).take(BATCH).cloned().collect();
        (batch, engine.deferred.number())
    };
    if batch.is_empty() {
        return true;
    }
    // An id that holds nothing makes the tags stale, whatever their state.
    if let Err(error) = engine.remote.end_intent(&batch, rand::random(), EndWith::Absent).await {
        engine.remote_failed("land a deferred invalidation", &error);
        return false;
    }
    let mut waiting = engine.deferred.waiting();
    // What was queued since may be about a later commit: it has to land by itself.
    for one in waiting.iter_mut().filter(|one| one.number < before) {
        one.tags.retain(|tag| !batch.contains(tag));
    }
    waiting.retain(|one| !one.tags.is_empty());
    engine.deferred.recount(&waiting);
    drop(waiting);
    engine.tell(&Event::Landed { tags: &batch });
    true
}
