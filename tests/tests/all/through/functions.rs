//! `cache.put_through` and `#[cache_put]`.

use std::time::Duration;

use futures_util::FutureExt;
use harness::Backend;
use sea_orm::{DbErr, EntityTrait, TransactionTrait};
use sea_orm_cache::{CachedConnection, CachedTransaction, Tag, WhenRemoteIsDown, cache_put, cached};

use super::world::{Member, On, World, member, rename};

const MINUTE: Duration = Duration::from_secs(60);

#[cached(ttl = 60, invalidate_on = super::world::Member(id))]
async fn find_member(db: &CachedConnection, id: i32) -> Result<Option<member::Model>, DbErr> {
    Member::find_by_id(id).one(db).await
}

#[cached(ttl = 60)]
async fn by_statements(db: &CachedConnection, id: i32) -> Result<Option<member::Model>, DbErr> {
    Member::find_by_id(id).one(db).await
}

/// Reads, and writes what it has read, in statements of their own.
#[cache_put(find_member(id))]
async fn rename_slowly(db: &CachedConnection, id: i32, name: &str) -> Result<member::Model, DbErr> {
    let mut model = Member::find_by_id(id).one(db).await?.ok_or(DbErr::RecordNotFound(id.to_string()))?;
    model.name = name.to_owned();
    rename(db, id, name).await;
    Ok(model)
}

#[cache_put(find_member(member.id))]
async fn save_in_transaction(db: &CachedConnection, member: member::Model) -> Result<Option<member::Model>, DbErr> {
    let txn = db.begin().await?;
    let saved = rename(&txn, member.id, &member.name).await;
    txn.commit().await?;
    Ok(Some(saved))
}

#[cache_put(find_member(id), connection = txn)]
async fn in_the_callers(txn: &CachedTransaction, id: i32) -> Result<member::Model, DbErr> {
    Ok(rename(txn, id, "inside").await)
}

#[cache_put(by_statements(id))]
async fn rename_unnamed(db: &CachedConnection, id: i32) -> Result<member::Model, DbErr> {
    Ok(rename(db, id, "unnamed").await)
}

/// Functions of a type, with the connection in a field or among the arguments.
struct Members {
    db: CachedConnection,
    tenant: &'static str,
}

impl Members {
    #[cached(ttl = 60, cache = self.db, key = "{self.tenant}:{id}", invalidate_on = super::world::Member(id))]
    async fn find(&self, id: i32) -> Result<Option<member::Model>, DbErr> {
        Member::find_by_id(id).one(&self.db).await
    }

    #[cached(ttl = 60, invalidate_on = super::world::Member(id), companions = "associated")]
    async fn of(db: &CachedConnection, id: i32) -> Result<Option<member::Model>, DbErr> {
        Member::find_by_id(id).one(db).await
    }

    #[cache_put(self.find(id), cache = self.db)]
    async fn rename(&self, id: i32, name: &str) -> Result<member::Model, DbErr> {
        Ok(rename(&self.db, id, name).await)
    }

    #[cache_put(Self::of(id))]
    async fn rename_in(db: &CachedConnection, id: i32, name: &str) -> Result<member::Model, DbErr> {
        Ok(rename(db, id, name).await)
    }
}

async fn found(world: &World, id: i32) -> [(usize, String); 2] {
    let mut found = Vec::new();
    for node in [&world.a, &world.b] {
        let (statements, read) = world.statements(find_member(&node.db, id)).await;
        found.push((statements, read.unwrap().unwrap().name));
    }
    found.try_into().unwrap()
}

fn hits(name: &str) -> [(usize, String); 2] {
    [(0, name.to_owned()), (0, name.to_owned())]
}

#[tokio::test]
async fn what_an_annotated_writer_returns_becomes_the_functions_entry() {
    for (backend, on) in [(Backend::Sqlite, On::Memory), (Backend::Postgres, On::Redis), (Backend::MariaDb, On::Memory)]
    {
        let world = World::with(backend, on, |builder| builder).await;
        found(&world, 1).await;
        rename_slowly(&world.a.db, 1, "anna").await.unwrap();
        assert_eq!(found(&world, 1).await, hits("anna"), "{backend:?}: {:?}", world.a.events.all());
        let model = member::Model { id: 1, name: "andy".into(), score: 0 };
        save_in_transaction(&world.b.db, model).await.unwrap();
        assert_eq!(found(&world, 1).await, hits("andy"), "{backend:?}: {:?}", world.b.events.all());
        assert_eq!(world.a.events.count_with("WriteThrough", "find_member"), 1);
        assert_eq!(find_member(&world.a.db, 2).await.unwrap().unwrap().name, "bob");
    }
}

