//! The rows that everybody reads and writes.

use rand::{Rng, rngs::StdRng};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, IntoActiveModel, QueryOrder, Schema, entity::prelude::*,
};
use sea_orm_cache::{CachedEntity, EntityInfo, WriteThrough, register_info};
use serde::{Deserialize, Serialize};

use super::record::Seen;

/// How many rows everybody writes; their keys begin with 1.
pub(super) const ROWS: i32 = 24;

/// How many more rows there are, which only processes that are to die write: nobody else makes good what they leave undone.
pub(super) const ROWS_OF_THE_DEAD: i32 = 6;

/// How many values the indexed column has among the first; the last have one of their own.
pub(super) const SHELVES: i32 = 4;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
#[sea_orm(table_name = "item")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(super) id: i32,
    /// Never changes.
    pub(super) shelf: i32,
    /// Counts the commits.
    pub(super) version: i64,
    /// Names the last write.
    pub(super) token: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl CachedEntity for Entity {
    fn cached_indexes() -> Vec<Column> {
        vec![Column::Shelf]
    }

    fn cached_write_through() -> Option<WriteThrough> {
        Some(WriteThrough::of::<Self>())
    }
}

/// Makes the table known to this process's caches.
pub(super) fn register() {
    register_info(EntityInfo::of_cached::<Entity>());
}

impl From<Model> for Seen {
    fn from(row: Model) -> Self {
        Self { row: row.id, version: row.version, token: row.token }
    }
}

/// A row that everybody writes. Half of all choices fall on three of them: races need company.
pub(super) fn random(rng: &mut StdRng) -> i32 {
    if rng.random_bool(0.5) { rng.random_range(1..=3) } else { rng.random_range(1..=ROWS) }
}

pub(super) fn shelf_of(row: i32) -> i32 {
    if row <= ROWS { row % SHELVES } else { SHELVES }
}

/// Makes the table, with all rows at version 0.
pub(super) async fn create(db: &DatabaseConnection) -> Result<(), DbErr> {
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(Entity)).await?;
    let rows = (1..=ROWS + ROWS_OF_THE_DEAD)
        .map(|id| Model { id, shelf: shelf_of(id), version: 0, token: 0 }.into_active_model());
    Entity::insert_many(rows).exec(db).await?;
    Ok(())
}

/// All rows, straight from the database.
pub(super) async fn truth(db: &DatabaseConnection) -> Result<Vec<Seen>, DbErr> {
    let rows = Entity::find().order_by_asc(Column::Id).all(db).await?;
    Ok(rows.into_iter().map(Seen::from).collect())
}
