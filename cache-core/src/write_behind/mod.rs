//! Writes that reach the database later, together, and exactly once.

mod appender;
mod builder;
mod coalesce;
mod core;
mod dead_letter;
mod entity;
mod fault;
mod flusher;
mod journal;
#[cfg(feature = "migration")]
mod migration;
mod operation;
mod position;
#[cfg(feature = "metrics")]
mod publish;
mod read;
mod settings;
mod statements;
mod stats;
mod transact;

use std::{fmt, sync::Arc, time::Duration};

#[doc(hidden)]
pub use self::journal::{FileJournal, MemoryJournal};
#[cfg(feature = "migration")]
pub use self::migration::CreateCacheWriteBehind;
use self::{
    appender::submit,
    core::{Core, Phase, closed},
};
pub use self::{
    builder::WriteBehindBuilder,
    dead_letter::{DeadLetter, DeadLetterId, RetryOutcome},
    entity::{KeyOf, WriteBehindEntity},
    operation::Operation,
    position::create_write_behind_table,
    settings::{Backpressure, Fsync, WriteBehindJournal},
    stats::WriteBehindStats,
};
use crate::{
    error::{Error, ErrorKind},
    orm::CachedConnection,
    ports::journal::Position,
};

/// Between two looks at what other processes have flushed.
const LOOK: Duration = Duration::from_millis(20);

/// Accepts writes of one entity's rows now, and writes them to the database later: coalesced, in batches, each exactly once.
///
/// An operation is accepted when it is in the [journal](WriteBehindJournal). From then on [`get`](Self::get) sees it, on every node that shares the
/// journal; entries of cached functions see it once it is in the database, since they are what the database said.
/// Operations on one row take effect in the order in which they were accepted; between rows there is no order. A batch is one
/// transaction through the [`CachedConnection`]: its rows become stale like those of any other write. The journal's position is stored in the
/// same transaction, so that nothing is written twice, whatever dies when.
///
/// A row that the database refuses (a constraint, a value out of range) becomes a [dead letter](Self::dead_letters), and holds up nobody.
/// A database that does not answer is tried again, with growing pauses, for as long as it takes.
///
/// Not covered: an increment of a row that is not there changes nothing, as in SQL; keys are told apart by their bytes, so that a text key
/// must be spelled alike even where the database ignores case; entities with `ON DELETE CASCADE` children keep them when a deletion
/// and a put of the same row coalesce to the put; what is written past this handle is neither ordered with it nor seen by it before it is flushed.
///
/// ```
/// # use sea_orm::{ConnectionTrait, Schema, entity::prelude::*};
/// # use sea_orm_cache::{Cache, WriteBehind};
/// # use std::time::Duration;
/// mod post_views {
///     # use sea_orm::entity::prelude::*;
///     # use serde::{Deserialize, Serialize};
///     #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
///     #[sea_orm(table_name = "post_views")]
///     pub struct Model {
///         #[sea_orm(primary_key, auto_increment = false)]
///         pub post_id: i32,
///         pub views: i64,
///     }
/// #   #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)] pub enum Relation {}
/// #   impl ActiveModelBehavior for ActiveModel {}
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut options = sea_orm::ConnectOptions::new("sqlite::memory:");
/// # options.max_connections(1);
/// # let plain = sea_orm::Database::connect(options).await?;
/// # plain.execute(&Schema::new(plain.get_database_backend()).create_table_from_entity(post_views::Entity)).await?;
/// let cache = Cache::builder().build().await?;
/// let db = cache.wrap(plain);
/// let views = WriteBehind::<post_views::Entity>::builder(&db)
///     .batch_size(100)
///     .flush_interval(Duration::from_secs(5))
///     .build()
///     .await?;
/// views.upsert(post_views::Model { post_id: 7, views: 1 }).await?;
/// views.increment(7, post_views::Column::Views, 41).await?;
/// assert_eq!(views.get(7).await?.map(|row| row.views), Some(42));
/// assert_eq!(post_views::Entity::find_by_id(7).one(&db).await?, None, "not in the database yet");
/// views.flush().await?;
/// assert_eq!(post_views::Entity::find_by_id(7).one(&db).await?.map(|row| row.views), Some(42));
/// views.close().await?;
/// # Ok(()) }
/// ```
pub struct WriteBehind<E: WriteBehindEntity>(Arc<Handle<E>>);

/// Ends the flushers with the last clone.
struct Handle<E: WriteBehindEntity>(Arc<Core<E>>);

impl<E: WriteBehindEntity> WriteBehind<E> {
    /// Begins with the defaults.
    pub fn builder(db: &CachedConnection) -> WriteBehindBuilder<E> {
        WriteBehindBuilder::new(db)
    }

    /// Has a row become this model, whether it is there or not.
    ///
    /// # Errors
    ///
    /// When it was not accepted: [`ErrorKind::Full`] if the journal is full, one for which [`Error::is_remote`] holds if it cannot be reached (then it may
    /// have been accepted all the same), [`ErrorKind::Encode`] if serde loses a column, [`ErrorKind::Closed`] after [`close`](Self::close).
    pub async fn upsert(&self, model: E::Model) -> Result<(), Error> {
        submit(&self.0.0, operation::put::<E>(&model)?).await
    }

    /// Deletes a row, if it is there.
    ///
    /// # Errors
    ///
    /// As for [`upsert`](Self::upsert).
    pub async fn delete(&self, key: KeyOf<E>) -> Result<(), Error> {
        submit(&self.0.0, operation::delete::<E>(&key)?).await
    }

