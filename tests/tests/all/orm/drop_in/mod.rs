//! The wrapped connection stands in for SeaORM's own, in the same source text and with the same answers.

use sea_orm_migration::prelude::*;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(sea_orm_cache::CreateCacheOutbox), Box::new(AddTable)]
    }
}

#[derive(DeriveMigrationName)]
struct AddTable;

// `async_trait` needs the lifetimes spelled as SeaORM spells them.
#[allow(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for AddTable {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table =
            Table::create().table("migrated").col(ColumnDef::new("id").integer().not_null().primary_key()).to_owned();
        manager.create_table(table).await?;
        manager.get_connection().execute_unprepared("INSERT INTO migrated (id) VALUES (1)").await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("migrated").to_owned()).await
    }
}

macro_rules! project {
    ($name:ident, $db:ty, $txn:ty) => {
        mod $name {
            use std::sync::{
                Arc,
                atomic::{AtomicUsize, Ordering},
            };

            use futures_util::StreamExt;
            use sea_orm::{
                AccessMode,
                ActiveValue::{Set, Unchanged},
                DbBackend, EntityLoaderTrait, IntoActiveModel, IsolationLevel, LoaderTrait, QueryOrder, QuerySelect,
                SqlErr, Statement, StreamTrait, TransactionError, TransactionOptions, TransactionTrait,
                TryInsertResult,
                entity::prelude::*,
                sea_query::OnConflict,
            };
            use sea_orm_migration::MigratorTrait;

            use super::{
                super::entities::{
                    post::{self, Entity as Post},
                    post_tag::{self, Entity as PostTag},
                    profile::{self, Entity as Profile},
                    tag::{self, Entity as Tag},
                    user::{self, Entity as User},
                },
                Migrator,
            };

            type Db = $db;
            type Txn = $txn;

            include!("everything.rs");
        }
    };
}

project!(plain, sea_orm::DatabaseConnection, sea_orm::DatabaseTransaction);
project!(cached, sea_orm_cache::CachedConnection, sea_orm_cache::CachedTransaction);

async fn same_answers(backend: harness::Backend) {
    let plain = backend.database();
    let expected = plain::everything(&plain.connect().await).await.unwrap();
    assert!(expected.len() > 30, "{expected:#?}");

    let database = backend.database();
    let cache = sea_orm_cache::Cache::builder().build().await.unwrap();
    let answers = cached::everything(&cache.wrap(database.connect().await)).await.unwrap();
    assert_eq!(answers, expected);
}

#[tokio::test]
async fn a_project_on_sqlite_notices_no_difference() {
    same_answers(harness::Backend::Sqlite).await;
}

#[tokio::test]
async fn a_project_on_postgres_notices_no_difference() {
    same_answers(harness::Backend::Postgres).await;
}

#[tokio::test]
async fn a_project_on_mariadb_notices_no_difference() {
    same_answers(harness::Backend::MariaDb).await;
}
