//! Writes one batch in one transaction.

use std::sync::Mutex;

use sea_orm::{ConnectionTrait, DbErr, Statement, TransactionTrait};

use super::{core::Core, entity::WriteBehindEntity, position, stats::micros};
use crate::{engine::Invalidation, ports::journal::Position, tag::Tag};

/// How a transaction ended that the database did not refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Committed. The invalidation of these tags has not reached the other nodes yet, if there are any.
    Yes(Vec<Tag>),
    /// Rolled back: the shard is written up to another position than was thought.
    Fenced,
}

/// What a transaction writes.
pub(super) struct Work {
    pub(super) statements: Vec<Statement>,
    /// How many rows these are.
    pub(super) rows: usize,
    /// How many records they were made of.
    pub(super) records: usize,
    /// How far the shard is written before, and with them.
    pub(super) from: Position,
    pub(super) to: Position,
}

/// Writes the rows, and the position that the shard comes to with them. The position comes first: whoever else writes the shard waits
/// there, and finds it moved.
pub(super) async fn write<E: WriteBehindEntity>(core: &Core<E>, shard: u32, work: Work) -> Result<Written, DbErr> {
    let begun = core.clock.now();
    let tags = Mutex::new(Vec::new());
    let writing = async {
        let txn = core.db.begin().await?;
        let now = core.clock.unix_ms();
        // Past the wrapper: nothing depends on that table.
        if !position::advance(txn.inner(), core.journal.identity(), shard, (work.from, work.to), now).await? {
            txn.rollback().await?;
            return Ok(None);
        }
        for statement in work.statements {
            txn.execute_raw(statement).await?;
        }
        *tags.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = txn.pending_tags();
        txn.commit_with_outcome().await.map(Some)
    };
    let Some(ended) = core.clock.timeout(core.settings.write_deadline, writing).await else {
        return Err(DbErr::Custom(format!("no answer within {:?}", core.settings.write_deadline)));
    };
    let Some(outcome) = ended? else { return Ok(Written::Fenced) };
    let took = core.clock.now().since(begun);
    let rows = work.rows as u64;
    if rows == 0 {
        return Ok(Written::Yes(Vec::new()));
    }
    core.counters.batches.add(1);
    core.counters.rows.add(rows);
    core.counters.written.add(work.records as u64);
    core.counters.last_batch_rows.set(rows);
    core.counters.last_flush_micros.set(micros(took));
    core.counters.flush_micros.add(micros(took));
    #[cfg(feature = "metrics")]
    super::publish::committed(core, rows, took);
    let tags = match outcome {
        Invalidation::Deferred => tags.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner),
        _ => Vec::new(),
    };
    Ok(Written::Yes(tags))
}
