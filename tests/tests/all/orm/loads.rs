//! Auto-tagged loads: what the statements of a body read is what the entry depends on.

use harness::Backend;
use sea_orm::{
    AccessMode, ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ConnectionTrait, DbErr, EntityTrait, IsolationLevel, PaginatorTrait, TransactionTrait,
};
use sea_orm_cache::{
    __testing::{Deps, Function, Read},
    PolicyOverride,
};

use super::{
    entities::{post, tag, user},
    shop::Shop,
};

static FUNCTION: Function = Function::new("loads", "load", 1, PolicyOverride::NONE);

/// Runs `body` unless its value is cached; says whether it ran.
async fn ran(shop: &Shop, key: &str, body: impl AsyncFnOnce() -> Result<(), DbErr>) -> bool {
    let mut ran = false;
    let read = Read::<u32, DbErr>::new(&FUNCTION, key, None);
    let load = async |_| {
        ran = true;
        body().await.map(|()| 1)
    };
    shop.cache.read(read, Deps::auto, load).await.unwrap();
    ran
}

async fn touch_user(shop: &Shop, id: i32) {
    let model = user::ActiveModel { id: Unchanged(id), name: Set("new".into()), ..Default::default() };
    model.update(&shop.db).await.unwrap();
}

#[tokio::test]
async fn a_body_depends_on_the_rows_that_its_statements_name() {
    let shop = Shop::open(Backend::Sqlite).await;
    let body = async || user::Entity::find_by_id(1).one(&shop.db).await.map(|_| ());
    assert!(ran(&shop, "row", body).await);
    assert!(!ran(&shop, "row", body).await);
    touch_user(&shop, 2).await;
    assert!(!ran(&shop, "row", body).await, "another row");
    touch_user(&shop, 1).await;
    assert!(ran(&shop, "row", body).await);
}

#[tokio::test]
async fn a_body_depends_on_every_table_it_reads() {
    let shop = Shop::open(Backend::Sqlite).await;
    let body = async || {
        post::Entity::find().count(&shop.db).await?;
        drop(tag::Entity::find().stream(&shop.db).await?);
        Ok(())
    };
    assert!(ran(&shop, "tables", body).await);
    assert!(!ran(&shop, "tables", body).await);
    touch_user(&shop, 1).await;
    assert!(!ran(&shop, "tables", body).await, "a table that was not read");
    tag::Entity::insert(tag::ActiveModel { tag: Set("x".into()), ..Default::default() }).exec(&shop.db).await.unwrap();
    assert!(ran(&shop, "tables", body).await, "read by a stream");
}

#[tokio::test]
async fn what_nobody_can_name_is_not_kept() {
    let shop = Shop::open(Backend::Sqlite).await;
    shop.db.execute_unprepared("CREATE VIEW shop_view AS SELECT * FROM shop_user").await.unwrap();
    let body = async || shop.db.execute_unprepared("SELECT * FROM shop_view").await.map(|_| ());
    assert!(ran(&shop, "view", body).await);
    assert!(ran(&shop, "view", body).await, "a name that is not registered may be a view");
}

#[tokio::test]
async fn the_first_read_of_a_transaction_can_be_trusted_and_a_later_one_may_be_older() {
    let shop = Shop::open(Backend::Postgres).await;
    let one = async || {
        let txn = shop.db.begin().await?;
        user::Entity::find_by_id(1).one(&txn).await?;
        txn.commit().await
    };
    assert!(ran(&shop, "one", one).await);
    assert!(!ran(&shop, "one", one).await);
    touch_user(&shop, 1).await;
    assert!(ran(&shop, "one", one).await);

    let two = async || {
        let txn = shop.db.begin().await?;
        user::Entity::find_by_id(1).one(&txn).await?;
        user::Entity::find_by_id(2).one(&txn).await?;
        txn.commit().await
    };
    assert!(ran(&shop, "two", two).await);
    assert!(ran(&shop, "two", two).await, "the second read may see a snapshot from before its tags were captured");

    let latest = async || {
        let level = Some(IsolationLevel::ReadCommitted);
        let txn = shop.db.begin_with_config(level, Some(AccessMode::ReadOnly)).await?;
        user::Entity::find_by_id(1).one(&txn).await?;
        user::Entity::find_by_id(2).one(&txn).await?;
        txn.commit().await
    };
    assert!(ran(&shop, "latest", latest).await);
    assert!(!ran(&shop, "latest", latest).await, "every statement sees the latest commits");
    touch_user(&shop, 2).await;
    assert!(ran(&shop, "latest", latest).await);
}

#[tokio::test]
async fn rows_that_may_never_be_committed_are_not_kept() {
    let shop = Shop::open(Backend::MariaDb).await;
    let writer = shop.db.begin().await.unwrap();
    user::ActiveModel { id: Unchanged(1), name: Set("dirty".into()), ..Default::default() }
        .update(&writer)
        .await
        .unwrap();
    let body = async || {
        let txn = shop.db.begin_with_config(Some(IsolationLevel::ReadUncommitted), None).await?;
        let user = user::Entity::find_by_id(1).one(&txn).await?;
        assert_eq!(user.map(|user| user.name).as_deref(), Some("dirty"));
        txn.commit().await
    };
    assert!(ran(&shop, "dirty", body).await);
    assert!(ran(&shop, "dirty", body).await, "nothing tells the cache when the writer rolls back");
}

#[tokio::test]
async fn a_body_that_reads_through_somebody_elses_transaction_is_not_kept() {
    let shop = Shop::open(Backend::Postgres).await;
    let txn = shop.db.begin().await.unwrap();
    let body = async || user::Entity::find_by_id(1).one(&txn).await.map(|_| ());
    assert!(ran(&shop, "foreign", body).await);
    assert!(ran(&shop, "foreign", body).await);
}
