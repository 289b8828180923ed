//! Saves of entities with `write_through`, each statement on its own.

use std::time::Duration;

use harness::Backend;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, ConnectionTrait, EntityTrait, ModelTrait, QueryFilter,
    sea_query::Expr,
};
use sea_orm_cache::{
    __testing::{Call, MemoryStore},
    Clock, Tier,
};

use super::world::{Member, On, Ticket, World, member, new_member, rename, ticket};

/// Where the database returns what it has written.
const RETURNING: [Backend; 2] = [Backend::Sqlite, Backend::Postgres];

#[tokio::test]
async fn after_an_update_the_rows_entry_holds_the_new_model_on_every_node() {
    for backend in RETURNING {
        let world = World::new(backend).await;
        world.a.member(1).await;
        world.b.member(1).await;
        let saved = rename(&world.a.db, 1, "anna").await;
        assert_eq!(world.a.stored(), (1, 0), "{backend:?}: {:?}", world.a.events.all());
        let (statements, read) = world.statements(async { [world.a.member(1).await, world.b.member(1).await] }).await;
        assert_eq!((statements, read), (0, [Some(saved.clone()), Some(saved)]), "{backend:?}");
        let (on_a, on_b) = (world.a.cache.stats(), world.b.cache.stats());
        assert_eq!((on_a.hits_local, on_b.hits_remote), (1, 2), "{backend:?}: no round trip for the writer");
        assert_eq!(world.names(1).await, ["anna"; 5]);
        assert_eq!(world.names(2).await, ["bob"; 5]);
    }
}

#[tokio::test]
async fn after_an_insert_the_row_that_the_database_has_named_is_there() {
    for backend in RETURNING {
        let world = World::new(backend).await;
        assert_eq!((world.a.member(3).await, world.b.member(3).await), (None, None));
        let saved = new_member("eve").insert(&world.a.db).await.unwrap();
        assert_eq!((saved.id, world.a.stored()), (3, (1, 0)), "{backend:?}: {:?}", world.a.events.all());
        let (statements, read) = world.statements(async { [world.a.member(3).await, world.b.member(3).await] }).await;
        assert_eq!((statements, read), (0, [Some(saved.clone()), Some(saved)]), "{backend:?}");
    }
}

#[tokio::test]
async fn several_rows_of_one_statement_become_their_entries() {
    for backend in RETURNING {
        let world = World::new(backend).await;
        let more = ["c", "d", "e"].map(new_member);
        let saved = Member::insert_many(more).exec_with_returning(&world.a.db).await.unwrap();
        let better = Member::update_many().col_expr(member::Column::Score, Expr::value(7));
        let better = better.filter(member::Column::Id.is_in([1, 2]));
        let updated = better.exec_with_returning(&world.a.db).await.unwrap();
        assert_eq!(world.a.stored(), (5, 0), "{backend:?}: {:?}", world.a.events.all());
        for model in saved.into_iter().chain(updated) {
            let (statements, read) = world.statements(world.b.member(model.id)).await;
            assert_eq!((statements, read), (0, Some(model)), "{backend:?}");
        }
    }
}

#[tokio::test]
async fn a_write_that_looks_at_its_row_first_stores_as_well() {
    for backend in RETURNING {
        let world = World::new(backend).await;
        world.b.ticket("a").await;
        let given = ticket::ActiveModel { code: Unchanged("a".into()), owner: Set(2) };
        let saved = given.update(&world.a.db).await.unwrap();
        assert_eq!(world.a.stored(), (1, 0), "{backend:?}: {:?}", world.a.events.all());
        let (statements, read) = world.statements(world.b.ticket("a")).await;
        assert_eq!((statements, read), (0, Some(saved)), "{backend:?}");
        let new = ticket::ActiveModel { code: Set("b".into()), owner: Set(3) };
        let saved = Ticket::insert(new).exec_with_returning(&world.a.db).await.unwrap();
        assert_eq!(world.statements(world.b.ticket("b")).await, (0, Some(saved)), "{backend:?}");
    }
}

#[tokio::test]
async fn a_delete_leaves_nothing_behind_and_other_writes_take_the_entry_away() {
    for backend in RETURNING {
        let world = World::new(backend).await;
        let saved = rename(&world.a.db, 1, "anna").await;
        world.b.db.execute_unprepared("UPDATE through_member SET name = 'raw' WHERE id = 1").await.unwrap();
        assert_eq!(world.names(1).await, ["raw"; 5]);
        saved.delete(&world.a.db).await.unwrap();
        assert_eq!((world.a.member(1).await, world.b.member(1).await), (None, None));
        assert_eq!((world.a.stored(), world.b.stored()), ((1, 0), (0, 0)));
    }
}

#[tokio::test]
async fn columns_that_only_look_like_the_model_are_not_taken_for_it() {
    let world = World::new(Backend::Sqlite).await;
    let raw = "UPDATE through_member SET score = 1 WHERE id = 1 RETURNING id, upper(name) AS name, score";
    let statement = sea_orm::Statement::from_string(world.a.db.get_database_backend(), raw);
    let shouted = Member::find().from_raw_sql(statement).one(&world.a.db).await.unwrap().unwrap();
    assert_eq!((shouted.name.as_str(), world.a.stored()), ("ANN", (0, 0)));
    assert_eq!(world.names(1).await, ["ann"; 5]);
}

#[tokio::test]
async fn where_the_database_returns_no_rows_a_save_makes_stale_and_stores_nothing() {
    let world = World::new(Backend::MariaDb).await;
    world.a.member(1).await;
    rename(&world.a.db, 1, "anna").await;
    assert_eq!(world.a.stored(), (0, 0));
    assert_eq!(world.names(1).await, ["anna"; 5]);
}

#[tokio::test]
async fn while_replicas_catch_up_nothing_is_stored() {
    let settle = Duration::from_millis(1);
    let world = World::with(Backend::Sqlite, On::Memory, |builder| builder.settle(settle)).await;
    rename(&world.a.db, 1, "anna").await;
    assert_eq!((world.a.stored(), world.a.refusals("Settling")), ((0, 1), 1));
}

#[tokio::test]
async fn a_remote_tier_that_does_not_answer_leaves_the_entry_stale() {
    let store = MemoryStore::shared(Clock::system());
    let (one, two) = (store.node(), store.node());
    let over = ((one.tier(), one.bus()), (two.tier(), two.bus()));
    let world = World::over(Backend::Sqlite, over.0, over.1, |builder| builder).await;
    assert_eq!(world.names(1).await, ["ann"; 5]);
    one.fail(Call::Begin, 1);
    rename(&world.a.db, 1, "anna").await;
    assert_eq!((world.a.stored(), world.a.refusals("RemoteDown")), ((0, 1), 1));
    assert_eq!(world.names(1).await, ["anna"; 5]);
    // The version is set, and the writer does not hear of it.
    one.lose_replies(Call::End, 2);
    rename(&world.a.db, 1, "andy").await;
    assert_eq!((world.a.stored(), world.a.refusals("RemoteDown")), ((0, 2), 2));
    while world.a.cache.stats().deferred_tags > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.names(1).await, ["andy"; 5]);
    let copies = world.b.cache.explain(&sea_orm_cache::Cache::row_key::<Member>(1).unwrap()).await.unwrap();
    assert!(copies.copies.iter().any(|copy| copy.tier == Tier::Local), "{copies}");
}
