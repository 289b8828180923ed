//! The ways of running one statement, on a connection or on a transaction alike.

use std::future::Future;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use super::observe::Observed;

/// One statement and the way it is run.
pub(super) trait Run: Send + Sized {
    type Output: Send;

    /// Whether the caller gets to see rows.
    const RETURNS_ROWS: bool;

    /// The rows that the caller gets to see.
    fn rows(_: &Self::Output) -> &[QueryResult] {
        &[]
    }

    /// What is known of the statement.
    fn observed(&self, backend: DbBackend, for_load: bool) -> Observed;

    /// Runs the statement.
    fn run<C: ConnectionTrait>(self, db: &C) -> impl Future<Output = Result<Self::Output, DbErr>> + Send;

    /// Runs the statement, and tells how many rows it wrote if the database says so. Shows `see` all the rows it returns, unless it is
    /// run so that it returns none.
    fn run_counted<C: ConnectionTrait>(
        self,
        db: &C,
        see: impl FnOnce(&[QueryResult]) + Send,
    ) -> impl Future<Output = Result<(Self::Output, Option<u64>), DbErr>> + Send;
}

/// `execute`.
pub(super) struct Execute(pub(super) Statement);

/// `query_one`.
pub(super) struct QueryOne(pub(super) Statement);

/// `query_all`.
pub(super) struct QueryAll(pub(super) Statement);

/// `execute_unprepared`.
pub(super) struct Unprepared<'a>(pub(super) &'a str);

impl Run for Execute {
    type Output = ExecResult;
    const RETURNS_ROWS: bool = false;

    fn observed(&self, _: DbBackend, for_load: bool) -> Observed {
        Observed::statement(&self.0, for_load)
    }

    async fn run<C: ConnectionTrait>(self, db: &C) -> Result<ExecResult, DbErr> {
        db.execute_raw(self.0).await
    }

    async fn run_counted<C: ConnectionTrait>(
        self,
        db: &C,
        _: impl FnOnce(&[QueryResult]) + Send,
    ) -> Result<(ExecResult, Option<u64>), DbErr> {
        let result = db.execute_raw(self.0).await?;
        let count = result.rows_affected();
        Ok((result, Some(count)))
    }
}

impl Run for QueryOne {
    type Output = Option<QueryResult>;
    const RETURNS_ROWS: bool = true;

    fn rows(output: &Option<QueryResult>) -> &[QueryResult] {
        output.as_slice()
    }

    fn observed(&self, _: DbBackend, for_load: bool) -> Observed {
        Observed::statement(&self.0, for_load)
    }

    async fn run<C: ConnectionTrait>(self, db: &C) -> Result<Option<QueryResult>, DbErr> {
        db.query_one_raw(self.0).await
    }

    /// `query_one` stops at the first row, which tells nothing of how many were written: all of them are taken.
    async fn run_counted<C: ConnectionTrait>(
        self,
        db: &C,
        see: impl FnOnce(&[QueryResult]) + Send,
    ) -> Result<(Option<QueryResult>, Option<u64>), DbErr> {
        let (rows, count) = QueryAll(self.0).run_counted(db, see).await?;
        Ok((rows.into_iter().next(), count))
    }
}

impl Run for QueryAll {
    type Output = Vec<QueryResult>;
    const RETURNS_ROWS: bool = true;

    fn rows(output: &Vec<QueryResult>) -> &[QueryResult] {
        output
    }

    fn observed(&self, _: DbBackend, for_load: bool) -> Observed {
        Observed::statement(&self.0, for_load)
    }

    async fn run<C: ConnectionTrait>(self, db: &C) -> Result<Vec<QueryResult>, DbErr> {
        db.query_all_raw(self.0).await
    }

    async fn run_counted<C: ConnectionTrait>(
        self,
        db: &C,
        see: impl FnOnce(&[QueryResult]) + Send,
    ) -> Result<(Vec<QueryResult>, Option<u64>), DbErr> {
        let rows = db.query_all_raw(self.0).await?;
        see(&rows);
        let count = u64::try_from(rows.len()).ok();
        Ok((rows, count))
    }
}

impl Run for Unprepared<'_> {
    type Output = ExecResult;
    const RETURNS_ROWS: bool = false;

    fn observed(&self, backend: DbBackend, for_load: bool) -> Observed {
        Observed::unprepared(backend, self.0, for_load)
    }

    async fn run<C: ConnectionTrait>(self, db: &C) -> Result<ExecResult, DbErr> {
        db.execute_unprepared(self.0).await
    }

    /// Rows are counted only for a text that is one statement: with several, the number says nothing of any one of them, and
    /// nobody asks.
    async fn run_counted<C: ConnectionTrait>(
        self,
        db: &C,
        _: impl FnOnce(&[QueryResult]) + Send,
    ) -> Result<(ExecResult, Option<u64>), DbErr> {
        let result = db.execute_unprepared(self.0).await?;
        let count = result.rows_affected();
        Ok((result, Some(count)))
    }
}
