//! Tells what one statement reads and writes, before it runs.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, QueryResult, Statement, Values};

use super::{
    analysis::{Preimage, analyze},
    control::Control,
    run::Run,
    savepoint::Savepoint,
    through::Through,
};
use crate::{cache::Cache, engine::LoadScope, tag::Tag};

/// What is known of a statement before it runs.
pub(super) struct Observed {
    /// What it does to the transaction around it.
    pub(super) control: Control,
    effect: Effect,
    /// Something about the text that a person should know; `Some` once for each text.
    warning: Option<String>,
}

/// What a statement does to the cache.
pub(super) enum Effect {
    /// It reads.
    Read(Reads),
    /// It writes.
    Write(Box<Plan>),
}

/// What a statement reads, for a load that wants to know.
pub(super) enum Reads {
    /// Nobody asked.
    Unasked,
    /// Nobody can tell.
    Unknown,
    /// These.
    Tags(Vec<Tag>),
}

/// What a writing statement makes stale, and how it has to be run.
pub(super) struct Plan {
    /// What it makes stale, whatever the rows.
    pub(super) tags: Vec<Tag>,
    /// Rows to look at before they are written.
    pub(super) look: Option<Look>,
    /// Whether a transaction can be put around it.
    pub(super) transactional: bool,
    /// The rows that it returns may be stored.
    pub(super) through: Option<Through>,
}

/// A look at the rows that a statement is about to write, for the index values they have before.
pub(super) struct Look(Preimage);

/// What becomes of the savepoint around a look that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It is released: one round trip.
    Released,
    /// It stays until the transaction ends, or whatever is around it.
    Stays,
}

impl Plan {
    /// Nothing is looked at: nothing is known of the rows.
    pub(super) fn without_look(mut self) -> Self {
        if let Some(look) = self.look.take() {
            self.tags.extend(look.coarse());
        }
        self
    }
}

impl Observed {
    pub(super) fn statement(statement: &Statement, for_load: bool) -> Self {
        Self::new(statement.db_backend, &statement.sql, statement.values.as_ref(), for_load)
    }

    pub(super) fn unprepared(backend: DbBackend, sql: &str, for_load: bool) -> Self {
        Self::new(backend, sql, None, for_load)
    }

    fn new(backend: DbBackend, sql: &str, values: Option<&Values>, for_load: bool) -> Self {
        let control = Control::of(backend, sql);
        if control.ends_foreign_transaction {
            // It makes visible what statements before it wrote, and which they were is not known.
            let plan = Plan { tags: vec![Tag::all()], look: None, transactional: false, through: None };
            return Self { control, effect: Effect::Write(Box::new(plan)), warning: None };
        }
        let analysis = analyze(backend, sql);
        let effect = if analysis.is_write() {
            let written = analysis.write_tags(values);
            let transactional = control.is_transactional;
            let (tags, look) = match written.preimage {
                Some(preimage) if transactional => (preimage.always(), Some(Look(preimage))),
                _ => (written.tags, None),
            };
            let through = analysis
                .written_through()
                .filter(|(how, _)| transactional && how.is_returned_by(backend, sql))
                .map(|(how, info)| Through { how, table: info.table().into() });
            Effect::Write(Box::new(Plan { tags, look, transactional, through }))
        } else if for_load {
            Effect::Read(analysis.read_tags(values).map_or(Reads::Unknown, Reads::Tags))
        } else {
            Effect::Read(Reads::Unasked)
        };
        Self { control, effect, warning: analysis.warning().map(str::to_owned) }
    }

    /// Says what there is to say about the text, and hands out what it does.
    pub(super) fn effect(self, cache: &Cache) -> Effect {
        if let Some(warning) = &self.warning {
            cache.engine().warn_once(warning);
        }
        self.effect
    }
}

impl Reads {
    /// Tells a running load what the statement is about to read.
    pub(super) async fn tell(self, scope: &LoadScope) {
        match self {
            Self::Tags(tags) => scope.before_read(tags).await,
            Self::Unasked | Self::Unknown => scope.opaque(),
        }
    }
}

impl Look {
    /// Reads the rows and locks them, so that they are still the same when the statement runs.
    pub(super) async fn rows(&self, txn: &DatabaseTransaction) -> Result<Vec<QueryResult>, DbErr> {
        txn.query_all_raw(self.0.statement()).await
    }

    /// The same inside a transaction of the user's, which a failing look must not abort. `None` if the rows cannot be
    /// looked at. Nothing else may be sent to the transaction meanwhile.
    ///
    /// # Errors
    ///
    /// Those after which the transaction may be gone: a deadlock in MySQL, say.
    pub(super) async fn rows_guarded(
        &self,
        txn: &DatabaseTransaction,
        after: After,
    ) -> Result<Option<Vec<QueryResult>>, DbErr> {
        // Of a transaction that is aborted already, the statement itself will tell.
        let Ok(savepoint) = Savepoint::set(txn).await else { return Ok(None) };
        let looked = match self.lock(txn).await {
            Ok(()) => self.rows(txn).await,
            Err(error) => Err(error),
        };
        match looked {
            Ok(rows) if after == After::Stays => Ok(Some(rows)),
            Ok(rows) => savepoint.release().await.map(|()| Some(rows)),
            Err(error) => savepoint.undo(error).await.map(|()| None),
        }
    }

    /// Makes the transaction a writing one, as the statement itself is about to: in SQLite, whose locks are the whole
    /// database's, one that has begun by reading can be refused that later on.
    async fn lock(&self, txn: &DatabaseTransaction) -> Result<(), DbErr> {
        if txn.get_database_backend() == DbBackend::Sqlite {
            let table = self.0.table().replace('"', "\"\"");
            txn.execute_unprepared(&format!("DELETE FROM \"{table}\" WHERE 0")).await?;
        }
        Ok(())
    }

    /// Whether the statement itself returns what there is to be seen, if it is run so that it returns rows.
    pub(super) fn is_told<R: Run>(&self) -> bool {
        R::RETURNS_ROWS && self.0.is_told()
    }

    /// The tags of the rows that the statement has returned.
    pub(super) fn tags_told(&self, rows: &[QueryResult]) -> Vec<Tag> {
        self.0.tags_told(rows)
    }

    /// The tags of the rows found, if they are the very rows that the statement then wrote.
    ///
    /// The rows found are locked, and the statement writes at least those: equal numbers mean equal rows.
    pub(super) fn tags(&self, rows: &[QueryResult], written: Option<u64>) -> Vec<Tag> {
        if written.is_some() && written == u64::try_from(rows.len()).ok() { self.0.tags(rows) } else { self.coarse() }
    }

    /// The tags if nothing is known of the rows.
    pub(super) fn coarse(&self) -> Vec<Tag> {
        self.0.coarse()
    }
}
