//! Runs one writing statement outside a transaction, with its tags pending while it runs.

use futures_util::future::join;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

use super::{
    observe::{Look, Plan},
    outbox,
    run::Run,
    tag_set::TagSet,
    through::{Leaving, Through},
    writer::{Landing, Writer},
};
use crate::{engine::Pending, tag::Tag};

/// Runs a statement that writes what `plan` says.
pub(super) async fn autocommit<R: Run>(
    writer: &Writer,
    db: &DatabaseConnection,
    plan: Plan,
    statement: R,
) -> Result<R::Output, DbErr> {
    // A mock's answers are the user's statements', one by one.
    let plan = if db.is_mock_connection() { plan.without_look() } else { plan };
    let Plan { tags, look, transactional, through } = plan;
    match look {
        Some(look) => with_look(writer, db, tags, look, through, statement).await,
        None => {
            let (leaving, intent) = join(leaving(writer, through, &tags), writer.begin(tags.clone())).await;
            with_intent(writer, db, intent?, transactional, leaving, statement).await
        }
    }
}

/// The versions that a written row needs besides those that its intent will leave.
async fn leaving(writer: &Writer, through: Option<Through>, tags: &[Tag]) -> Option<Leaving> {
    let through = through?;
    Some(Leaving::before(writer.cache(), through.how, &through.table, tags).await)
}

/// The same with an intent that was begun before.
pub(super) async fn with_intent<R: Run>(
    writer: &Writer,
    db: &DatabaseConnection,
    mut intent: Pending,
    transactional: bool,
    leaving: Option<Leaving>,
    statement: R,
) -> Result<R::Output, DbErr> {
    if !writer.needs_outbox(&intent) {
        let result = writer.hold(&mut intent, statement.run(db)).await?;
        let written = match (&leaving, &result) {
            (Some(leaving), Ok(output)) => {
                leaving.written_and_committed(writer.cache(), R::rows(output), intent.tags()).await
            }
            _ => Vec::new(),
        };
        let _outcome = writer.conclude(intent, &result, false, written, Landing::NotAwaited).await;
        return result;
    }
    if transactional {
        return match in_transaction(db, statement).await {
            Ok((txn, output)) => {
                let _outcome = writer.commit_with(txn, intent, Vec::new(), Landing::NotAwaited).await?;
                Ok(output)
            }
            Err(error) => {
                let _outcome = intent.finish().await;
                Err(error)
            }
        };
    }
    // No transaction can hold this statement, so its tags are recorded before it, and again after it: a relay may have taken
    // the first ones away too early.
    let _recorded = outbox::record_alone(writer.cache(), db, &intent.all_tags()).await;
    let result = writer.hold(&mut intent, statement.run(db)).await?;
    let relayed = outbox::record_alone(writer.cache(), db, &intent.all_tags()).await;
    let _outcome = writer.conclude(intent, &result, relayed, Vec::new(), Landing::NotAwaited).await;
    result
}

/// Looks at the rows first, in the same transaction as the statement.
async fn with_look<R: Run>(
    writer: &Writer,
    db: &DatabaseConnection,
    tags: Vec<Tag>,
    look: Look,
    through: Option<Through>,
    statement: R,
) -> Result<R::Output, DbErr> {
    let leaving = leaving(writer, through, &tags).await;
    let mut set = TagSet::default();
    set.extend(tags);
    let txn = begin_writing(db).await?;
    if look.is_told::<R>() {
        let mut told = None;
        let output = match statement.run_counted(&txn, |rows| told = Some(look.tags_told(rows))).await {
            Ok((output, _)) => output,
            Err(error) => {
                let _rolled_back = txn.rollback().await;
                return Err(error);
            }
        };
        set.extend(told.unwrap_or_else(|| look.coarse()));
        return commit_written::<R>(writer, txn, set, leaving, output).await;
    }
    let Ok(rows) = look.rows(&txn).await else {
        // The rows cannot be looked at (no privilege to lock them, say): precision is lost, nothing else.
        txn.rollback().await?;
        set.extend(look.coarse());
        let intent = writer.begin(set.to_vec()).await?;
        return with_intent(writer, db, intent, true, leaving, statement).await;
    };
    let (output, written) = match statement.run_counted(&txn, |_| {}).await {
        Ok(done) => done,
        Err(error) => {
            // Nothing is committed, and the statement's own error is the one to tell.
            let _rolled_back = txn.rollback().await;
            return Err(error);
        }
    };
    set.extend(look.tags(&rows, written));
    commit_written::<R>(writer, txn, set, leaving, output).await
}

async fn commit_written<R: Run>(
    writer: &Writer,
    txn: DatabaseTransaction,
    tags: TagSet,
    leaving: Option<Leaving>,
    output: R::Output,
) -> Result<R::Output, DbErr> {
    let written = leaving.map(|leaving| leaving.written(writer.cache(), R::rows(&output))).unwrap_or_default();
    let _outcome = writer.commit(txn, tags.to_vec(), written, Landing::NotAwaited).await?;
    Ok(output)
}

async fn in_transaction<R: Run>(
    db: &DatabaseConnection,
    statement: R,
) -> Result<(DatabaseTransaction, R::Output), DbErr> {
    let txn = begin_writing(db).await?;
    match statement.run(&txn).await {
        Ok(output) => Ok((txn, output)),
        Err(error) => {
            let _rolled_back = txn.rollback().await;
            Err(error)
        }
    }
}

/// SQLite upgrades a reading transaction to a writing one only if nobody wrote meanwhile: it is begun as a writing one.
async fn begin_writing(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let sqlite_transaction_mode =
        (db.get_database_backend() == DbBackend::Sqlite).then_some(SqliteTransactionMode::Immediate);
    db.begin_with_options(TransactionOptions { sqlite_transaction_mode, ..TransactionOptions::default() }).await
}
