//! The migration that creates the table `cache_write_behind`.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::position::{drop_table, table};

/// Creates the table `cache_write_behind`, which [`WriteBehind`](crate::WriteBehind) needs, and otherwise creates itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct CreateCacheWriteBehind;

impl MigrationName for CreateCacheWriteBehind {
    fn name(&self) -> &str {
        "m20251101_000001_create_cache_write_behind"
    }
}

// `async_trait` needs the lifetimes spelled as SeaORM spells them.
#[allow(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for CreateCacheWriteBehind {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(table()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(drop_table()).await
    }
}
