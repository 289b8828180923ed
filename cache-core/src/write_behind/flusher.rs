//! The task that carries one shard of the journal into the database.

use std::{sync::Arc, time::Duration};

use rand::Rng;
use sea_orm::DbErr;

use super::{
    coalesce::coalesce,
    core::{Core, Phase},
    entity::WriteBehindEntity,
    fault::{Fault, fault},
    position, statements,
    transact::{self, Work, Written},
};
use crate::{
    error::{Error, ErrorKind},
    event::Event,
    ports::journal::{Burial, Position, Record, ShardState},
    tag::Tag,
};

/// Between two looks at a journal that other processes append to as well.
const POLL_MIN: Duration = Duration::from_millis(10);
const POLL_MAX: Duration = Duration::from_millis(500);

/// An error that is in no list counts as the data's after so many attempts in a row.
const UNKNOWN_ATTEMPTS: u32 = 5;

/// The flusher of a shard.
pub(super) struct Flusher<E: WriteBehindEntity> {
    core: Arc<Core<E>>,
    shard: u32,
    /// How far the shard is written, unless that has to be asked of the database.
    position: Option<Position>,
    failures: u32,
    unknown: u32,
}

/// What came of an attempt to flush.
enum Flushed {
    /// So many records are gone from the journal.
    Some(usize),
    /// Another process flushes this shard.
    Elsewhere,
}

/// Why an attempt ended.
#[derive(Debug)]
enum Failure {
    /// The database is not able to, whatever the data.
    Database(DbErr),
    Journal(Error),
    /// Another process has written the shard.
    Fenced,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Journal(error)
    }
}

impl<E: WriteBehindEntity> Flusher<E> {
    pub(super) fn new(core: &Arc<Core<E>>, shard: u32) -> Self {
        Self { core: Arc::clone(core), shard, position: None, failures: 0, unknown: 0 }
    }

    /// Flushes by size, by time and on demand, until the end.
    pub(super) async fn run(mut self) {
        // What is left of what was seen: others append, and nobody else takes out.
        let mut left: Option<ShardState> = None;
        while self.core.phase() != Phase::Ended {
            let state = match left.take().filter(|state| self.is_enough(state)) {
                Some(state) => state,
                None => match self.core.journal.look(self.shard).await {
                    Ok(state) => state,
                    Err(error) => {
                        self.failed(&Failure::Journal(error)).await;
                        continue;
                    }
                },
            };
            self.core.note(self.shard, &state);
            if self.core.phase() == Phase::Draining && state.records == 0 {
                break;
            }
            if !self.is_due(&state) {
                self.wait(&state).await;
                continue;
            }
            match self.flush().await {
                Ok(Flushed::Some(gone)) => {
                    self.failures = 0;
                    let records = state.records.saturating_sub(gone as u64);
                    left = (gone > 0).then_some(ShardState { records, ..state });
                }
                Ok(Flushed::Elsewhere) => self.wait(&ShardState::default()).await,
                Err(Failure::Fenced) => {
                    self.core.counters.fenced.add(1);
                    self.position = None;
                }
                Err(failure) => self.failed(&failure).await,
            }
        }
        // The lease would end by itself.
        let _ = self.core.journal.release(self.shard, self.core.owner).await;
        self.core.settled.notify_waiters();
    }

    /// Whether there is a whole batch, or as much as the journal takes.
    fn is_enough(&self, state: &ShardState) -> bool {
        let settings = &self.core.settings;
        state.records >= (settings.batch_size as u64).min(settings.backlog_per_shard())
    }

    fn is_due(&self, state: &ShardState) -> bool {
        state.records > 0
            && (self.is_enough(state)
                || state.oldest_age >= self.core.settings.flush_interval
                || state.oldest.is_some_and(|oldest| oldest <= state.demanded)
                || self.core.phase() != Phase::Open)
    }

    async fn wait(&self, state: &ShardState) {
        let interval = self.core.settings.flush_interval;
        let due = if state.records == 0 { interval } else { interval.saturating_sub(state.oldest_age) };
        let most = match self.core.journal.is_shared() {
            true => (interval / 4).clamp(POLL_MIN, POLL_MAX),
            false => interval,
        };
        let Ok(lane) = self.core.lane(self.shard) else { return };
        tokio::select! {
            () = self.core.clock.sleep(due.min(most).max(Duration::from_millis(1))) => {}
            () = lane.wake.notified() => {}
        }
    }

