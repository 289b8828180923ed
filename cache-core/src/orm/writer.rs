//! Makes writes final while their tags are pending.

use std::future::Future;

use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr};

use super::{answer::Answer, outbox, relay::Relay};
use crate::{
    cache::Cache,
    engine::{Invalidation, Pending, WhenRemoteIsDown, Written},
    error::Error,
    tag::Tag,
};

/// Whether the caller of a write waits for the remote tier's answer to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landing {
    /// It wants to know the outcome.
    Awaited,
    /// The tags are pending until the answer comes: nobody is served anything stale meanwhile.
    NotAwaited,
}

/// The writing side of the cache, for one database.
#[derive(Clone)]
pub(super) struct Writer {
    cache: Cache,
    /// Drains the outbox; only with [`WhenRemoteIsDown::Outbox`].
    relay: Option<Relay>,
}

impl Writer {
    pub(super) fn new(cache: &Cache, db: &DatabaseConnection) -> Self {
        Self { cache: cache.clone(), relay: Relay::start(cache, db) }
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Makes the tags pending.
    pub(super) async fn begin(&self, tags: Vec<Tag>) -> Result<Pending, DbErr> {
        let intent = self.cache.begin_write(tags).await.map_err(|error| refused(&error))?;
        Ok(Pending::new(self.cache.engine(), intent))
    }

    /// Whether the intent has to travel through the database.
    pub(super) fn needs_outbox(&self, intent: &Pending) -> bool {
        !intent.reached_remote() && self.cache.engine().settings().when_remote_is_down == WhenRemoteIsDown::Outbox
    }

    /// Commits a transaction that wrote what `tags` say.
    pub(super) async fn commit(
        &self,
        txn: DatabaseTransaction,
        mut tags: Vec<Tag>,
        written: Vec<Written>,
        landing: Landing,
    ) -> Result<Invalidation, DbErr> {
        // Rows whose keys the database has chosen are known by now, and nobody else can write them before the commit.
        tags.extend(written.iter().flat_map(Written::uncaptured).cloned());
        match self.begin(tags).await {
            Ok(intent) => self.commit_with(txn, intent, written, landing).await,
            Err(refusal) => {
                txn.rollback().await?;
                Err(refusal)
            }
        }
    }

    /// The same with an intent that was begun before.
    pub(super) async fn commit_with(
        &self,
        txn: DatabaseTransaction,
        mut intent: Pending,
        written: Vec<Written>,
        landing: Landing,
    ) -> Result<Invalidation, DbErr> {
        let relayed = if self.needs_outbox(&intent) {
            match outbox::record(&self.cache, &txn, &intent.all_tags()).await {
                Ok(recorded) => recorded,
                Err(error) => {
                    let _rolled_back = txn.rollback().await;
                    let _outcome = intent.finish().await;
                    return Err(error);
                }
            }
        } else {
            false
        };
        let result = self.hold(&mut intent, txn.commit()).await?;
        let outcome = self.conclude(intent, &result, relayed, written, landing).await;
        result.map(|()| outcome)
    }

    /// Runs what makes the write final, once the lease is known to hold. The outer error is a refusal.
    pub(super) async fn hold<F: Future>(&self, intent: &mut Pending, work: F) -> Result<F::Output, DbErr> {
        intent.hold(work).await.map_err(|error| refused(&error))
    }

    /// Ends the intent once the database has answered. After an answer that never came the write may still be under way in
    /// the database: the intent is dropped, which counts as committed and leaves the tags pending for a while. After success what
    /// was written is stored. Without an answer awaited, the outcome says that it is not known.
    pub(super) async fn conclude<T>(
        &self,
        intent: Pending,
        result: &Result<T, DbErr>,
        relayed: bool,
        written: Vec<Written>,
        landing: Landing,
    ) -> Invalidation {
        if result.as_ref().is_err_and(|error| !is_answer(error)) {
            drop(intent);
            return Invalidation::Deferred;
        }
        let written = if result.is_ok() { written } else { Vec::new() };
        if written.is_empty() && !relayed && landing == Landing::NotAwaited {
            intent.finish_soon().await;
            return Invalidation::Deferred;
        }
        let outcome = intent.finish_with(written).await;
        if relayed && let Some(relay) = &self.relay {
            relay.wake();
        }
        outcome
    }

    /// Ends the relay of this database.
    pub(super) fn stop_relay(&self) {
        if let Some(relay) = &self.relay {
            relay.stop();
        }
    }
}

/// The error of a write that [`WhenRemoteIsDown::Refuse`] stopped.
fn refused(error: &Error) -> DbErr {
    DbErr::Custom(format!("the write was refused, because its invalidation cannot reach the remote tier: {error}"))
}

/// Whether the database is done with the statement: it reports the error itself, or nothing was sent.
fn is_answer(error: &DbErr) -> bool {
    matches!(error, DbErr::ConnectionAcquire(_)) || Answer::of(error).is_some()
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, Database, RuntimeErr};

    use super::*;

    #[tokio::test]
    async fn an_error_that_the_database_reports_is_an_answer() {
        let db = Database::connect("sqlite::memory:").await.expect("SQLite is embedded");
        let error = db.execute_unprepared("INSERT INTO nowhere VALUES (1)").await.expect_err("there is no such table");
        assert!(is_answer(&error), "{error:?}");
    }

    #[test]
    fn a_broken_connection_is_no_answer() {
        assert!(!is_answer(&DbErr::Conn(RuntimeErr::Internal("connection reset".to_owned()))));
        assert!(!is_answer(&DbErr::Custom("error returned from database".to_owned())));
    }
}
