use std::{convert::Infallible, time::Duration};

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    Database, DatabaseConnection, EntityTrait, ModelTrait, TransactionTrait,
};
use tokio::sync::{Mutex, MutexGuard};

use crate::{cache::Cache, clock::Clock, memory::MemoryStore, tag::Tag};

/// What `#[cache_hooks]` makes of an entity.
mod gadget {
    use sea_orm::entity::prelude::*;

    use crate::orm::hooks;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "hooked_gadget")]
    pub(super) struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[sea_orm(unique)]
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    #[async_trait::async_trait]
    impl ActiveModelBehavior for ActiveModel {
        async fn before_save<C: ConnectionTrait>(self, db: &C, insert: bool) -> Result<Self, DbErr> {
            hooks::before_save::<Self, _>(&self, db, insert).await?;
            Ok(self)
        }

        async fn after_save<C: ConnectionTrait>(model: Model, db: &C, insert: bool) -> Result<Model, DbErr> {
            hooks::after_save::<Self, _>(&model, db, insert).await?;
            Ok(model)
        }

        async fn before_delete<C: ConnectionTrait>(self, db: &C) -> Result<Self, DbErr> {
            hooks::before_delete::<Self, _>(&self, db).await?;
            Ok(self)
        }

        async fn after_delete<C: ConnectionTrait>(self, db: &C) -> Result<Self, DbErr> {
            hooks::after_delete::<Self, _>(&self, db).await?;
            Ok(self)
        }
    }
}

/// The installed cache belongs to the whole process: one test at a time.
static INSTALLED: Mutex<()> = Mutex::const_new(());

struct Bench {
    db: DatabaseConnection,
    cache: Cache,
    clock: Clock,
    _turn: MutexGuard<'static, ()>,
}

const ENTRIES: [&str; 3] = ["gadgets", "gadget 1", "gadget 2"];

impl Bench {
    async fn new() -> Self {
        let turn = INSTALLED.lock().await;
        let clock = Clock::manual();
        let store = MemoryStore::shared(clock.clone());
        let cache = Cache::builder().clock(clock.clone()).ports(store.tier(), store.bus()).build().await.unwrap();
        cache.install_default();
        let mut options = sea_orm::ConnectOptions::new("sqlite::memory:");
        options.max_connections(1);
        let db = Database::connect(options).await.unwrap();
        let table = sea_orm::Schema::new(sea_orm::DbBackend::Sqlite).create_table_from_entity(gadget::Entity);
        sea_orm::ConnectionTrait::execute(&db, &table).await.unwrap();
        let bench = Self { db, cache, clock, _turn: turn };
        for name in ["a", "b"] {
            fresh(name).insert(&bench.db).await.unwrap();
        }
        bench.fill().await;
        assert_eq!(bench.stale().await, [""; 0]);
        bench
    }

    async fn fill(&self) {
        for name in ENTRIES {
            let load = async || Ok::<_, Infallible>(1);
            let Ok(_one): Result<i32, _> = self.cache.get_or_load(name, tags(name), load).await;
        }
    }

    /// What cannot be answered from the cache now.
    async fn stale(&self) -> Vec<&'static str> {
        let mut stale = Vec::new();
        for name in ENTRIES {
            if self.cache.get::<i32>(name).await.is_none() {
                stale.push(name);
            }
        }
        stale
    }

    /// What cannot be answered even after a load: a write to it is in flight.
    async fn pending(&self) -> Vec<&'static str> {
        self.fill().await;
        self.stale().await
    }

    /// Lets `hook_lease` pass, and the background work after it.
    async fn wait_hook_lease(&self) {
        settle().await;
        for _ in 0..6 {
            self.clock.advance(Duration::from_secs(1));
            settle().await;
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        Cache::uninstall_default();
    }
}

fn tags(name: &str) -> Vec<Tag> {
    let table = "hooked_gadget";
    match name {
        "gadget 1" => vec![Tag::row(table, &["1"]), Tag::rows(table)],
        "gadget 2" => vec![Tag::row(table, &["2"]), Tag::rows(table)],
        _ => vec![Tag::table(table)],
    }
}

fn fresh(name: &str) -> gadget::ActiveModel {
    gadget::ActiveModel { name: Set(name.into()), ..Default::default() }
}

fn renamed(id: i32, name: &str) -> gadget::ActiveModel {
    gadget::ActiveModel { id: Unchanged(id), name: Set(name.into()) }
}

