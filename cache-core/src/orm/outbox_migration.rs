//! The migration that creates the table `cache_outbox`.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::outbox::{drop_outbox_table, outbox_table};

/// Creates the table `cache_outbox`, which [`WhenRemoteIsDown::Outbox`](crate::WhenRemoteIsDown::Outbox) needs.
///
/// ```
/// use sea_orm_cache::CreateCacheOutbox;
/// use sea_orm_migration::{MigrationTrait, MigratorTrait};
///
/// struct Migrator;
///
/// impl MigratorTrait for Migrator {
///     fn migrations() -> Vec<Box<dyn MigrationTrait>> {
///         vec![Box::new(CreateCacheOutbox)]
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CreateCacheOutbox;

impl MigrationName for CreateCacheOutbox {
    fn name(&self) -> &str {
        "m20250601_000001_create_cache_outbox"
    }
}

// `async_trait` needs the lifetimes spelled as SeaORM spells them.
#[allow(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for CreateCacheOutbox {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(outbox_table()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(drop_outbox_table()).await
    }
}
