//! Carries invalidations from the table `cache_outbox` to the remote tier.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::Notify;

use super::outbox::{self, OUTBOX_TABLE, OutboxRow};
use crate::{
    cache::Cache,
    clock::Clock,
    engine::{Engine, WhenRemoteIsDown},
    error::Error,
    event::Event,
    ports::{EndWith, RemoteTier},
    tag::Tag,
};

/// Rows taken at a time.
const BATCH_ROWS: usize = 16;

/// Tags made stale at a time.
const BATCH_TAGS: usize = 256;

/// Between two looks at an empty table: only rows of other nodes are found by looking, and they look themselves.
const IDLE: Duration = Duration::from_secs(5);

/// Between two attempts while the remote tier or the database fails.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// A running relay. It stops when the cache is closed or dropped, or the connection is closed.
#[derive(Clone)]
pub(super) struct Relay(Arc<Signals>);

#[derive(Default)]
struct Signals {
    wake: Notify,
    stopped: AtomicBool,
}

struct Work {
    engine: Weak<Engine>,
    clock: Clock,
    remote: Arc<dyn RemoteTier>,
    namespace: String,
    db: DatabaseConnection,
    signals: Arc<Signals>,
}

enum Failure {
    Remote(Error),
    Database(DbErr),
}

impl Relay {
    /// Starts a relay if the cache wants one.
    pub(super) fn start(cache: &Cache, db: &DatabaseConnection) -> Option<Self> {
        let engine = cache.engine();
        if engine.settings().when_remote_is_down != WhenRemoteIsDown::Outbox || !engine.remote().is_shared() {
            return None;
        }
        let signals = Arc::new(Signals::default());
        let work = Work {
            engine: Arc::downgrade(engine),
            clock: engine.clock().clone(),
            remote: Arc::clone(engine.remote()),
            namespace: engine.settings().namespace.clone(),
            db: db.clone(),
            signals: Arc::clone(&signals),
        };
        engine.tasks().spawn_loop(work.run());
        Some(Self(signals))
    }

    /// Makes it look at the table now.
    pub(super) fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Ends it.
    pub(super) fn stop(&self) {
        self.0.stopped.store(true, Ordering::Release);
        self.wake();
    }
}

impl Work {
    async fn run(self) {
        let mut backoff = BACKOFF_MIN;
        while self.engine.strong_count() > 0 && !self.signals.stopped.load(Ordering::Acquire) {
            let pause = match self.drain().await {
                Ok(()) => {
                    backoff = BACKOFF_MIN;
                    IDLE
                }
                Err(failure) => {
                    self.report(&failure);
                    let pause = backoff;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                    // What woke it in vain is not to wake it again at once.
                    self.clock.sleep(pause).await;
                    continue;
                }
            };
            tokio::select! {
                () = self.clock.sleep(pause) => {}
                () = self.signals.wake.notified() => {}
            }
        }
    }

    /// Takes rows in the order of their ids until there are none. A row is deleted after its tags have landed, so that a
    /// crash repeats it; other nodes may take the same rows, which makes the tags stale twice and does no harm.
    async fn drain(&self) -> Result<(), Failure> {
        loop {
            let rows = outbox::oldest(&self.db, &self.namespace, BATCH_ROWS).await.map_err(Failure::Database)?;
            if rows.is_empty() {
                return Ok(());
            }
            self.land(&rows).await.map_err(Failure::Remote)?;
            outbox::delete(&self.db, &rows).await.map_err(Failure::Database)?;
        }
    }

    async fn land(&self, rows: &[OutboxRow]) -> Result<(), Error> {
        let mut tags: Vec<Tag> = rows.iter().flat_map(|row| row.tags.iter().cloned()).collect();
        tags.sort_unstable();
        tags.dedup();
        for tags in tags.chunks(BATCH_TAGS) {
            // An id that holds nothing makes the tags stale, whatever their state.
            self.remote.end_intent(tags, rand::random(), EndWith::Absent).await?;
            if let Some(engine) = self.engine.upgrade() {
                engine.tell(&Event::Landed { tags });
            }
        }
        Ok(())
    }

    fn report(&self, failure: &Failure) {
        let Some(engine) = self.engine.upgrade() else { return };
        match failure {
            Failure::Remote(error) => engine.remote_failed("relay the outbox", error),
            Failure::Database(error) => {
                engine.warn_once(&format!("the table {OUTBOX_TABLE} cannot be drained: {error}"));
            }
        }
    }
}
