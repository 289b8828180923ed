//! Statements of the cache's own inside a transaction of the user's, whose failure must leave that transaction as it was.

use std::sync::atomic::{AtomicU64, Ordering};

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr};

use super::answer::Answer;

/// A savepoint with a name of its own, in PostgreSQL, which aborts a transaction in which a statement fails. The other
/// databases undo no more than the statement, so that nothing is sent to them.
///
/// Not `DatabaseTransaction::begin`: sqlx numbers savepoints by depth, so that one of another object may be meant, and it
/// rolls back the whole transaction if `SAVEPOINT` fails. Dropped unfinished, the savepoint stays until the transaction
/// ends, and does nothing.
pub(super) struct Savepoint<'t> {
    txn: &'t DatabaseTransaction,
    name: Option<String>,
}

impl<'t> Savepoint<'t> {
    /// # Errors
    ///
    /// When the transaction cannot go on: PostgreSQL has aborted it after an earlier error, or the connection is lost.
    pub(super) async fn set(txn: &'t DatabaseTransaction) -> Result<Self, DbErr> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        if txn.get_database_backend() != DbBackend::Postgres {
            return Ok(Self { txn, name: None });
        }
        let name = format!("_cache_look_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        txn.execute_unprepared(&format!("SAVEPOINT {name}")).await?;
        Ok(Self { txn, name: Some(name) })
    }

    /// Keeps what was done since.
    pub(super) async fn release(self) -> Result<(), DbErr> {
        if let Some(name) = &self.name {
            self.txn.execute_unprepared(&format!("RELEASE SAVEPOINT {name}")).await?;
        }
        Ok(())
    }

    /// Undoes what was done since, after it failed with `error`.
    ///
    /// # Errors
    ///
    /// `error` itself if the transaction may be gone: then nothing may be sent any more as if it were there.
    pub(super) async fn undo(self, error: DbErr) -> Result<(), DbErr> {
        let Some(name) = &self.name else {
            return if is_of_statement(self.txn.get_database_backend(), &error) { Ok(()) } else { Err(error) };
        };
        let undo = format!("ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}");
        self.txn.execute_unprepared(&undo).await.map(|_| ()).map_err(|_| error)
    }
}

/// Whether the error is one that MySQL or SQLite certainly report without ending the transaction: a statement that cannot be
/// run as it stands, as opposed to a deadlock, a full disk, a lost connection.
fn is_of_statement(backend: DbBackend, error: &DbErr) -> bool {
    Answer::of(error).and_then(|answer| answer.code()).is_some_and(|code| is_code_of_statement(backend, &code))
}

fn is_code_of_statement(backend: DbBackend, code: &str) -> bool {
    match backend {
        // Cardinality, data, constraints, and syntax or access: these end nothing.
        DbBackend::MySql => code.get(..2).is_some_and(|class| ["21", "22", "23", "42"].contains(&class)),
        // The low byte is the primary code: a plain error, too big, constraint, mismatch, not authorised.
        DbBackend::Sqlite => code.parse::<u32>().is_ok_and(|code| [1, 18, 19, 20, 23].contains(&(code & 0xff))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadlock_ends_the_transaction_and_a_missing_privilege_does_not() {
        let of = is_code_of_statement;
        assert!(of(DbBackend::MySql, "42000"));
        assert!(of(DbBackend::MySql, "42S02"));
        assert!(!of(DbBackend::MySql, "40001"));
        assert!(!of(DbBackend::MySql, "HY000"));
        assert!(of(DbBackend::Sqlite, "1"));
        assert!(of(DbBackend::Sqlite, "2067"));
        assert!(!of(DbBackend::Sqlite, "13"));
        assert!(!of(DbBackend::Sqlite, "5"));
    }

    #[tokio::test]
    async fn an_error_of_the_driver_is_recognised() {
        let db = sea_orm::Database::connect("sqlite::memory:").await.expect("SQLite is embedded");
        let error = db.execute_unprepared("SELECT * FROM nowhere").await.expect_err("there is no such table");
        assert!(is_of_statement(DbBackend::Sqlite, &error), "{error:?}");
        assert!(!is_of_statement(DbBackend::Sqlite, &DbErr::Custom("(code: 1)".to_owned())));
    }
}