#[tokio::test]
async fn a_method_that_writes_stores_the_entry_of_a_method_of_the_same_type() {
    let world = World::new(Backend::Sqlite).await;
    let here = Members { db: world.a.db.clone(), tenant: "one" };
    let there = Members { db: world.b.db.clone(), tenant: "one" };
    let other = Members { db: world.a.db.clone(), tenant: "two" };
    other.find(1).await.unwrap();
    here.rename(1, "anna").await.unwrap();
    let (statements, read) = world.statements(there.find(1)).await;
    assert_eq!((statements, read.unwrap().unwrap().name.as_str()), (0, "anna"));
    let (statements, read) = world.statements(other.find(1)).await;
    assert_eq!((statements, read.unwrap().unwrap().name.as_str()), (1, "anna"), "another key is another entry");

    Members::rename_in(&world.b.db, 2, "bert").await.unwrap();
    let (statements, read) = world.statements(Members::of(&world.a.db, 2)).await;
    assert_eq!((statements, read.unwrap().unwrap().name.as_str()), (0, "bert"));
}

/// B writes the row after A has read it and before A writes it: what A returns is not what the row holds.
#[tokio::test]
async fn a_write_of_another_while_the_body_runs_keeps_its_value_out() {
    let world = World::new(Backend::Sqlite).await;
    let overtaken = world.a.cache.put_through("1", [Tag::row("through_member", &["1"])], MINUTE, async || {
        let name = Member::find_by_id(1).one(&world.a.db).await?.unwrap().name;
        rename(&world.b.db, 1, "second").await;
        Ok::<_, DbErr>(name)
    });
    assert_eq!(overtaken.await.unwrap(), "ann");
    assert_eq!((world.a.refusals("Contested"), world.a.cache.get::<String>("1").await), (1, None));
    let alone = world.a.cache.put_through("1", [Tag::row("through_member", &["1"])], MINUTE, async || {
        Ok::<_, DbErr>(rename(&world.a.db, 1, "third").await.name)
    });
    alone.await.unwrap();
    assert_eq!(world.a.cache.get::<String>("1").await.as_deref(), Some("third"));
    assert_eq!(world.b.cache.get::<String>("1").await.as_deref(), Some("third"));
    rename(&world.b.db, 1, "fourth").await;
    assert_eq!(world.a.cache.get::<String>("1").await, None);
}

#[tokio::test]
async fn a_body_that_fails_or_is_dropped_leaves_the_entry_stale() {
    let world = World::new(Backend::Sqlite).await;
    found(&world, 1).await;
    rename_slowly(&world.a.db, 9, "nobody").await.unwrap_err();
    assert_eq!(world.a.cache.stats().write_through, 0);
    let put = world.a.cache.put_through("k", ["tag"], MINUTE, async || Err::<i32, _>(DbErr::Custom("no".into())));
    put.await.unwrap_err();
    assert_eq!(world.a.cache.get::<i32>("k").await, None);
    world.a.cache.put("k", 1, ["tag"], MINUTE).await;
    let put = Box::pin(world.a.cache.put_through("k", ["tag"], MINUTE, std::future::pending::<Result<i32, DbErr>>));
    assert!(put.now_or_never().is_none(), "polled once, and dropped");
    assert_eq!(world.a.cache.get::<i32>("k").await, None, "it may have written: pending for one more lease");
}

#[tokio::test]
async fn in_a_transaction_of_the_caller_the_body_simply_runs() {
    let world = World::new(Backend::Sqlite).await;
    found(&world, 1).await;
    let txn = world.a.db.begin().await.unwrap();
    in_the_callers(&txn, 1).await.unwrap();
    assert_eq!(find_member::peek(&world.b.db, 1).await.unwrap().unwrap().name, "ann");
    txn.commit().await.unwrap();
    assert_eq!(find_member::peek(&world.b.db, 1).await, None);
    assert_eq!(world.a.events.count_with("Bypass", "find_member"), 1);
}

#[tokio::test]
async fn a_function_that_names_no_dependencies_cannot_be_written_through() {
    let world = World::new(Backend::Sqlite).await;
    by_statements(&world.a.db, 1).await.unwrap();
    rename_unnamed(&world.a.db, 1).await.unwrap();
    assert_eq!(world.a.refusals("Uncovered"), 1);
    assert_eq!(by_statements(&world.a.db, 1).await.unwrap().unwrap().name, "unnamed");
}

#[tokio::test]
async fn a_writer_whose_tags_cannot_be_announced_is_refused_before_its_body() {
    let store = sea_orm_cache::__testing::MemoryStore::shared(sea_orm_cache::Clock::system());
    let (one, two) = (store.node(), store.node());
    let over = ((one.tier(), one.bus()), (two.tier(), two.bus()));
    let refuse = WhenRemoteIsDown::Refuse;
    let world = World::over(Backend::Sqlite, over.0, over.1, |builder| builder.when_remote_is_down(refuse)).await;
    one.fail_all();
    rename_slowly(&world.a.db, 1, "never").await.unwrap_err();
    one.heal();
    assert_eq!(world.b.member(1).await.unwrap().name, "ann");
}
