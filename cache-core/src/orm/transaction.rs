//! The transaction that collects what its commit will make stale.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use sea_orm::{
    AccessMode, DatabaseTransaction, DbBackend, DbErr, IsolationLevel, Statement, StreamTrait, TransactionError,
    TransactionStream, TransactionTrait,
};

use super::{
    ledger::Ledger,
    looking::Looking,
    observe::{Effect, Observed, Plan, Reads},
    run::Run,
    through::{Leaving, Through},
    writer::{Landing, Writer},
};
use crate::{
    cache::Cache,
    engine::{Invalidation, LoadScope},
    tag::Tag,
};

/// A [`DatabaseTransaction`] that makes stale, when it commits, what depends on the rows it wrote.
///
/// Begun by a [`CachedConnection`](crate::CachedConnection) or by another `CachedTransaction` (then it is a savepoint). Reads are
/// answered by the database: nothing is read from the cache or filled into it. A nested transaction hands its tags to the one
/// around it when it commits; rolling back, or dropping, forgets them.
///
/// More than 64 rows of one table become the table's coarse tag, more than 1,024 tags in all become the tag of every entry.
pub struct CachedTransaction {
    inner: DatabaseTransaction,
    ledger: Ledger,
    writer: Writer,
    whole: Arc<Whole>,
}

/// What a transaction shares with the savepoints inside it.
struct Whole {
    /// The load whose body began the transaction.
    scope: Option<LoadScope>,
    /// Every statement sees the latest commits, rather than a snapshot taken by the first.
    reads_latest: bool,
    /// Reads may show rows that are never committed.
    reads_dirty: bool,
    has_read: AtomicBool,
    has_written: AtomicBool,
    /// A statement inside has committed what was there: from then on nothing waits for the end.
    committed_early: AtomicBool,
    is_mock: bool,
    /// Looks so far.
    looks: AtomicU32,
    /// Held around whatever is sent to the database: a look and its statement must follow each other, savepoints included.
    turn: tokio::sync::Mutex<()>,
}

/// SeaORM rolls back more than the savepoint if `SAVEPOINT` fails or is cancelled, the transaction itself perhaps: statements
/// may commit on their own from then on.
struct CommitsEarly<'a>(Option<&'a AtomicBool>);

impl Drop for CommitsEarly<'_> {
    fn drop(&mut self) {
        if let Some(committed_early) = self.0 {
            committed_early.store(true, Ordering::Release);
        }
    }
}

impl CachedTransaction {
    pub(super) fn outermost(
        inner: DatabaseTransaction,
        writer: Writer,
        scope: Option<LoadScope>,
        isolation: Option<IsolationLevel>,
        is_mock: bool,
    ) -> Self {
        let reads_latest = matches!(isolation, Some(IsolationLevel::ReadCommitted | IsolationLevel::ReadUncommitted));
        let whole = Whole {
            scope,
            reads_latest: reads_latest && backend(&inner) != DbBackend::Sqlite,
            reads_dirty: isolation == Some(IsolationLevel::ReadUncommitted),
            has_read: AtomicBool::new(false),
            has_written: AtomicBool::new(false),
            committed_early: AtomicBool::new(false),
            is_mock,
            looks: AtomicU32::new(0),
            turn: tokio::sync::Mutex::default(),
        };
        Self { inner, ledger: Ledger::outermost(), writer, whole: Arc::new(whole) }
    }

    /// A savepoint, begun by `begin`.
    pub(super) async fn nested(
        &self,
        begin: impl Future<Output = Result<DatabaseTransaction, DbErr>>,
    ) -> Result<Self, DbErr> {
        let _turn = self.whole.turn.lock().await;
        let ledger = self.ledger.nested();
        let mut unless_begun = CommitsEarly(Some(&self.whole.committed_early));
        let inner = begin.await?;
        unless_begun.0 = None;
        Ok(Self { inner, ledger, writer: self.writer.clone(), whole: Arc::clone(&self.whole) })
    }

