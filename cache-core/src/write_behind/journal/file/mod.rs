//! A journal in a file of one process, which survives it.

mod format;
mod log;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;

use self::{format::Event, log::Log};
use super::shard::Shard;
use crate::{
    clock::{Clock, Moment},
    engine::blocking,
    error::{Error, ErrorKind},
    ports::journal::{
        Appended, Burial, DeadRecord, Group, Journal, OwnerId, Pending, Position, Record, Revived, ShardState,
    },
    write_behind::settings::Fsync,
};

/// A file of less is not rewritten.
const REWRITE_BYTES_MIN: u64 = 1 << 20;

/// Shards in memory, and the file from which they can be made again. What is in memory is in the file already.
///
/// Writing happens on threads for work that blocks, one step at a time.
pub struct FileJournal {
    identity: String,
    syncs_late: bool,
    kept: Arc<Kept>,
}

struct Kept {
    clock: Clock,
    identity: String,
    /// Locked first, and only where blocking is allowed.
    log: Mutex<Log>,
    shards: Vec<Mutex<Shard>>,
}

impl FileJournal {
    /// Opens the journal in a directory, or begins one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Setting`] if another process uses the directory, or the number of shards has changed while operations wait;
    /// [`ErrorKind::Journal`] if the file cannot be read or written.
    pub fn open(directory: &Path, name: &str, shards: u32, fsync: Fsync, clock: &Clock) -> Result<Self, Error> {
        let (log, events) = Log::open(directory, fsync, clock)?;
        let known = match events.first() {
            Some(Event::Began { identity, shards }) => Some((identity.clone(), *shards)),
            _ => None,
        };
        let (identity, made_with) =
            known.unwrap_or_else(|| (format!("file:{name}:{:016x}", rand::random::<u64>()), shards));
        let mut restored: Vec<Shard> = (0..made_with).map(|_| Shard::default()).collect();
        for event in events {
            restore(&mut restored, event);
        }
        let is_empty = restored.iter().all(|shard| shard.len() == 0 && shard.dead_len() == 0);
        let (identity, restored) = if made_with == shards {
            (identity, restored)
        } else if is_empty {
            let identity = format!("file:{name}:{:016x}", rand::random::<u64>());
            (identity, (0..shards).map(|_| Shard::default()).collect())
        } else {
            return Err(Error::new(
                ErrorKind::Setting,
                format!("shards: is {shards}, and {made_with} in the journal, which is not empty: drain it first"),
            ));
        };
        let kept = Kept {
            clock: clock.clone(),
            identity: identity.clone(),
            shards: restored.into_iter().map(Mutex::new).collect(),
            log: Mutex::new(log),
        };
        kept.rewrite(&mut lock(&kept.log))?;
        Ok(Self { identity, syncs_late: matches!(fsync, Fsync::Interval(_)), kept: Arc::new(kept) })
    }

    /// Does work that writes, where it may block. It is done to its end even if nobody waits for it any more.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Kept, &mut Log) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let kept = Arc::clone(&self.kept);
        let done = blocking(move || {
            let mut log = lock(&kept.log);
            work(&kept, &mut log)
        });
        done.await.unwrap_or_else(|| Err(Error::new(ErrorKind::Closed, "the runtime has ended")))
    }
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Events of a shard that is not there are those of a file that nobody has written.
fn restore(shards: &mut [Shard], event: Event) {
    let mut on = |shard: u32, change: &mut dyn FnMut(&mut Shard)| {
        if let Some(shard) = usize::try_from(shard).ok().and_then(|at| shards.get_mut(at)) {
            change(shard);
        }
    };
    match event {
        Event::Began { .. } => {}
        Event::Stood { shard, tail, acknowledged } => on(shard, &mut |shard| shard.stood(tail, acknowledged)),
        // When it was accepted is not known: long ago.
        Event::Appended { shard, record } => on(shard, &mut |shard| shard.append(record.clone(), Moment::ZERO)),
        Event::Acknowledged { shard, position } => on(shard, &mut |shard| shard.acknowledge(position)),
        Event::Buried { shard, position, died_unix_ms, error } => on(shard, &mut |shard| {
            shard.bury(position, &error, died_unix_ms);
        }),
        Event::Dead { shard, record, died_unix_ms, superseded, error } => on(shard, &mut |shard| {
            shard.was_dead(DeadRecord { record: record.clone(), error: error.clone(), died_unix_ms, superseded });
        }),
        Event::Forgotten { shard, position } => on(shard, &mut |shard| {
            shard.forget(position);
        }),
    }
}

