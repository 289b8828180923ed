//! What the handle, the appenders and the flushers of one write-behind share.

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::sync::Notify;

use super::{
    appender::Appender,
    entity::WriteBehindEntity,
    settings::Settings,
    stats::{Counters, Seen, WriteBehindStats},
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind},
    orm::CachedConnection,
    ports::journal::{Journal, OwnerId, ShardState},
};

pub(super) struct Core<E: WriteBehindEntity> {
    pub(super) db: CachedConnection,
    pub(super) clock: Clock,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) settings: Settings,
    pub(super) owner: OwnerId,
    pub(super) lanes: Vec<Lane>,
    pub(super) counters: Counters,
    /// Something was acknowledged, or has become a dead letter.
    pub(super) settled: Notify,
    phase: AtomicU8,
    entity: PhantomData<fn() -> E>,
}

/// This process's side of a shard.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) appender: Appender,
    /// Wakes the flusher.
    pub(super) wake: Notify,
    pub(super) seen: Seen,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Open,
    /// Nothing more is accepted; what is there is flushed at once.
    Draining,
    /// The flushers end.
    Ended,
}

impl<E: WriteBehindEntity> Core<E> {
    pub(super) fn new(db: &CachedConnection, journal: Arc<dyn Journal>, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            db: db.clone(),
            clock: db.cache().engine().clock().clone(),
            journal,
            owner: rand::random(),
            lanes: (0..settings.shards).map(|_| Lane::default()).collect(),
            settings,
            counters: Counters::default(),
            settled: Notify::new(),
            phase: AtomicU8::new(0),
            entity: PhantomData,
        })
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Open,
            1 => Phase::Draining,
            _ => Phase::Ended,
        }
    }

    /// Moves on to a phase; never back.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        for lane in &self.lanes {
            lane.wake.notify_one();
        }
        self.settled.notify_waiters();
    }

    pub(super) fn lane(&self, shard: u32) -> Result<&Lane, Error> {
        let lane = usize::try_from(shard).ok().and_then(|at| self.lanes.get(at));
        lane.ok_or_else(|| Error::new(ErrorKind::Setting, format!("there is no shard {shard}")))
    }

    /// Keeps what a look has shown, for the figures.
    pub(super) fn note(&self, shard: u32, state: &ShardState) {
        if let Ok(lane) = self.lane(shard) {
            lane.seen.note(state);
        }
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = u32> + use<E> {
        0..self.settings.shards
    }

    /// The shard of a key.
    pub(super) fn shard_of(&self, key: &[u8]) -> u32 {
        let hash = xxhash_rust::xxh3::xxh3_64(key);
        u32::try_from(hash % u64::from(self.settings.shards.max(1))).unwrap_or(0)
    }

    /// Runs work in the background, until the cache is closed.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> bool {
        self.db.cache().engine().tasks().spawn_loop(work)
    }

    pub(super) fn stats(&self) -> WriteBehindStats {
        self.counters.snapshot(self.lanes.iter().map(|lane| &lane.seen))
    }
}

/// The error of an operation that comes after the end.
pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the write-behind was closed")
}
