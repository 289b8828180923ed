//! What write-behind has done, in numbers.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::ports::journal::ShardState;

/// What a [`WriteBehind`](crate::WriteBehind) has done since it was built, and the state of its journal as of its last look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteBehindStats {
    /// Operations in the journal that are not in the database yet, of all nodes.
    pub backlog: u64,
    /// How long the oldest of them has waited.
    pub oldest_age: Duration,
    /// Dead letters in the journal, of all nodes.
    pub dead_letters: u64,
    /// Operations that this node has accepted.
    pub accepted: u64,
    /// Operations that this node has refused: no room, journal not reached, sum too large.
    pub refused: u64,
    /// Operations that this node has written, of whichever node.
    pub written: u64,
    /// Rows that these were after coalescing.
    pub rows: u64,
    /// Transactions that this node has committed.
    pub batches: u64,
    /// Rows of the last of them.
    pub last_batch_rows: u64,
    /// How long the last of them took.
    pub last_flush: Duration,
    /// How long all of them took.
    pub flush_total: Duration,
    /// Batches that failed through no fault of their rows, and were tried again.
    pub retries: u64,
    /// Batches that were split to find a row that the database refuses.
    pub splits: u64,
    /// Operations that this node has made dead letters.
    pub buried: u64,
    /// Operations that were in the database already when they were claimed: written before a crash, or by a flusher that was replaced.
    pub replayed: u64,
    /// Batches that were given up since another node had written the shard meanwhile.
    pub fenced: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) accepted: Counter,
    pub(super) refused: Counter,
    pub(super) written: Counter,
    pub(super) rows: Counter,
    pub(super) batches: Counter,
    pub(super) last_batch_rows: Counter,
    pub(super) last_flush_micros: Counter,
    pub(super) flush_micros: Counter,
    pub(super) retries: Counter,
    pub(super) splits: Counter,
    pub(super) buried: Counter,
    pub(super) replayed: Counter,
    pub(super) fenced: Counter,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A shard as it was when it was last looked at.
#[derive(Debug, Default)]
pub(super) struct Seen {
    records: Counter,
    oldest_micros: Counter,
    dead: Counter,
}

impl Seen {
    pub(super) fn note(&self, state: &ShardState) {
        self.records.set(state.records);
        self.oldest_micros.set(micros(state.oldest_age));
        self.dead.set(state.dead);
    }
}

impl Counters {
    pub(super) fn snapshot<'a>(&self, shards: impl Iterator<Item = &'a Seen>) -> WriteBehindStats {
        let mut stats = WriteBehindStats {
            accepted: self.accepted.get(),
            refused: self.refused.get(),
            written: self.written.get(),
            rows: self.rows.get(),
            batches: self.batches.get(),
            last_batch_rows: self.last_batch_rows.get(),
            last_flush: Duration::from_micros(self.last_flush_micros.get()),
            flush_total: Duration::from_micros(self.flush_micros.get()),
            retries: self.retries.get(),
            splits: self.splits.get(),
            buried: self.buried.get(),
            replayed: self.replayed.get(),
            fenced: self.fenced.get(),
            ..WriteBehindStats::default()
        };
        for shard in shards {
            stats.backlog += shard.records.get();
            stats.dead_letters += shard.dead.get();
            stats.oldest_age = stats.oldest_age.max(Duration::from_micros(shard.oldest_micros.get()));
        }
        stats
    }
}

pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
