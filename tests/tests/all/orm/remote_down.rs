//! Writes while the remote tier cannot be reached, in each of the three modes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use harness::Backend;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ConnectionTrait, DatabaseConnection, EntityTrait, Statement, TransactionTrait,
};
use sea_orm_cache::{
    __testing::{MemoryNode, MemoryStore},
    Cache, Clock, Event, Invalidation, WhenRemoteIsDown, create_outbox_table,
};

use super::{
    entities::user,
    shop::{self, Shop},
};

on_each_database! {
    the_outbox_carries_what_a_dead_node_could_not_tell => outbox;
    the_outbox_of_a_transaction_rolled_back_is_empty => outbox_rolled_back;
    without_its_table_the_outbox_falls_back_to_retries => outbox_without_table;
    a_refused_write_does_not_reach_the_database => refuse;
    a_retried_write_lands_when_the_remote_tier_is_back => retry;
}

/// Two nodes on one remote tier; the first one's way to it can be cut.
struct Pair {
    node: Arc<MemoryNode>,
    shop: Shop,
    other: Cache,
    store: MemoryStore,
    landed: Arc<AtomicUsize>,
}

impl Pair {
    async fn open(backend: Backend, mode: WhenRemoteIsDown) -> Self {
        let store = MemoryStore::shared(Clock::system());
        let node = store.node();
        let landed = Arc::new(AtomicUsize::new(0));
        let cache = Cache::builder().ports(node.tier(), node.bus()).when_remote_is_down(mode).build().await.unwrap();
        let shop = Shop::with(backend, cache).await;
        let other = node_on(&store, &landed).await;
        shop::fill(&other).await;
        assert_eq!(shop::stale(&other).await, [""; 0]);
        Self { node, shop, other, store, landed }
    }
}

async fn node_on(store: &MemoryStore, landed: &Arc<AtomicUsize>) -> Cache {
    let landed = Arc::clone(landed);
    Cache::builder()
        .ports(store.tier(), store.bus())
        .when_remote_is_down(WhenRemoteIsDown::Outbox)
        .on_event(move |event| {
            if let Event::Landed { tags } = event {
                landed.fetch_add(tags.len(), Ordering::Relaxed);
            }
        })
        .build()
        .await
        .unwrap()
}

async fn rename(db: &impl ConnectionTrait) -> Result<user::Model, sea_orm::DbErr> {
    user::ActiveModel { id: Unchanged(1), name: Set("new".into()), ..Default::default() }.update(db).await
}

async fn rows_waiting(db: &DatabaseConnection) -> usize {
    let statement = Statement::from_string(db.get_database_backend(), "SELECT tags FROM cache_outbox");
    db.query_all_raw(statement).await.unwrap().len()
}

/// Waits for what background work is about to do.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

async fn outbox(backend: Backend) {
    let pair = Pair::open(backend, WhenRemoteIsDown::Outbox).await;
    let Shop { cache, db, .. } = &pair.shop;
    create_outbox_table(db).await.unwrap();
    shop::fill(cache).await;
    shop::fill(&pair.other).await;
    pair.node.fail_all();
    rename(db).await.unwrap();
    let txn = db.begin().await.unwrap();
    user::ActiveModel { id: Unchanged(2), name: Set("new".into()), ..Default::default() }.update(&txn).await.unwrap();
    assert_eq!(txn.commit_with_outcome().await.unwrap(), Invalidation::Deferred);
    let plain = db.inner().clone();
    assert_eq!(rows_waiting(&plain).await, 2);
    assert_eq!(pair.shop.stale().await, ["users", "user 1", "user 2"], "this node knows");
    assert_eq!(shop::stale(&pair.other).await, [""; 0], "the other node has heard nothing");

    // The node dies with what it kept in memory; another one opens the database.
    assert!(cache.close().await.is_err(), "it says that it could not tell");
    let third = node_on(&pair.store, &pair.landed).await;
    let _relay = third.wrap(plain.clone());
    until("the rows are drained", async || rows_waiting(&plain).await == 0).await;
    let told = async || shop::stale(&pair.other).await == ["users", "user 1", "user 2"];
    until("the bus delivers", told).await;
    assert_eq!(pair.landed.load(Ordering::Relaxed), 4, "the table, its indexes and two rows, in one batch");
}

async fn outbox_rolled_back(backend: Backend) {
    let pair = Pair::open(backend, WhenRemoteIsDown::Outbox).await;
    let db = &pair.shop.db;
    create_outbox_table(db).await.unwrap();
    pair.node.fail_all();
    let txn = db.begin().await.unwrap();
    rename(&txn).await.unwrap();
    txn.rollback().await.unwrap();
    let twin = user::ActiveModel { name: Set("x".into()), email: Set("anna".into()), ..Default::default() };
    twin.insert(db).await.unwrap_err();
    assert_eq!(rows_waiting(db.inner()).await, 0);
}

async fn outbox_without_table(backend: Backend) {
    let pair = Pair::open(backend, WhenRemoteIsDown::Outbox).await;
    let db = &pair.shop.db;
    pair.node.fail_all();
    rename(db).await.unwrap();
    assert_eq!(user::Entity::find_by_id(1).one(db).await.unwrap().unwrap().name, "new");
    pair.node.heal();
    until("the retry lands", async || shop::stale(&pair.other).await == ["users", "user 1"]).await;
}

async fn refuse(backend: Backend) {
    let pair = Pair::open(backend, WhenRemoteIsDown::Refuse).await;
    let db = &pair.shop.db;
    pair.node.fail_all();
    let error = rename(db).await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
    let txn = db.begin().await.unwrap();
    rename(&txn).await.unwrap();
    let error = txn.commit().await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
    assert_eq!(user::Entity::find_by_id(1).one(db).await.unwrap().unwrap().name, "anna");
    pair.node.heal();
    // The circuit breaker asks again in its own time.
    until("writes go through again", async || rename(db).await.is_ok()).await;
}

async fn retry(backend: Backend) {
    let pair = Pair::open(backend, WhenRemoteIsDown::Retry).await;
    let db = &pair.shop.db;
    pair.node.fail_all();
    let txn = db.begin().await.unwrap();
    rename(&txn).await.unwrap();
    assert_eq!(txn.commit_with_outcome().await.unwrap(), Invalidation::Deferred);
    assert!(pair.shop.stale().await.contains(&"user 1"), "this node knows");
    assert_eq!(shop::stale(&pair.other).await, [""; 0]);
    pair.node.heal();
    until("the retry lands", async || shop::stale(&pair.other).await == ["users", "user 1"]).await;
}
