//! The table `cache_write_behind`: how far each shard of a journal is written, in the same transaction as what was written.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, Statement, Value,
    sea_query::{Alias, ColumnDef, Index, Table, TableCreateStatement},
};

use crate::ports::journal::Position;

/// The table's name.
const TABLE: &str = "cache_write_behind";

/// Rows of journals that ended with their process, and were not touched for this long, are deleted.
const ABANDONED: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Creates the table `cache_write_behind`, unless it is there.
///
/// [`WriteBehind`](crate::WriteBehind) does so by itself when it is built. A project whose database users may not create tables calls this once, or
/// adds `CreateCacheWriteBehind` (feature `migration`) to its migrations.
///
/// # Errors
///
/// Those of the database.
pub async fn create_write_behind_table<C: ConnectionTrait>(db: &C) -> Result<(), DbErr> {
    let Err(error) = db.execute(&table()).await else { return Ok(()) };
    // Somebody else may have created it at the same moment, or long ago, with rights that this user lacks.
    let probe =
        Statement::from_string(db.get_database_backend(), format!("SELECT position FROM {TABLE} WHERE shard < 0"));
    db.query_all_raw(probe).await.map(drop).map_err(|_| error)
}

/// The statement that creates the table.
pub(super) fn table() -> TableCreateStatement {
    Table::create()
        .table(Alias::new(TABLE))
        .if_not_exists()
        .col(ColumnDef::new(Alias::new("journal")).string_len(190).not_null())
        .col(ColumnDef::new(Alias::new("shard")).integer().not_null())
        .col(ColumnDef::new(Alias::new("position")).big_integer().not_null())
        .col(ColumnDef::new(Alias::new("written_unix_ms")).big_integer().not_null())
        .primary_key(Index::create().col(Alias::new("journal")).col(Alias::new("shard")))
        .to_owned()
}

/// The statement that drops the table.
#[cfg(feature = "migration")]
pub(super) fn drop_table() -> sea_orm::sea_query::TableDropStatement {
    Table::drop().table(Alias::new(TABLE)).if_exists().to_owned()
}

/// The position up to which a shard is written; `None` if nothing is known of it.
pub(super) async fn read<C: ConnectionTrait>(db: &C, journal: &str, shard: u32) -> Result<Option<Position>, DbErr> {
    let backend = db.get_database_backend();
    let sql =
        format!("SELECT position FROM {TABLE} WHERE journal = {} AND shard = {}", mark(backend, 1), mark(backend, 2));
    let found =
        db.query_one_raw(Statement::from_sql_and_values(backend, sql, [journal.into(), number(shard.into())])).await?;
    let position = found.map(|row| row.try_get::<i64>("", "position")).transpose()?;
    Ok(position.map(|position| u64::try_from(position).unwrap_or(0)))
}

/// Makes the row of a shard, if it is not there, and returns its position.
pub(super) async fn read_or_begin<C: ConnectionTrait>(
    db: &C,
    journal: &str,
    shard: u32,
    now_unix_ms: u64,
) -> Result<Position, DbErr> {
    if let Some(position) = read(db, journal, shard).await? {
        return Ok(position);
    }
    let backend = db.get_database_backend();
    let sql = format!(
        "INSERT INTO {TABLE} (journal, shard, position, written_unix_ms) VALUES ({}, {}, 0, {})",
        mark(backend, 1),
        mark(backend, 2),
        mark(backend, 3),
    );
    let values = [journal.into(), number(shard.into()), number(now_unix_ms)];
    let inserted = db.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await;
    match (inserted, read(db, journal, shard).await?) {
        (_, Some(position)) => Ok(position),
        (Err(error), None) => Err(error),
        (Ok(_), None) => Err(DbErr::RecordNotFound(format!("{TABLE}: {journal}, shard {shard}"))),
    }
}

/// Moves the position on, if it still is `from`. Whoever else writes this shard waits for the end of the transaction, and then
/// finds that it is not: that is what keeps a flusher which was replaced while it stood still from writing.
pub(super) async fn advance<C: ConnectionTrait>(
    txn: &C,
    journal: &str,
    shard: u32,
    (from, to): (Position, Position),
    now_unix_ms: u64,
) -> Result<bool, DbErr> {
    let backend = txn.get_database_backend();
    let sql = format!(
        "UPDATE {TABLE} SET position = {}, written_unix_ms = {} WHERE journal = {} AND shard = {} AND position = {}",
        mark(backend, 1),
        mark(backend, 2),
        mark(backend, 3),
        mark(backend, 4),
        mark(backend, 5),
    );
    let values = [number(to), number(now_unix_ms), journal.into(), number(shard.into()), number(from)];
    Ok(txn.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?.rows_affected() == 1)
}

/// Forgets a journal that is at its end.
pub(super) async fn forget<C: ConnectionTrait>(db: &C, journal: &str) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    let sql = format!("DELETE FROM {TABLE} WHERE journal = {}", mark(backend, 1));
    db.execute_raw(Statement::from_sql_and_values(backend, sql, [journal.into()])).await.map(drop)
}

/// Forgets the journals of processes that ended without saying so, long ago.
pub(super) async fn forget_abandoned<C: ConnectionTrait>(db: &C, now_unix_ms: u64) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    let sql = format!("DELETE FROM {TABLE} WHERE journal LIKE 'memory:%' AND written_unix_ms < {}", mark(backend, 1));
    let before = now_unix_ms.saturating_sub(u64::try_from(ABANDONED.as_millis()).unwrap_or(u64::MAX));
    db.execute_raw(Statement::from_sql_and_values(backend, sql, [number(before)])).await.map(drop)
}

fn number(value: u64) -> Value {
    i64::try_from(value).unwrap_or(i64::MAX).into()
}

fn mark(backend: DbBackend, number: usize) -> String {
    if backend == DbBackend::Postgres { format!("${number}") } else { "?".to_owned() }
}