async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_save_through_a_plain_connection_makes_its_row_stale_and_is_over_when_it_returns() {
    let bench = Bench::new().await;
    renamed(1, "x").update(&bench.db).await.unwrap();
    assert_eq!(bench.stale().await, ["gadgets", "gadget 1"]);
    assert_eq!(bench.pending().await, [""; 0], "ended by the hook after");

    fresh("new").insert(&bench.db).await.unwrap();
    assert_eq!(bench.stale().await, ["gadgets"]);
    assert_eq!(bench.pending().await, [""; 0], "found again although the database chose the key");

    let model = gadget::Entity::find_by_id(2).one(&bench.db).await.unwrap().unwrap();
    model.delete(&bench.db).await.unwrap();
    assert_eq!(bench.stale().await, ["gadgets", "gadget 2"]);
    assert_eq!(bench.pending().await, [""; 0]);
}

#[tokio::test]
async fn a_save_that_fails_stays_pending_for_the_hook_lease_and_no_longer() {
    let bench = Bench::new().await;
    renamed(1, "b").update(&bench.db).await.unwrap_err();
    assert_eq!(bench.pending().await, ["gadgets", "gadget 1"], "the hook after never came");
    bench.wait_hook_lease().await;
    assert_eq!(bench.pending().await, [""; 0]);
}

#[tokio::test]
async fn a_save_that_takes_longer_than_the_hook_lease_is_made_good_for_afterwards() {
    let bench = Bench::new().await;
    let model = renamed(1, "x");
    super::before_save(&model, &bench.db, false).await.unwrap();
    bench.wait_hook_lease().await;
    bench.fill().await;
    assert_eq!(bench.stale().await, [""; 0], "what was read before the statement landed is kept");
    let saved = gadget::Model { id: 1, name: "x".into() };
    super::after_save::<gadget::ActiveModel, _>(&saved, &bench.db, false).await.unwrap();
    let stale = bench.stale().await;
    assert!(stale.contains(&"gadgets") && stale.contains(&"gadget 1"), "{stale:?}");
    assert_eq!(bench.pending().await, [""; 0]);
}

#[tokio::test]
async fn saves_of_one_row_in_one_task_are_over_when_the_last_one_is() {
    let bench = Bench::new().await;
    let (one, two) = tokio::join!(renamed(1, "x").update(&bench.db), renamed(1, "y").update(&bench.db));
    one.unwrap();
    two.unwrap();
    assert_eq!(bench.stale().await, ["gadgets", "gadget 1"]);
    assert_eq!(bench.pending().await, [""; 0]);
}

#[tokio::test]
async fn nobody_sees_the_commit_of_a_plain_transaction_so_its_rows_stay_pending() {
    let bench = Bench::new().await;
    let txn = bench.db.begin().await.unwrap();
    renamed(1, "x").update(&txn).await.unwrap();
    assert_eq!(bench.pending().await, ["gadgets", "gadget 1"]);
    txn.commit().await.unwrap();
    assert_eq!(bench.pending().await, ["gadgets", "gadget 1"]);
    bench.wait_hook_lease().await;
    assert_eq!(bench.pending().await, [""; 0]);
}

#[tokio::test]
async fn the_wrapped_connection_sees_the_statement_and_the_hooks_add_nothing() {
    let bench = Bench::new().await;
    let before = bench.cache.stats().invalidations;
    let db = bench.cache.wrap(bench.db.clone());
    renamed(1, "x").update(&db).await.unwrap();
    let one_write = bench.cache.stats().invalidations - before;
    assert_eq!(one_write, 3, "the table, its indexes, the row: once each");
    let txn = db.begin().await.unwrap();
    renamed(2, "y").update(&txn).await.unwrap();
    bench.fill().await;
    assert_eq!(bench.pending().await, [""; 0], "nothing before the commit");
    txn.commit().await.unwrap();
    assert_eq!(bench.stale().await, ["gadgets", "gadget 2"]);
    assert_eq!(bench.cache.stats().invalidations - before, 2 * one_write);
}

#[tokio::test]
async fn a_connection_of_an_unknown_type_counts_as_a_transaction() {
    let bench = Bench::new().await;
    let executor = sea_orm::DatabaseExecutor::from(&bench.db);
    renamed(1, "x").update(&executor).await.unwrap();
    assert_eq!(bench.pending().await, ["gadgets", "gadget 1"]);
    bench.wait_hook_lease().await;
    assert_eq!(bench.pending().await, [""; 0]);
}

#[tokio::test]
async fn without_an_installed_cache_the_hooks_do_nothing() {
    let bench = Bench::new().await;
    Cache::uninstall_default();
    renamed(1, "x").update(&bench.db).await.unwrap();
    assert_eq!(bench.stale().await, [""; 0]);
}
