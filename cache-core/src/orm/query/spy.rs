//! Learns which statement SeaORM would run, without running it.

use std::cell::RefCell;

use futures_util::FutureExt;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};

/// A connection that leads nowhere: it finds no rows, and notes what it was asked.
///
/// SeaORM's selectors keep their statements to themselves, and add limits and counts of their own when they are run.
#[derive(Debug)]
pub(in crate::orm) struct Spy(DbBackend);

static MYSQL: Spy = Spy(DbBackend::MySql);
static POSTGRES: Spy = Spy(DbBackend::Postgres);
static SQLITE: Spy = Spy(DbBackend::Sqlite);

thread_local! {
    static ASKED: RefCell<Option<Statement>> = const { RefCell::new(None) };
}

impl Spy {
    /// A connection to that kind of database; `None` for one that SeaORM has learnt of since.
    pub(in crate::orm) fn on(backend: DbBackend) -> Option<&'static Self> {
        match backend {
            DbBackend::MySql => Some(&MYSQL),
            DbBackend::Postgres => Some(&POSTGRES),
            DbBackend::Sqlite => Some(&SQLITE),
            _ => None,
        }
    }

    /// The last statement that `work` runs on the spy. Nothing in it waits.
    pub(in crate::orm) fn watch<T>(work: impl Future<Output = Result<T, DbErr>>) -> Option<Statement> {
        ASKED.take();
        let _no_rows = work.now_or_never()?;
        ASKED.take()
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Spy {
    fn get_database_backend(&self) -> DbBackend {
        self.0
    }

    async fn execute_raw(&self, _: Statement) -> Result<ExecResult, DbErr> {
        Err(DbErr::Custom("a query does not execute".to_owned()))
    }

    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(DbErr::Custom("a query does not execute".to_owned()))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        ASKED.set(Some(statement));
        Ok(None)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        ASKED.set(Some(statement));
        Ok(Vec::new())
    }
}
