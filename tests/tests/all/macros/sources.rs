//! Where a function finds its cache.

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, PaginatorTrait, TransactionTrait,
};
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cached, invalidates};

use super::world::{User, World};

type Db = CachedConnection;

#[cached(invalidate_on = User)]
async fn by_trait(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    User::find().count(db).await
}

#[cached(invalidate_on = User)]
async fn by_parameter<C>(db: &C, id: i32) -> Result<u64, DbErr>
where
    C: ConnectionTrait,
{
    User::find().count(db).await.map(|count| count + u64::from(id.unsigned_abs()))
}

#[cached(invalidate_on = User)]
async fn in_transaction(txn: &CachedTransaction) -> Result<u64, DbErr> {
    User::find().count(txn).await
}

#[cached(invalidate_on = User)]
async fn in_plain_transaction(txn: &DatabaseTransaction) -> Result<u64, DbErr> {
    User::find().count(txn).await
}

#[cached(invalidate_on = User)]
async fn by_cache(cache: &Cache, db: &DatabaseConnection) -> Result<u64, DbErr> {
    User::find().count(db).await
}

#[cached(invalidate_on = User)]
async fn by_cache_and_trait(cache: &Cache, db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    User::find().count(db).await
}

#[cached(invalidate_on = User)]
async fn by_installed(db: &DatabaseConnection) -> Result<u64, DbErr> {
    User::find().count(db).await
}

#[cached(connection = db, invalidate_on = User)]
async fn by_alias(db: &Db) -> Result<u64, DbErr> {
    User::find().count(db).await
}

#[cached(invalidate_on = User)]
async fn by_value(db: CachedConnection) -> Result<u64, DbErr> {
    User::find().count(&db).await
}

#[cached]
async fn by_pointer(db: Arc<CachedConnection>) -> Result<u64, DbErr> {
    User::find().count(&*db).await
}

#[invalidates(User)]
async fn touch(txn: &DatabaseTransaction) -> Result<(), DbErr> {
    txn.execute_unprepared("UPDATE user SET name = 'x' WHERE id = 1").await?;
    Ok(())
}

struct State {
    cache: Cache,
    db: DatabaseConnection,
}

#[cached(cache = state.cache, invalidate_on = User)]
async fn by_state(state: &State, extra: u8) -> Result<u64, DbErr> {
    User::find().count(&state.db).await.map(|count| count + u64::from(extra))
}

#[tokio::test]
async fn any_connection_leads_to_its_cache() {
    let world = World::new().await;
    world.loads(by_trait(&world.db)).await.unwrap();
    world.hits(by_trait(&world.db)).await.unwrap();
    assert_eq!(by_trait::peek(&world.db).await, Some(3));
    world.loads(by_parameter(&world.db, 1)).await.unwrap();
    assert_eq!(world.hits(by_parameter(&world.db, 1)).await.unwrap(), 4);
    assert_eq!(by_parameter::key(1), "by_parameter:v1:[1]");
    world.loads(by_alias(&world.db)).await.unwrap();
    world.hits(by_alias(&world.db)).await.unwrap();
    world.loads(by_value(world.db.clone())).await.unwrap();
    world.hits(by_value(world.db.clone())).await.unwrap();
    let pointer = Arc::new(world.db.clone());
    world.loads(by_pointer(Arc::clone(&pointer))).await.unwrap();
    world.hits(by_pointer(pointer)).await.unwrap();
    world.loads(by_cache(&world.cache, world.db.inner())).await.unwrap();
    world.hits(by_cache(&world.cache, world.db.inner())).await.unwrap();
    world.loads(by_cache_and_trait(&world.cache, &world.db)).await.unwrap();
    world.hits(by_cache_and_trait(&world.cache, &world.db)).await.unwrap();
    let state = State { cache: world.cache.clone(), db: world.db.inner().clone() };
    world.loads(by_state(&state, 1)).await.unwrap();
    assert_eq!(world.hits(by_state::peek(&state, 1)).await, Some(4));
    assert_eq!(by_state::key(1), "by_state:v1:[1]");
    by_cache::invalidate(&world.db).await.unwrap();
    world.loads(by_cache(&world.cache, world.db.inner())).await.unwrap();
}

#[tokio::test]
async fn inside_a_transaction_the_database_answers() {
    let world = World::new().await;
    world.loads(by_trait(&world.db)).await.unwrap();
    let txn = world.db.begin().await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.loads(by_trait(&txn)).await.unwrap(), 3);
        assert_eq!(world.loads(in_transaction(&txn)).await.unwrap(), 3);
        assert_eq!(world.loads(by_cache_and_trait(&world.cache, &txn)).await.unwrap(), 3);
    }
    assert_eq!(world.events("Bypass").len(), 6);
    txn.rollback().await.unwrap();
    let txn = world.db.inner().begin().await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.loads(by_trait(&txn)).await.unwrap(), 3);
        assert_eq!(world.loads(in_plain_transaction(&txn)).await.unwrap(), 3);
        assert_eq!(world.loads(by_cache_and_trait(&world.cache, &txn)).await.unwrap(), 3);
    }
    txn.rollback().await.unwrap();
    world.hits(by_trait(&world.db)).await.unwrap();
}

/// The installed cache belongs to the process: one test holds all that depends on it.
#[tokio::test]
async fn a_plain_connection_leads_to_the_installed_cache() {
    let world = World::new().await;
    let plain = world.db.inner();
    for _ in 0..2 {
        world.loads(by_installed(plain)).await.unwrap();
        world.loads(by_trait(plain)).await.unwrap();
    }
    world.cache.install_default();
    world.loads(by_installed(plain)).await.unwrap();
    world.hits(by_installed(plain)).await.unwrap();
    world.loads(by_trait(plain)).await.unwrap();
    world.hits(by_trait(plain)).await.unwrap();
    assert_eq!(by_installed::peek(plain).await, Some(3));
    // Nobody hears of the commit: what is named stays pending for a while, and nothing is stored.
    let txn = plain.begin().await.unwrap();
    touch(&txn).await.unwrap();
    txn.commit().await.unwrap();
    world.loads(by_installed(plain)).await.unwrap();
    world.loads(by_installed(plain)).await.unwrap();
    Cache::uninstall_default();
    world.loads(by_installed(plain)).await.unwrap();
}
