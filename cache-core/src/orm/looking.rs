//! Runs a statement inside a transaction of the user's, and finds out which rows it writes.

use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{DatabaseTransaction, DbErr};

use super::{
    ledger::Ledger,
    observe::{After, Look},
    run::Run,
};
use crate::tag::Tag;

/// So many savepoints around looks are left to the end of the transaction. Each is one level more that PostgreSQL asks about a row which the
/// transaction has itself written.
const SAVEPOINTS_MAX: u32 = 8;

/// A transaction while it is this statement's turn.
pub(super) struct Looking<'a> {
    pub(super) txn: &'a DatabaseTransaction,
    pub(super) ledger: &'a Ledger,
    /// Looks so far.
    pub(super) looks: &'a AtomicU32,
}

/// Adds what a statement makes stale once that is over: failed or cancelled, it may have written any rows.
struct UnlessTold<'a> {
    ledger: &'a Ledger,
    look: Look,
    tags: Option<Vec<Tag>>,
}

impl Drop for UnlessTold<'_> {
    fn drop(&mut self) {
        self.ledger.add(self.tags.take().unwrap_or_else(|| self.look.coarse()));
    }
}

impl Looking<'_> {
    pub(super) async fn run<R: Run>(self, look: Look, statement: R) -> Result<R::Output, DbErr> {
        if look.is_told::<R>() {
            return self.run_telling(look, statement).await;
        }
        let stays = self.looks.fetch_add(1, Ordering::Relaxed) < SAVEPOINTS_MAX;
        let after = if stays { After::Stays } else { After::Released };
        let Some(rows) = look.rows_guarded(self.txn, after).await? else {
            self.ledger.add(look.coarse());
            return statement.run(self.txn).await;
        };
        self.ledger.add(look.tags(&rows, u64::try_from(rows.len()).ok()));
        let (output, written) = statement.run_counted(self.txn, |_| {}).await?;
        self.ledger.add(look.tags(&rows, written));
        Ok(output)
    }

    /// Runs a statement that returns what a look would have shown.
    async fn run_telling<R: Run>(self, look: Look, statement: R) -> Result<R::Output, DbErr> {
        let mut unless_told = UnlessTold { ledger: self.ledger, look, tags: None };
        let UnlessTold { look, tags, .. } = &mut unless_told;
        let (output, _) = statement.run_counted(self.txn, |rows| *tags = Some(look.tags_told(rows))).await?;
        Ok(output)
    }
}
