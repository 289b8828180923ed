//! SeaORM's traits for the connection.

use std::{fmt, future::Future, pin::Pin};

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, IsolationLevel, QueryResult,
    Statement, StreamTrait, TransactionError, TransactionOptions, TransactionTrait,
};

use super::{
    connection::CachedConnection,
    observe::{Effect, Observed},
    recognise,
    run::{Execute, QueryAll, QueryOne, Run, Unprepared},
    stream::CachedStream,
    transaction::CachedTransaction,
    write,
};

impl CachedConnection {
    /// Runs one statement: a write with its tags pending around it, a read after a running load was told of it.
    async fn observe<R: Run>(&self, statement: R) -> Result<R::Output, DbErr> {
        let scope = self.load_scope();
        match statement.observed(self.inner.get_database_backend(), scope.is_some()).effect(self.cache()) {
            Effect::Write(plan) => {
                // What the rows of a write depend on is not known.
                if let Some(scope) = scope.filter(|_| R::RETURNS_ROWS) {
                    scope.opaque();
                }
                write::autocommit(&self.writer, &self.inner, *plan, statement).await
            }
            Effect::Read(reads) => {
                if let Some(scope) = scope {
                    reads.tell(&scope).await;
                }
                statement.run(&self.inner).await
            }
        }
    }

    fn begun(&self, inner: DatabaseTransaction, isolation: Option<IsolationLevel>) -> CachedTransaction {
        let is_mock = self.inner.is_mock_connection();
        CachedTransaction::outermost(inner, self.writer.clone(), self.load_scope(), isolation, is_mock)
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for CachedConnection {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        self.observe(Execute(stmt)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.observe(Unprepared(sql)).await
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.observe(QueryOne(stmt)).await
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.observe(QueryAll(stmt)).await
    }

    fn support_returning(&self) -> bool {
        self.inner.support_returning()
    }

    /// Also the place where a function that was handed any [`ConnectionTrait`] finds out whose it is.
    fn is_mock_connection(&self) -> bool {
        recognise::answer_connection(self);
        self.inner.is_mock_connection()
    }
}

impl StreamTrait for CachedConnection {
    type Stream<'a> = CachedStream;

    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    fn stream_raw<'a>(
        &'a self,
        stmt: Statement,
    ) -> Pin<Box<dyn Future<Output = Result<Self::Stream<'a>, DbErr>> + 'a + Send>> {
        Box::pin(async move {
            let scope = self.load_scope();
            match Observed::statement(&stmt, scope.is_some()).effect(self.cache()) {
                Effect::Write(plan) => {
                    if let Some(scope) = scope {
                        scope.opaque();
                    }
                    CachedStream::write(&self.writer, &self.inner, *plan, stmt).await
                }
                Effect::Read(reads) => {
                    if let Some(scope) = scope {
                        reads.tell(&scope).await;
                    }
                    self.inner.stream_raw(stmt).await.map(CachedStream::read)
                }
            }
        })
    }
}

#[async_trait::async_trait]
impl TransactionTrait for CachedConnection {
    type Transaction = CachedTransaction;

    async fn begin(&self) -> Result<CachedTransaction, DbErr> {
        Ok(self.begun(self.inner.begin().await?, None))
    }

    async fn begin_with_config(
        &self,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<CachedTransaction, DbErr> {
        Ok(self.begun(self.inner.begin_with_config(isolation_level, access_mode).await?, isolation_level))
    }

    async fn begin_with_options(&self, options: TransactionOptions) -> Result<CachedTransaction, DbErr> {
        Ok(self.begun(self.inner.begin_with_options(options).await?, options.isolation_level))
    }

    async fn transaction<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c CachedTransaction) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>> + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        self.begin().await?.run(callback).await
    }

    async fn transaction_with_config<F, T, E>(
        &self,
        callback: F,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c CachedTransaction) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>> + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        self.begin_with_config(isolation_level, access_mode).await?.run(callback).await
    }
}
