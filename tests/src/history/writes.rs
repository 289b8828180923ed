//! Writes of every kind.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use rand::{Rng, rngs::StdRng};
use sea_orm::{
    ActiveModelTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter, QuerySelect, Set, Statement, TransactionTrait,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait},
};
use sea_orm_cache::{CachedConnection, CachedTransaction, Invalidation};

use super::{
    node::Node,
    record::{Recorder, Seen},
    rows::{self, Column, Entity, Model, ROWS, SHELVES},
};

/// A write that is cancelled is so within this time: the length of a few round trips.
const CANCEL_MAX_MICROS: u64 = 6_000;

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// `update_many` of one row by its key, without a transaction.
    Autocommit,
    /// The same as raw SQL.
    Raw,
    /// `update_many` by an indexed column.
    Shelf,
    /// An `ActiveModel` in a transaction.
    Active,
    /// Two rows in one transaction.
    Two,
    RolledBack,
    /// The transaction is dropped.
    Dropped,
    /// A row in the transaction, another in a savepoint that is rolled back.
    SavepointRolledBack,
    /// A row in the transaction, another in a savepoint that is kept.
    SavepointKept,
}

const KINDS: [Kind; 9] = [
    Kind::Autocommit,
    Kind::Raw,
    Kind::Shelf,
    Kind::Active,
    Kind::Two,
    Kind::RolledBack,
    Kind::Dropped,
    Kind::SavepointRolledBack,
    Kind::SavepointKept,
];

impl Kind {
    fn is_autocommit(self) -> bool {
        matches!(self, Self::Autocommit | Self::Raw | Self::Shelf)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Autocommit => "update_many of a row",
            Self::Raw => "raw SQL",
            Self::Shelf => "update_many of a shelf",
            Self::Active => "an active model",
            Self::Two => "two rows",
            Self::RolledBack => "rolled back",
            Self::Dropped => "dropped",
            Self::SavepointRolledBack => "beside a savepoint that is rolled back",
            Self::SavepointKept => "beside and in a savepoint",
        }
    }
}

/// What a write has committed, and whether its invalidation has landed; for an autocommit only the node's events tell.
struct Committed {
    rows: Vec<Seen>,
    outcome: Option<Invalidation>,
}

/// One random write, written down if its outcome is known. Returns a row that it may have written.
pub(super) async fn write(node: &Node, recorder: &Recorder, rng: &mut StdRng) -> i32 {
    let kind = KINDS[rng.random_range(0..KINDS.len())];
    let (first, second) = (rows::random(rng), rows::random(rng));
    // In the order of their keys, so that transactions do not lock each other out.
    let second = if second == first { first % ROWS + 1 } else { second };
    let rows = if first < second { (first, second) } else { (second, first) };
    let cancel = rng.random_bool(0.15).then(|| Duration::from_micros(rng.random_range(0..=CANCEL_MAX_MICROS)));
    let deferrals = node.deferrals();
    let outcome = run(&node.db, kind, rows, token(), cancel).await;
    note(node, recorder, kind, outcome, deferrals);
    rows.0
}

/// A write of one row by its key, whose value its writer stores, written down if its outcome is known.
pub(super) async fn through(node: &Node, recorder: &Recorder, row: i32) {
    let (kind, deferrals) = (Kind::Autocommit, node.deferrals());
    let outcome = run(&node.db, kind, (row, row), token(), None).await;
    note(node, recorder, kind, outcome, deferrals);
}

/// Takes down what came of a write that began when there were so many deferrals.
fn note(node: &Node, recorder: &Recorder, kind: Kind, outcome: Result<Option<Committed>, DbErr>, deferrals: u64) {
    recorder.note(|history| history.ops += 1);
    // A cancelled or failed write may have been committed or not: nothing can be asked of reads.
    let Ok(Some(committed)) = outcome else { return };
    let landed = committed.outcome.map_or(node.deferrals() == deferrals, Invalidation::is_done);
    recorder.committed(node.id, kind.name(), &committed.rows, landed);
}