impl Kept {
    fn shard(&self, shard: u32) -> Result<MutexGuard<'_, Shard>, Error> {
        super::of_shard(&self.shards, shard).map(lock)
    }

    fn append(&self, log: &mut Log, number: u32, group: Group<'_>) -> Result<Appended, Error> {
        let now = self.clock.now();
        let mut shard = self.shard(number)?;
        if let Some(outcomes) = shard.known_group(group.owner, group.sequence) {
            return Ok(Appended { outcomes, backlog: shard.len() });
        }
        let plan = shard.plan(group.entries, group.backlog_max);
        let events: Vec<Event> =
            plan.records.iter().map(|record| Event::Appended { shard: number, record: record.clone() }).collect();
        if !events.is_empty() {
            log.append(&events, true)?;
        }
        let outcomes = shard.carry_out(plan, group.owner, group.sequence, now);
        Ok(Appended { outcomes, backlog: shard.len() })
    }

    fn acknowledge(&self, log: &mut Log, number: u32, position: Position) -> Result<(), Error> {
        // Not brought to the disk: what is claimed again is found to be in the database.
        log.append(&[Event::Acknowledged { shard: number, position }], false)?;
        self.shard(number)?.acknowledge(position);
        if log.bytes() > REWRITE_BYTES_MIN.max(self.live_bytes().saturating_mul(2)) {
            self.rewrite(log)?;
        }
        Ok(())
    }

    fn revive(&self, log: &mut Log, number: u32, position: Position) -> Result<Revived, Error> {
        let mut shard = self.shard(number)?;
        let entry = match shard.revivable(position).cloned() {
            Ok(entry) => entry,
            Err(refusal) => return Ok(refusal),
        };
        let record = Record { position: shard.next(), entry };
        let events =
            [Event::Forgotten { shard: number, position }, Event::Appended { shard: number, record: record.clone() }];
        log.append(&events, true)?;
        shard.forget(position);
        shard.append(record, self.clock.now());
        Ok(Revived::Yes)
    }

    fn live_bytes(&self) -> u64 {
        self.shards.iter().map(|shard| lock(shard).bytes()).sum()
    }

    /// Makes the file hold nothing but what is still of use.
    fn rewrite(&self, log: &mut Log) -> Result<(), Error> {
        let count = u32::try_from(self.shards.len()).unwrap_or(u32::MAX);
        let mut events = vec![Event::Began { identity: self.identity.clone(), shards: count }];
        for (number, shard) in (0..).zip(&self.shards) {
            let shard = lock(shard);
            let (tail, acknowledged) = shard.stands();
            events.push(Event::Stood { shard: number, tail, acknowledged });
            events.extend(shard.dead(usize::MAX).into_iter().map(|dead| Event::Dead {
                shard: number,
                record: dead.record,
                died_unix_ms: dead.died_unix_ms,
                superseded: dead.superseded,
                error: dead.error,
            }));
            events.extend(shard.oldest(usize::MAX).into_iter().map(|record| Event::Appended { shard: number, record }));
        }
        log.rewrite(&events)
    }
}

impl Journal for FileJournal {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn is_volatile(&self) -> bool {
        false
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn open(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn append<'a>(&'a self, shard: u32, group: Group<'a>) -> BoxFuture<'a, Result<Appended, Error>> {
        let (owner, sequence, backlog_max) = (group.owner, group.sequence, group.backlog_max);
        let entries = group.entries.to_vec();
        Box::pin(
            self.write(move |kept, log| {
                kept.append(log, shard, Group { owner, sequence, entries: &entries, backlog_max })
            }),
        )
    }

    fn look(&self, shard: u32) -> BoxFuture<'_, Result<ShardState, Error>> {
        Box::pin(async move {
            let state = self.kept.shard(shard).map(|shard| shard.state(self.kept.clock.now()));
            // The last operations before a pause have to get to the disk as well.
            if self.syncs_late {
                self.write(|_, log| log.sync_late()).await?;
            }
            state
        })
    }

    fn demand(&self, shard: u32, position: Position) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.kept.shard(shard).map(|mut shard| shard.demand(position)) })
    }

    fn claim(
        &self,
        shard: u32,
        _: OwnerId,
        _: Duration,
        count: usize,
    ) -> BoxFuture<'_, Result<Option<Vec<Record>>, Error>> {
        Box::pin(async move { self.kept.shard(shard).map(|shard| Some(shard.oldest(count))) })
    }

    fn acknowledge<'a>(&'a self, shard: u32, records: &'a [Record]) -> BoxFuture<'a, Result<(), Error>> {
        let Some(to) = records.last().map(|last| last.position) else { return Box::pin(std::future::ready(Ok(()))) };
        Box::pin(self.write(move |kept, log| kept.acknowledge(log, shard, to)))
    }

    fn bury<'a>(&'a self, number: u32, _: OwnerId, burial: Burial<'a>) -> BoxFuture<'a, Result<(), Error>> {
        let (position, error, dead_max) = (burial.position, burial.error.to_owned(), burial.dead_max);
        Box::pin(self.write(move |kept, log| {
            let mut shard = kept.shard(number)?;
            if shard.dead_len() >= dead_max {
                return Err(Burial { position, error: &error, dead_max }.too_many());
            }
            let died_unix_ms = kept.clock.unix_ms();
            let event = Event::Buried { shard: number, position, died_unix_ms, error: error.clone() };
            log.append(&[event], true)?;
            shard.bury(position, &error, died_unix_ms);
            Ok(())
        }))
    }

    fn release(&self, _: u32, _: OwnerId) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn pending<'a>(&'a self, shard: u32, key: &'a [u8], written: Position) -> BoxFuture<'a, Result<Pending, Error>> {
        Box::pin(async move { self.kept.shard(shard).map(|shard| shard.pending(key, written)) })
    }

    fn dead(&self, shard: u32, limit: usize) -> BoxFuture<'_, Result<Vec<DeadRecord>, Error>> {
        Box::pin(async move { self.kept.shard(shard).map(|shard| shard.dead(limit)) })
    }

    fn revive(&self, shard: u32, position: Position) -> BoxFuture<'_, Result<Revived, Error>> {
        Box::pin(self.write(move |kept, log| kept.revive(log, shard, position)))
    }

    fn forget(&self, number: u32, position: Position) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(self.write(move |kept, log| {
            let mut shard = kept.shard(number)?;
            if !shard.has_dead(position) {
                return Ok(false);
            }
            log.append(&[Event::Forgotten { shard: number, position }], true)?;
            Ok(shard.forget(position))
        }))
    }
}