    /// The cache.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        self.writer.cache()
    }

    /// The transaction inside. The cache does not hear of what is written through it; name it with
    /// [`invalidate`](CachedTransaction::invalidate). From then on nothing that this transaction writes is stored by write-through.
    #[must_use]
    pub fn inner(&self) -> &DatabaseTransaction {
        self.ledger.puts().spoil();
        &self.inner
    }

    /// The same for what sends nothing.
    pub(super) fn bare(&self) -> &DatabaseTransaction {
        &self.inner
    }

    /// Makes a tag stale when the outermost transaction commits; not at all if this one is rolled back.
    pub fn invalidate(&self, tag: impl Into<Tag>) {
        self.ledger.add([tag.into()]);
    }

    /// Makes tags stale when the outermost transaction commits; not at all if this one is rolled back.
    pub fn invalidate_all<T: Into<Tag>>(&self, tags: impl IntoIterator<Item = T>) {
        self.ledger.add(tags.into_iter().map(Into::into));
    }

    /// What this transaction would make stale if it committed now, without what its parents collected.
    #[must_use]
    pub fn pending_tags(&self) -> Vec<Tag> {
        self.ledger.to_vec()
    }

    /// Commits. Of the outermost transaction, everything that depends on what was written is stale when this returns.
    ///
    /// # Errors
    ///
    /// Those of the database. An error does not say that nothing was committed; the tags are made stale all the same. Also, with
    /// [`WhenRemoteIsDown::Refuse`](crate::WhenRemoteIsDown::Refuse), when the remote tier cannot be reached: then the transaction
    /// is rolled back.
    pub async fn commit(self) -> Result<(), DbErr> {
        self.commit_awaiting(Landing::NotAwaited).await.map(|_| ())
    }

    /// Commits, and tells whether the invalidation has reached the other nodes. Of a nested transaction, whose tags wait for the
    /// outermost one, the outcome is [`Invalidation::Deferred`] unless there are none.
    ///
    /// # Errors
    ///
    /// Those of [`commit`](CachedTransaction::commit).
    pub async fn commit_with_outcome(self) -> Result<Invalidation, DbErr> {
        self.commit_awaiting(Landing::Awaited).await
    }

    async fn commit_awaiting(self, landing: Landing) -> Result<Invalidation, DbErr> {
        let Self { inner, mut ledger, writer, whole } = self;
        if ledger.is_nested() {
            // Handed over when the ledger is dropped: also if the release fails, or is cancelled.
            ledger.doubt();
        }
        let _turn = whole.turn.lock().await;
        ledger.end();
        if ledger.is_nested() && (ledger.is_outlived() || whole.committed_early.load(Ordering::Acquire)) {
            // This may be what the driver takes for the end of the whole transaction.
            return writer.commit(inner, ledger.to_vec_with_parents(), Vec::new(), landing).await;
        }
        let tags = ledger.to_vec();
        if ledger.is_nested() {
            inner.commit().await?;
            ledger.release();
            return Ok(if tags.is_empty() { Invalidation::Done } else { Invalidation::Deferred });
        }
        if tags.is_empty() {
            inner.commit().await?;
            return Ok(Invalidation::Done);
        }
        let early = whole.committed_early.load(Ordering::Acquire);
        let written = if early { Vec::new() } else { ledger.puts().take() };
        writer.commit(inner, tags, written, landing).await
    }

    /// Rolls back: nothing that this transaction wrote is made stale.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn rollback(self) -> Result<(), DbErr> {
        let Self { inner, mut ledger, whole, .. } = self;
        ledger.doubt();
        let _turn = whole.turn.lock().await;
        ledger.end();
        inner.rollback().await?;
        ledger.forget();
        Ok(())
    }

    /// Runs a closure inside a nested transaction. See [`DatabaseTransaction::transaction_async`].
    ///
    /// # Errors
    ///
    /// Those of the closure, and of `SAVEPOINT`, `RELEASE` and `ROLLBACK TO`.
    pub async fn transaction_async<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> AsyncFnOnce(&'c Self) -> Result<T, E> + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        self.begin().await.map_err(TransactionError::Connection)?.run_async(callback).await
    }

    /// Like [`transaction_async`](CachedTransaction::transaction_async), with an isolation level and an access mode.
    ///
    /// # Errors
    ///
    /// Those of the closure, and of `SAVEPOINT`, `RELEASE` and `ROLLBACK TO`.
    pub async fn transaction_with_config_async<F, T, E>(
        &self,
        callback: F,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<T, TransactionError<E>>
    where
        F: for<'c> AsyncFnOnce(&'c Self) -> Result<T, E> + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        let txn = self.begin_with_config(isolation_level, access_mode).await.map_err(TransactionError::Connection)?;
        txn.run_async(callback).await
    }

    pub(super) async fn run<F, T, E>(self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c Self) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>> + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        let result = callback(&self).await;
        self.end(result).await
    }

    pub(super) async fn run_async<F, T, E>(self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> AsyncFnOnce(&'c Self) -> Result<T, E> + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        let result = callback(&self).await;
        self.end(result).await
    }

    async fn end<T: Send, E: Send>(self, result: Result<T, E>) -> Result<T, TransactionError<E>> {
        let ended = if result.is_ok() { self.commit().await } else { self.rollback().await };
        ended.map_err(TransactionError::Connection)?;
        result.map_err(TransactionError::Transaction)
    }

    /// Whether a load that runs wants to know what is read.
    pub(super) fn for_load(&self) -> bool {
        self.whole.scope.is_some()
    }

    /// Runs one statement, and collects what it writes or tells a running load what it reads.
    pub(super) async fn observe<R: Run>(&self, statement: R) -> Result<R::Output, DbErr> {
        let observed = statement.observed(backend(&self.inner), self.for_load());
        let _turn = self.whole.turn.lock().await;
        let puts = self.ledger.puts();
        if !observed.control.keeps_rows {
            puts.clear();
        }
        let running = puts.running();
        let output = self.observe_in_turn(observed, statement).await?;
        running.done();
        Ok(output)
    }

    async fn observe_in_turn<R: Run>(&self, observed: Observed, statement: R) -> Result<R::Output, DbErr> {
        let commits = observed.control.commits;
        let at_once = commits || self.whole.committed_early.load(Ordering::Acquire);
        let Plan { tags, look, through, .. } = match observed.effect(self.cache()) {
            // Once nothing waits for the end, there is no transaction to look in; a mock's answers are the user's.
            Effect::Write(plan) if at_once || self.whole.is_mock => plan.without_look(),
            Effect::Write(plan) => *plan,
            Effect::Read(reads) => {
                self.before_read(reads).await;
                return if commits { self.run_committing(statement).await } else { statement.run(&self.inner).await };
            }
        };
        self.whole.has_written.store(true, Ordering::Release);
        let leaving = match through.filter(|_| !at_once) {
            Some(Through { how, table }) => Some(Leaving::before(self.cache(), how, &table, &tags).await),
            None => None,
        };
        // Added before the statement runs, since any await may be the last line that does.
        self.ledger.add(tags);
        if at_once {
            self.ledger.puts().spoil();
            return self.run_committing(statement).await;
        }
        let output = match look {
            Some(look) => {
                Looking { txn: &self.inner, ledger: &self.ledger, looks: &self.whole.looks }
                    .run(look, statement)
                    .await?
            }
            None => statement.run(&self.inner).await?,
        };
        if let Some(leaving) = leaving {
            // After the statement's own tags, which take away what earlier ones have written of the same rows.
            self.ledger.puts().add(leaving.written(self.cache(), R::rows(&output)));
        }
        Ok(output)
    }

    /// Begins a stream of rows, and collects what it writes or tells a running load what it reads.
    pub(super) async fn stream(&self, statement: Statement) -> Result<TransactionStream<'_>, DbErr> {
        let observed = Observed::statement(&statement, self.for_load());
        let _turn = self.whole.turn.lock().await;
        // Nobody hears how the stream ends.
        self.ledger.puts().spoil();
        let at_once = observed.control.commits || self.whole.committed_early.load(Ordering::Acquire);
        match observed.effect(self.cache()) {
            Effect::Write(plan) => {
                self.whole.has_written.store(true, Ordering::Release);
                self.ledger.add(plan.without_look().tags);
            }
            Effect::Read(reads) => self.before_read(reads).await,
        }
        if at_once {
            // Nobody sees the stream's end: the intent is left to its lease.
            let mut intent = self.writer.begin(self.ledger.to_vec_with_parents()).await?;
            self.writer.hold(&mut intent, async {}).await?;
        }
        self.inner.stream_raw(statement).await
    }

    /// Code that takes nothing but SeaORM's own types is about to write: all of it counts as written.
    pub(super) fn hand_out(&self) -> &DatabaseTransaction {
        self.whole.has_written.store(true, Ordering::Release);
        self.ledger.add([Tag::all()]);
        self.ledger.puts().spoil();
        &self.inner
    }

    /// Runs a statement that commits at once: its tags, and all that were collected, are pending around it.
    async fn run_committing<R: Run>(&self, statement: R) -> Result<R::Output, DbErr> {
        self.whole.committed_early.store(true, Ordering::Release);
        let mut intent = self.writer.begin(self.ledger.to_vec_with_parents()).await?;
        let result = self.writer.hold(&mut intent, statement.run(&self.inner)).await?;
        let _outcome = self.writer.conclude(intent, &result, false, Vec::new(), Landing::NotAwaited).await;
        result
    }

    /// A load may be told of a read only if the versions captured now are no younger than what the database will show: a
    /// transaction that reads a snapshot took it with its first read, and one that has written sees its own rows.
    async fn before_read(&self, reads: Reads) {
        let whole = &self.whole;
        let has_read = whole.has_read.swap(true, Ordering::AcqRel);
        match (&whole.scope, LoadScope::current()) {
            (Some(scope), _) => {
                let is_younger = has_read && !whole.reads_latest;
                if whole.has_written.load(Ordering::Acquire) || whole.reads_dirty || is_younger {
                    scope.opaque();
                } else {
                    reads.tell(scope).await;
                }
            }
            // A load that reads through a transaction begun outside it.
            (None, Some(scope)) => scope.opaque(),
            (None, None) => {}
        }
    }
}

fn backend(txn: &DatabaseTransaction) -> DbBackend {
    sea_orm::ConnectionTrait::get_database_backend(txn)
}

impl fmt::Debug for CachedTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CachedTransaction")
    }
}