/// A name that no other write of this process has.
pub(super) fn token() -> i64 {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Runs a write; `None` if it was cancelled.
async fn run(
    db: &CachedConnection,
    kind: Kind,
    rows: (i32, i32),
    token: i64,
    cancel: Option<Duration>,
) -> Result<Option<Committed>, DbErr> {
    let cancel = cancel.unwrap_or(Duration::MAX);
    let done = if kind.is_autocommit() {
        tokio::time::timeout(cancel, autocommit(db, kind, rows.0, token)).await
    } else {
        // The begin is not cancelled: sqlx gives a connection whose BEGIN is on its way back to the pool as it is, and what runs
        // on it next is inside a transaction that nobody ends.
        let txn = db.begin().await?;
        tokio::time::timeout(cancel, transact(txn, kind, rows, token)).await
    };
    done.ok().transpose()
}

async fn autocommit(db: &CachedConnection, kind: Kind, id: i32, token: i64) -> Result<Committed, DbErr> {
    let rows = match kind {
        Kind::Shelf => bump(db, Condition::all().add(Column::Shelf.eq(id % SHELVES)), token).await?,
        Kind::Raw => bump_raw(db, id, token).await?,
        _ => bump(db, row(id), token).await?,
    };
    Ok(Committed { rows, outcome: None })
}

async fn transact(
    txn: CachedTransaction,
    kind: Kind,
    (first, second): (i32, i32),
    token: i64,
) -> Result<Committed, DbErr> {
    let nothing = Committed { rows: Vec::new(), outcome: None };
    let mut rows = match kind {
        Kind::Active => bump_model(&txn, first, token).await?,
        Kind::Two => bump_raw(&txn, first, token).await?,
        _ => bump(&txn, row(first), token).await?,
    };
    match kind {
        Kind::RolledBack => {
            txn.rollback().await?;
            return Ok(nothing);
        }
        Kind::Dropped => return Ok(nothing),
        Kind::Two => rows.extend(bump(&txn, row(second), token).await?),
        Kind::SavepointRolledBack => {
            let savepoint = txn.begin().await?;
            bump(&savepoint, row(second), -token).await?;
            savepoint.rollback().await?;
        }
        Kind::SavepointKept => {
            let savepoint = txn.begin().await?;
            rows.extend(bump(&savepoint, row(second), token).await?);
            savepoint.commit().await?;
        }
        _ => {}
    }
    Ok(Committed { rows, outcome: Some(txn.commit_with_outcome().await?) })
}

fn row(id: i32) -> Condition {
    Condition::all().add(Column::Id.eq(id))
}

/// Writes the rows that meet a condition.
pub(super) async fn bump<C: ConnectionTrait>(db: &C, which: Condition, token: i64) -> Result<Vec<Seen>, DbErr> {
    let rows = Entity::update_many()
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .col_expr(Column::Token, Expr::value(token))
        .filter(which)
        .exec_with_returning(db)
        .await?;
    Ok(rows.into_iter().map(Seen::from).collect())
}

async fn bump_raw<C: ConnectionTrait>(db: &C, id: i32, token: i64) -> Result<Vec<Seen>, DbErr> {
    let sql = "UPDATE item SET version = version + 1, token = $1 WHERE id = $2 RETURNING *";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [token.into(), id.into()]);
    let rows = db.query_all_raw(statement).await?;
    rows.iter().map(|row| Model::from_query_result(row, "").map(Seen::from)).collect()
}

async fn bump_model<C: ConnectionTrait>(db: &C, id: i32, token: i64) -> Result<Vec<Seen>, DbErr> {
    let Some(row) = Entity::find_by_id(id).lock_exclusive().one(db).await? else { return Ok(Vec::new()) };
    let version = row.version + 1;
    let mut row = row.into_active_model();
    row.version = Set(version);
    row.token = Set(token);
    Ok(vec![row.update(db).await?.into()])
}
