//! The row that benchmarks read and write: about 200 bytes.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, Schema, TransactionTrait, entity::prelude::*};
use sea_orm_cache::CachedEntity;
use serde::{Deserialize, Serialize};

/// An article as a list of articles would show it.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, CachedEntity, Serialize, Deserialize)]
#[sea_orm(table_name = "article")]
#[cached_entity(index(author_id))]
pub struct Model {
    /// From 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// One of a thousand.
    pub author_id: i64,
    /// Counts the writes.
    pub version: i64,
    /// 40 characters.
    pub title: String,
    /// 20 characters.
    pub slug: String,
    /// 80 characters.
    pub summary: String,
}

/// There are none.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The row with this id, the same each time.
pub(crate) fn row(id: i64) -> Model {
    Model {
        id,
        author_id: id % 1_000,
        version: 0,
        title: format!("{id:0>8} is a title of forty characters."),
        slug: format!("{id:0>8}-is-a-title"),
        summary: format!("{id:0>8} is the first of the sentences that say what the article is about, soberly."),
    }
}

/// Makes the table with rows `1..=rows`.
pub(crate) async fn create(db: &DatabaseConnection, rows: i64) -> Result<(), DbErr> {
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(Entity)).await?;
    // Whoever asks for the articles of an author has an index.
    db.execute_unprepared("CREATE INDEX article_author ON article (author_id)").await?;
    let txn = db.begin().await?;
    for first in (1..=rows).step_by(2_000) {
        let some = (first..=rows.min(first + 1_999)).map(|id| ActiveModel::from(row(id)).reset_all());
        Entity::insert_many(some).exec_without_returning(&txn).await?;
    }
    txn.commit().await
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_row_has_about_200_bytes() {
        let row = super::row(7);
        let bytes = 3 * 8 + 3 * size_of::<String>() + row.title.len() + row.slug.len() + row.summary.len();
        assert!((190..250).contains(&bytes), "{bytes}");
    }
}
