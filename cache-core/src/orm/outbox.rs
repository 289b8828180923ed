//! The table `cache_outbox`: invalidations that wait in the database for the remote tier.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Statement, Value,
    sea_query::{Alias, ColumnDef, Table, TableCreateStatement},
};

use super::savepoint::Savepoint;
use crate::{cache::Cache, tag::Tag};

/// The table's name.
pub(crate) const OUTBOX_TABLE: &str = "cache_outbox";

/// The least that MySQL's `TEXT` holds is 64 KiB; longer lists of tags take several rows.
const ROW_BYTES_MAX: usize = 16 * 1024;

/// Creates the table `cache_outbox`, unless it is there.
///
/// Needed once per database with [`WhenRemoteIsDown::Outbox`](crate::WhenRemoteIsDown::Outbox). A project that keeps its
/// schema in migrations adds `CreateCacheOutbox` (feature `migration`) to them instead.
///
/// # Errors
///
/// Those of the database.
///
/// ```
/// # async fn run() -> Result<(), sea_orm::DbErr> {
/// let db = sea_orm::Database::connect("sqlite::memory:").await?;
/// sea_orm_cache::create_outbox_table(&db).await?;
/// # Ok(())
/// # }
/// ```
pub async fn create_outbox_table<C: ConnectionTrait>(db: &C) -> Result<(), DbErr> {
    db.execute(&outbox_table()).await?;
    Ok(())
}

/// The statement that creates the table.
pub(crate) fn outbox_table() -> TableCreateStatement {
    Table::create()
        .table(Alias::new(OUTBOX_TABLE))
        .if_not_exists()
        .col(ColumnDef::new(Alias::new("id")).big_integer().not_null().auto_increment().primary_key())
        .col(ColumnDef::new(Alias::new("namespace")).string_len(190).not_null())
        .col(ColumnDef::new(Alias::new("tags")).text().not_null())
        .col(ColumnDef::new(Alias::new("created_unix_ms")).big_integer().not_null())
        .to_owned()
}

/// The statement that drops the table.
#[cfg(feature = "migration")]
pub(crate) fn drop_outbox_table() -> sea_orm::sea_query::TableDropStatement {
    Table::drop().table(Alias::new(OUTBOX_TABLE)).if_exists().to_owned()
}

/// Inserts the tags together with what the transaction writes. Returns whether they are there: without the table the
/// write goes on, and its invalidation is retried in memory.
///
/// # Errors
///
/// When the insert failed and the transaction may be gone with it.
pub(super) async fn record(cache: &Cache, txn: &DatabaseTransaction, tags: &[Tag]) -> Result<bool, DbErr> {
    // PostgreSQL aborts a transaction in which a statement fails: the insert gets a savepoint of its own.
    // One that fails belongs to a transaction that the user's own statements have aborted. The commit will say the rest.
    let Ok(savepoint) = Savepoint::set(txn).await else { return Ok(false) };
    match insert(cache, txn, tags).await {
        Ok(()) => savepoint.release().await.map(|()| true),
        Err(error) => {
            let why = error.to_string();
            savepoint.undo(error).await?;
            not_recorded(cache, &why);
            Ok(false)
        }
    }
}

/// Inserts the tags outside a transaction. Returns whether they are there.
pub(super) async fn record_alone(cache: &Cache, db: &DatabaseConnection, tags: &[Tag]) -> bool {
    match insert(cache, db, tags).await {
        Ok(()) => true,
        Err(error) => {
            not_recorded(cache, &error.to_string());
            false
        }
    }
}

fn not_recorded(cache: &Cache, error: &str) {
    cache.engine().warn_once(&format!(
        "an invalidation could not be written to the table {OUTBOX_TABLE} and is retried in memory; \
         is the table there (create_outbox_table)? {error}"
    ));
}

async fn insert<C: ConnectionTrait>(cache: &Cache, db: &C, tags: &[Tag]) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    let sql = format!(
        "INSERT INTO {OUTBOX_TABLE} (namespace, tags, created_unix_ms) VALUES ({}, {}, {})",
        placeholder(backend, 1),
        placeholder(backend, 2),
        placeholder(backend, 3),
    );
    let now = i64::try_from(cache.engine().clock().unix_ms()).unwrap_or(i64::MAX);
    for text in rows(tags) {
        let values: [Value; 3] = [cache.engine().settings().namespace.as_str().into(), text.into(), now.into()];
        db.execute_raw(Statement::from_sql_and_values(backend, &sql, values)).await?;
    }
    Ok(())
}

/// Canonical tags hold no white space, so that lines separate them.
fn rows(tags: &[Tag]) -> Vec<String> {
    let mut rows = vec![String::new()];
    for tag in tags {
        match rows.last_mut() {
            Some(row) if row.len() + tag.as_str().len() < ROW_BYTES_MAX => {
                if !row.is_empty() {
                    row.push('\n');
                }
                row.push_str(tag.as_str());
            }
            _ => rows.push(tag.as_str().to_owned()),
        }
    }
    rows
}

/// One row of the table.
pub(super) struct OutboxRow {
    pub(super) id: i64,
    pub(super) tags: Vec<Tag>,
}

/// The oldest rows of a namespace.
pub(super) async fn oldest(db: &DatabaseConnection, namespace: &str, limit: usize) -> Result<Vec<OutboxRow>, DbErr> {
    let backend = db.get_database_backend();
    let sql = format!(
        "SELECT id, tags FROM {OUTBOX_TABLE} WHERE namespace = {} ORDER BY id LIMIT {limit}",
        placeholder(backend, 1)
    );
    let found = db.query_all_raw(Statement::from_sql_and_values(backend, &sql, [Value::from(namespace)])).await?;
    found
        .iter()
        .map(|row| {
            let id = row.try_get::<i64>("", "id")?;
            let text = row.try_get::<String>("", "tags")?;
            Ok(OutboxRow { id, tags: text.lines().map(Tag::from_canonical).collect() })
        })
        .collect()
}

/// Deletes rows that have landed.
pub(super) async fn delete(db: &DatabaseConnection, landed: &[OutboxRow]) -> Result<(), DbErr> {
    if landed.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = landed.iter().map(|row| row.id.to_string()).collect();
    let sql = format!("DELETE FROM {OUTBOX_TABLE} WHERE id IN ({})", ids.join(", "));
    db.execute_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    Ok(())
}

fn placeholder(backend: DbBackend, number: usize) -> String {
    if backend == DbBackend::Postgres { format!("${number}") } else { "?".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_tags_take_several_rows_and_lose_nothing() {
        let tags: Vec<Tag> = (0..1_000).map(|id| Tag::named(&format!("{id}-{}", "x".repeat(50)))).collect();
        let rows = rows(&tags);
        assert!(rows.len() > 1);
        assert!(rows.iter().all(|row| row.len() <= ROW_BYTES_MAX));
        let back: Vec<Tag> = rows.iter().flat_map(|row| row.lines().map(Tag::from_canonical)).collect();
        assert_eq!(back, tags);
    }
}
