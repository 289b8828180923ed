//! A journal in process memory, which a crash loses.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::shard::Shard;
use crate::{
    clock::Clock,
    error::Error,
    ports::journal::{
        Appended, Burial, DeadRecord, Group, Journal, OwnerId, Pending, Position, Record, Revived, ShardState,
    },
};

/// Shards behind mutexes. One process flushes, so that there is no question of ownership.
pub struct MemoryJournal {
    identity: String,
    clock: Clock,
    shards: Vec<Mutex<Shard>>,
}

impl MemoryJournal {
    /// A journal with a fresh identity.
    #[must_use]
    pub fn new(name: &str, shards: u32, clock: &Clock) -> Self {
        Self {
            identity: format!("memory:{name}:{:016x}", rand::random::<u64>()),
            clock: clock.clone(),
            shards: (0..shards).map(|_| Mutex::default()).collect(),
        }
    }

    fn on<T>(&self, shard: u32, work: impl FnOnce(&mut Shard) -> T) -> Result<T, Error> {
        let mut shard = super::of_shard(&self.shards, shard).map(lock)?;
        Ok(work(&mut shard))
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn done<'a, T: Send + 'a>(result: Result<T, Error>) -> BoxFuture<'a, Result<T, Error>> {
    ready(result).boxed()
}

impl Journal for MemoryJournal {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn is_volatile(&self) -> bool {
        true
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn open(&self) -> BoxFuture<'_, Result<(), Error>> {
        done(Ok(()))
    }

    fn append<'a>(&'a self, shard: u32, group: Group<'a>) -> BoxFuture<'a, Result<Appended, Error>> {
        let now = self.clock.now();
        done(self.on(shard, |shard| {
            let outcomes = shard.known_group(group.owner, group.sequence).unwrap_or_else(|| {
                let plan = shard.plan(group.entries, group.backlog_max);
                shard.carry_out(plan, group.owner, group.sequence, now)
            });
            Appended { outcomes, backlog: shard.len() }
        }))
    }

    fn look(&self, shard: u32) -> BoxFuture<'_, Result<ShardState, Error>> {
        let now = self.clock.now();
        done(self.on(shard, |shard| shard.state(now)))
    }

    fn demand(&self, shard: u32, position: Position) -> BoxFuture<'_, Result<(), Error>> {
        done(self.on(shard, |shard| shard.demand(position)))
    }

    fn claim(
        &self,
        shard: u32,
        _: OwnerId,
        _: Duration,
        count: usize,
    ) -> BoxFuture<'_, Result<Option<Vec<Record>>, Error>> {
        done(self.on(shard, |shard| Some(shard.oldest(count))))
    }

    fn acknowledge<'a>(&'a self, shard: u32, records: &'a [Record]) -> BoxFuture<'a, Result<(), Error>> {
        done(self.on(shard, |shard| records.last().into_iter().for_each(|last| shard.acknowledge(last.position))))
    }

    fn bury<'a>(&'a self, shard: u32, _: OwnerId, burial: Burial<'a>) -> BoxFuture<'a, Result<(), Error>> {
        let now = self.clock.unix_ms();
        let buried = self.on(shard, |shard| {
            if shard.dead_len() >= burial.dead_max {
                return Err(burial.too_many());
            }
            shard.bury(burial.position, burial.error, now);
            Ok(())
        });
        done(buried.and_then(|buried| buried))
    }

    fn release(&self, _: u32, _: OwnerId) -> BoxFuture<'_, Result<(), Error>> {
        done(Ok(()))
    }

    fn pending<'a>(&'a self, shard: u32, key: &'a [u8], written: Position) -> BoxFuture<'a, Result<Pending, Error>> {
        done(self.on(shard, |shard| shard.pending(key, written)))
    }

    fn dead(&self, shard: u32, limit: usize) -> BoxFuture<'_, Result<Vec<DeadRecord>, Error>> {
        done(self.on(shard, |shard| shard.dead(limit)))
    }

    fn revive(&self, shard: u32, position: Position) -> BoxFuture<'_, Result<Revived, Error>> {
        let now = self.clock.now();
        done(self.on(shard, |shard| match shard.revivable(position).cloned() {
            Err(refusal) => refusal,
            Ok(entry) => {
                shard.forget(position);
                let record = Record { position: shard.next(), entry };
                shard.append(record, now);
                Revived::Yes
            }
        }))
    }

    fn forget(&self, shard: u32, position: Position) -> BoxFuture<'_, Result<bool, Error>> {
        done(self.on(shard, |shard| shard.forget(position)))
    }
}