    /// Waits longer after each failure; half of it is random, so that flushers do not come back together.
    async fn failed(&mut self, failure: &Failure) {
        let settings = &self.core.settings;
        // Whether the batch was committed is not known.
        self.position = None;
        self.core.counters.retries.add(1);
        let error = match failure {
            Failure::Database(error) => Error::new(ErrorKind::Database, format!("cannot flush: {error}")),
            Failure::Journal(error) => error.clone(),
            Failure::Fenced => return,
        };
        tracing::debug!(journal = self.core.journal.identity(), shard = self.shard, %error, "write-behind waits");
        self.engine_tell(&Event::FlushFailed { journal: self.core.journal.identity(), error: &error });
        let most = settings.retry_min.saturating_mul(1_u32 << self.failures.min(20)).min(settings.retry_max);
        self.failures = self.failures.saturating_add(1);
        let pause = most.mul_f64(rand::rng().random_range(0.5..=1.0));
        let core = &self.core;
        let end = async {
            // Only the end cuts a pause short.
            while core.phase() == Phase::Open {
                match core.lane(self.shard) {
                    Ok(lane) => lane.wake.notified().await,
                    Err(_) => return,
                }
            }
            if core.phase() == Phase::Draining {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = core.clock.sleep(pause) => {}
            () = end => {}
        }
    }

    /// Claims the oldest records, skips what is in the database already, and writes the others.
    async fn flush(&mut self) -> Result<Flushed, Failure> {
        let (core, shard) = (Arc::clone(&self.core), self.shard);
        let count = core.settings.batch_size;
        let Some(records) = core.journal.claim(shard, core.owner, core.settings.lease, count).await? else {
            return Ok(Flushed::Elsewhere);
        };
        let position = self.position().await?;
        let written = records.partition_point(|record| record.position <= position);
        let (done, fresh) = records.split_at(written);
        if !done.is_empty() {
            core.counters.replayed.add(done.len() as u64);
            self.acknowledge(done).await?;
        }
        self.write(fresh).await?;
        Ok(Flushed::Some(records.len()))
    }

    async fn position(&mut self) -> Result<Position, Failure> {
        if let Some(position) = self.position {
            return Ok(position);
        }
        let core = &self.core;
        let asking =
            position::read_or_begin(core.db.inner(), core.journal.identity(), self.shard, core.clock.unix_ms());
        let position = match core.clock.timeout(core.settings.write_deadline, asking).await {
            Some(position) => position.map_err(Failure::Database)?,
            None => return Err(Failure::Database(DbErr::Custom("no answer about the position".to_owned()))),
        };
        self.position = Some(position);
        Ok(position)
    }

    /// Writes records in their order, as many at a time as the database takes: where it refuses the data, half as many, until
    /// the record that it refuses is alone.
    async fn write(&mut self, records: &[Record]) -> Result<(), Failure> {
        let mut rest = records;
        let mut take = rest.len();
        while let Some(first) = rest.first() {
            let part = rest.get(..take.clamp(1, rest.len())).unwrap_or(rest);
            let batch = match coalesce::<E>(part) {
                Ok(batch) => batch,
                Err(unreadable) if unreadable.at == 0 => {
                    self.bury(first, &unreadable.error.to_string()).await?;
                    rest = rest.get(1..).unwrap_or_default();
                    continue;
                }
                Err(unreadable) => {
                    take = unreadable.at;
                    continue;
                }
            };
            let (taken, to) = (batch.records, batch.to);
            let statements = statements::of_batch(self.core.db.get_database_backend(), &batch.rows);
            let rows = batch.rows.len();
            drop(batch);
            let from = self.position().await?;
            let result = match statements {
                Ok(statements) => {
                    let work = Work { statements, rows, records: taken, from, to };
                    transact::write(&self.core, self.shard, work).await
                }
                Err(error) => Err(error),
            };
            match result {
                Ok(Written::Fenced) => return Err(Failure::Fenced),
                Ok(Written::Yes(tags)) => {
                    self.position = Some(to);
                    self.unknown = 0;
                    self.land(tags).await;
                    let (written, others) = rest.split_at(taken.min(rest.len()));
                    self.acknowledge(written).await?;
                    rest = others;
                    take = take.saturating_mul(2).min(records.len());
                }
                Err(error) if !self.is_of_the_data(&error) => return Err(Failure::Database(error)),
                Err(error) => {
                    if part.len() == 1 {
                        self.bury(first, &error.to_string()).await?;
                        rest = rest.get(1..).unwrap_or_default();
                        take = records.len();
                    } else {
                        self.core.counters.splits.add(1);
                        take = part.len() / 2;
                    }
                }
            }
        }
        Ok(())
    }

    fn is_of_the_data(&mut self, error: &DbErr) -> bool {
        match fault(error) {
            Fault::Data => true,
            Fault::Passing => false,
            Fault::Unknown => {
                self.unknown = self.unknown.saturating_add(1);
                self.unknown >= UNKNOWN_ATTEMPTS
            }
        }
    }

    /// What is pending must not be forgotten before every node knows that its entries are stale: an older value would be seen again.
    async fn land(&self, tags: Vec<Tag>) {
        let mut pause = self.core.settings.retry_min;
        while !tags.is_empty() && self.core.phase() != Phase::Ended {
            if self.core.db.cache().invalidate(tags.clone()).await.is_done() {
                return;
            }
            self.core.clock.sleep(pause).await;
            pause = (pause * 2).min(self.core.settings.retry_max);
        }
    }

    async fn acknowledge(&self, records: &[Record]) -> Result<(), Failure> {
        self.core.journal.acknowledge(self.shard, records).await?;
        self.has_settled();
        Ok(())
    }

    async fn bury(&mut self, record: &Record, error: &str) -> Result<(), Failure> {
        let core = Arc::clone(&self.core);
        let burial = Burial {
            position: record.position,
            error,
            dead_max: core.settings.dead_letters_max.div_ceil(u64::from(core.settings.shards.max(1))),
        };
        core.journal.bury(self.shard, core.owner, burial).await?;
        // Whoever had claimed the record as well finds the position moved, and does not write what may be retried.
        let work =
            Work { statements: Vec::new(), rows: 0, records: 0, from: self.position().await?, to: record.position };
        let moved = transact::write(&core, self.shard, work).await;
        core.counters.buried.add(1);
        tracing::warn!(
            journal = core.journal.identity(),
            shard = self.shard,
            position = record.position,
            error,
            "dead letter"
        );
        self.engine_tell(&Event::DeadLetter { journal: core.journal.identity(), error });
        self.has_settled();
        match moved.map_err(Failure::Database)? {
            Written::Yes(_) => {
                self.position = Some(record.position);
                Ok(())
            }
            Written::Fenced => Err(Failure::Fenced),
        }
    }

    fn has_settled(&self) {
        self.core.settled.notify_waiters();
        if let Ok(lane) = self.core.lane(self.shard) {
            lane.appender.room.notify_one();
        }
    }

    fn engine_tell(&self, event: &Event<'_>) {
        self.core.db.cache().engine().tell(event);
    }
}
