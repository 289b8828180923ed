//! Callers that go away in the middle of a write.

use std::sync::Arc;

use harness::Backend;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    EntityTrait, TransactionTrait,
};
use sea_orm_cache::{
    __testing::{Call, MemoryNode, MemoryStore, Point},
    Cache, CachedConnection, Clock,
};

use super::{
    entities::user,
    shop::{Shop, fill},
};

async fn open() -> (Shop, Arc<MemoryNode>) {
    let node = MemoryStore::shared(Clock::system()).node();
    let cache = Cache::builder().ports(node.tier(), node.bus()).build().await.unwrap();
    (Shop::with(Backend::Sqlite, cache).await, node)
}

async fn rename(db: CachedConnection) {
    let model = user::ActiveModel { id: Unchanged(1), name: Set("new".into()), ..Default::default() };
    let _cancelled = model.update(&db).await;
}

/// Lets what runs in the background get on.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn name(shop: &Shop) -> String {
    user::Entity::find_by_id(1).one(shop.db.inner()).await.unwrap().unwrap().name
}

#[tokio::test]
async fn cancelled_before_the_statement_was_sent_nothing_is_written() {
    let (shop, node) = open().await;
    let gate = node.hold(Call::Begin, Point::Before);
    let writer = tokio::spawn(rename(shop.db.clone()));
    gate.reached().await;
    writer.abort();
    assert!(writer.await.unwrap_err().is_cancelled());
    drop(gate);
    assert_eq!(name(&shop).await, "anna");
}

#[tokio::test]
async fn a_write_does_not_wait_for_the_end_of_its_intent() {
    let (shop, node) = open().await;
    let gate = node.hold(Call::End, Point::Before);
    rename(shop.db.clone()).await;
    gate.reached().await;
    assert_eq!(name(&shop).await, "new");
    fill(&shop.cache).await;
    assert_eq!(shop.stale().await, ["users", "user 1"], "pending until then: nothing is filled");
    gate.open();
    settle().await;
    shop.fill().await;
}

#[tokio::test]
async fn the_end_of_an_intent_that_nobody_waited_for_is_retried_until_it_lands() {
    let (shop, node) = open().await;
    let gate = node.hold(Call::End, Point::Before);
    node.fail(Call::End, 1);
    rename(shop.db.clone()).await;
    gate.reached().await;
    let deferred = shop.cache.stats().deferrals;
    gate.open();
    settle().await;
    assert_eq!(shop.cache.stats().deferrals, deferred + 1);
    shop.cache.close().await.unwrap();
    assert_eq!(shop.cache.stats().deferred_tags, 0, "closing lands what waits");
}

#[tokio::test]
async fn a_commit_cancelled_on_the_way_counts_as_committed() {
    let (shop, node) = open().await;
    let txn = shop.db.begin().await.unwrap();
    user::ActiveModel { id: Unchanged(1), name: Set("new".into()), ..Default::default() }.update(&txn).await.unwrap();
    let gate = node.hold(Call::End, Point::Before);
    let commit = tokio::spawn(txn.commit_with_outcome());
    gate.reached().await;
    commit.abort();
    assert!(commit.await.unwrap_err().is_cancelled());
    drop(gate);
    assert_eq!(name(&shop).await, "new");
    assert_eq!(shop.stale().await, ["users", "user 1"]);
}

#[tokio::test]
async fn a_commit_cancelled_before_it_was_sent_is_rolled_back() {
    let (shop, node) = open().await;
    let txn = shop.db.begin().await.unwrap();
    user::ActiveModel { id: Unchanged(1), name: Set("new".into()), ..Default::default() }.update(&txn).await.unwrap();
    let gate = node.hold(Call::Begin, Point::After);
    let commit = tokio::spawn(txn.commit_with_outcome());
    gate.reached().await;
    commit.abort();
    assert!(commit.await.unwrap_err().is_cancelled());
    drop(gate);
    assert_eq!(name(&shop).await, "anna");
}