    /// Adds to a column of a row, if the row is there when it is written. Increments of one column are summed up.
    ///
    /// # Errors
    ///
    /// As for [`upsert`](Self::upsert); also [`ErrorKind::Setting`] if the column is no whole number or part of the key, and
    /// [`ErrorKind::Full`] if what is pending for the column would not fit 64 bits.
    pub async fn increment(&self, key: KeyOf<E>, column: E::Column, by: i64) -> Result<(), Error> {
        submit(&self.0.0, operation::increment::<E>(&key, column, by)?).await
    }

    /// The row as it will be once everything accepted is written; `None` if it is not there, or will not be.
    ///
    /// # Errors
    ///
    /// When the journal or the database cannot be asked. A journal that cannot be reached is an error, since what the database
    /// says may be older than what was accepted.
    pub async fn get(&self, key: KeyOf<E>) -> Result<Option<E::Model>, Error> {
        read::get(&self.0.0, key).await
    }

    /// Waits until everything that was accepted before, on any node, is in the database or among the dead letters.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] after `flush_deadline`; nothing is lost by that. Also when the journal cannot be reached.
    pub async fn flush(&self) -> Result<(), Error> {
        let core = &self.0.0;
        let deadline = core.settings.flush_deadline;
        match core.clock.timeout(deadline, barrier(core)).await {
            Some(ended) => ended,
            None => Err(Error::new(ErrorKind::Timeout, format!("not everything was flushed within {deadline:?}"))),
        }
    }

    /// Accepts nothing more, flushes what is there, and ends.
    ///
    /// # Errors
    ///
    /// As for [`flush`](Self::flush): what is left stays in the journal, which is the end of it only for
    /// [`WriteBehindJournal::Memory`].
    pub async fn close(&self) -> Result<(), Error> {
        let core = &self.0.0;
        core.enter(Phase::Draining);
        let flushed = self.flush().await;
        core.enter(Phase::Ended);
        for shard in core.shards() {
            // The last figures are those of the end.
            if let Ok(state) = core.journal.look(shard).await {
                core.note(shard, &state);
            }
            let _ = core.journal.release(shard, core.owner).await;
        }
        if flushed.is_ok() && core.journal.is_volatile() {
            // The row would be deleted after a week all the same.
            let _ = position::forget(core.db.inner(), core.journal.identity()).await;
        }
        #[cfg(feature = "metrics")]
        core.db.cache().publish_metrics();
        flushed
    }

    /// How many operations are accepted and not in the database yet, on all nodes.
    ///
    /// # Errors
    ///
    /// When the journal cannot be reached.
    pub async fn pending(&self) -> Result<u64, Error> {
        let core = &self.0.0;
        let mut records = 0;
        for shard in core.shards() {
            records += core.journal.look(shard).await?.records;
        }
        Ok(records)
    }

    /// The oldest dead letters, at most `limit`.
    ///
    /// # Errors
    ///
    /// When the journal cannot be reached.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter<E>>, Error> {
        dead_letter::list(&self.0.0, limit).await
    }

    /// Accepts a dead letter again, as the newest operation on its row, unless a later one has made it void.
    ///
    /// # Errors
    ///
    /// When the journal cannot be reached.
    pub async fn retry(&self, letter: DeadLetterId) -> Result<RetryOutcome, Error> {
        if self.0.0.phase() != Phase::Open {
            return Err(closed());
        }
        dead_letter::retry(&self.0.0, letter).await
    }

    /// Forgets a dead letter. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// When the journal cannot be reached.
    pub async fn drop_dead_letter(&self, letter: DeadLetterId) -> Result<bool, Error> {
        dead_letter::forget(&self.0.0, letter).await
    }

    /// What was done so far, in numbers.
    #[must_use]
    pub fn stats(&self) -> WriteBehindStats {
        self.0.0.stats()
    }
}

async fn barrier<E: WriteBehindEntity>(core: &Core<E>) -> Result<(), Error> {
    let mut goals: Vec<(u32, Position)> = Vec::new();
    for shard in core.shards() {
        let state = core.journal.look(shard).await?;
        if state.records > 0 {
            core.journal.demand(shard, state.tail).await?;
            core.lane(shard)?.wake.notify_one();
            goals.push((shard, state.tail));
        }
    }
    while let Some((shard, tail)) = goals.last().copied() {
        let settled = core.settled.notified();
        tokio::pin!(settled);
        settled.as_mut().enable();
        if core.phase() == Phase::Ended {
            return Err(closed());
        }
        if core.journal.look(shard).await?.oldest.is_none_or(|oldest| oldest > tail) {
            goals.pop();
            continue;
        }
        if core.journal.is_shared() {
            tokio::select! {
                () = core.clock.sleep(LOOK) => {}
                () = settled => {}
            }
        } else {
            settled.await;
        }
    }
    Ok(())
}

impl<E: WriteBehindEntity> Clone for WriteBehind<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E: WriteBehindEntity> fmt::Debug for WriteBehind<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = &self.0.0;
        f.debug_struct("WriteBehind").field("journal", &core.journal.identity()).field("stats", &core.stats()).finish()
    }
}

impl<E: WriteBehindEntity> Drop for Handle<E> {
    fn drop(&mut self) {
        // What is in this process only is still flushed; what is kept elsewhere is found by the next process.
        self.0.enter(if self.0.journal.is_volatile() { Phase::Draining } else { Phase::Ended });
    }
}
