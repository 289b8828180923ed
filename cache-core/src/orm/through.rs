//! Write-through of entities: the rows that a writing statement returns become their own row entries.
//!
//! A statement counts only if its `RETURNING` clause is the very one that SeaORM writes for the whole model. Such a row is the row as the
//! statement left it, newer than whatever any snapshot shows, and locked until the commit. What triggers change after that is not in it.

use std::{any::TypeId, fmt, sync::Arc};

use sea_orm::{DbBackend, EntityTrait, FromQueryResult, Iterable, ModelTrait, PrimaryKeyToColumn, QueryResult};
use serde::{Serialize, de::DeserializeOwned};

use super::row_entry::{Row, returning_text};
use crate::{
    cache::Cache,
    engine::{Captured, Put, PutValue, Slot, Written, call::Presence},
    envelope::Wire,
    policy::PolicyOverride,
    tag::Tag,
};

/// More rows than this of one statement are not stored.
const ROWS_MAX: usize = 64;

/// How rows of one entity become values of their row entries. Declared with `#[cached_entity(write_through)]`.
#[derive(Clone, Copy)]
pub struct WriteThrough {
    entity: fn() -> TypeId,
    returning: fn(DbBackend) -> Option<&'static str>,
    put: fn(&Cache, &QueryResult) -> Option<Box<dyn Put>>,
}

impl WriteThrough {
    /// Of this entity. A row that cannot be read as its model is not stored.
    #[must_use]
    pub const fn of<E>() -> Self
    where
        E: EntityTrait,
        E::Model: Serialize + DeserializeOwned + Sync + 'static,
    {
        Self { entity: TypeId::of::<E>, returning: returning_text::<E>, put: put::<E> }
    }

    /// Whether the statement returns whole rows.
    pub(super) fn is_returned_by(&self, backend: DbBackend, sql: &str) -> bool {
        let returned = sql.rsplit_once(" RETURNING ").map(|(_, columns)| columns);
        returned.is_some() && returned == (self.returning)(backend)
    }
}

fn put<E>(cache: &Cache, row: &QueryResult) -> Option<Box<dyn Put>>
where
    E: EntityTrait,
    E::Model: Serialize + DeserializeOwned + Sync + 'static,
{
    let model = E::Model::from_query_result(row, "").ok()?;
    let key = E::PrimaryKey::iter().map(|column| model.get(column.into_column())).collect();
    let wire = Wire::<Option<E::Model>>::SERDE;
    let row = Row::of::<E>(key, Some(wire))?;
    let slot = Slot {
        function: row.function(),
        key: row.key().clone(),
        policy: PolicyOverride::NONE,
        wire: Some(wire),
        presence: |row| if row.is_some() { Presence::Present } else { Presence::Absent },
        deps: row.deps(),
    };
    let removals = cache.engine().removals_of(&slot.key);
    Some(Box::new(PutValue { slot, value: Some(model), removals }))
}

/// What the rows of one statement may leave in the cache, as things were before it ran.
pub(super) struct Leaving {
    through: WriteThrough,
    table: Tag,
    before: Vec<Captured>,
}

impl Leaving {
    /// To be called before the statement is sent; `tags` are what it makes stale for certain.
    pub(super) async fn before(cache: &Cache, through: WriteThrough, table: &str, tags: &[Tag]) -> Self {
        let mut wide = vec![Tag::all(), Tag::rows(table)];
        wide.retain(|tag| !tags.contains(tag));
        let engine = cache.engine();
        Self { through, table: Tag::table(table), before: engine.capture_before(&wide, engine.kept()).await }
    }

    /// The values of the rows that the statement has returned, which the intent on its tags may store when it ends.
    pub(super) fn written(&self, cache: &Cache, rows: &[QueryResult]) -> Vec<Written> {
        if rows.len() > ROWS_MAX {
            return Vec::new();
        }
        let puts = rows.iter().filter_map(|row| (self.through.put)(cache, row));
        puts.map(|put| Written::new(put, self.before.clone())).collect()
    }

    /// The same for a statement that has committed by itself, while the intent on `held` is still held: rows whose keys the database has
    /// chosen are not among its tags.
    pub(super) async fn written_and_committed(
        &self,
        cache: &Cache,
        rows: &[QueryResult],
        held: &[Tag],
    ) -> Vec<Written> {
        let mut written = self.written(cache, rows);
        for written in &mut written {
            let late: Vec<Tag> = written.uncaptured().filter(|tag| !held.contains(tag)).cloned().collect();
            if !late.is_empty() {
                let engine = cache.engine();
                let captured = engine.capture_before(&late, engine.kept()).await;
                written.captured_late(captured, self.table.clone());
            }
        }
        written
    }
}

impl fmt::Debug for WriteThrough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteThrough").field(&(self.entity)()).finish()
    }
}

impl PartialEq for WriteThrough {
    fn eq(&self, other: &Self) -> bool {
        (self.entity)() == (other.entity)()
    }
}

impl Eq for WriteThrough {}

/// What a statement of a write-through entity leaves, before it is known which of its rows there will be.
#[derive(Clone, Debug)]
pub(super) struct Through {
    pub(super) how: WriteThrough,
    /// Lower case.
    pub(super) table: Arc<str>,
}
