//! What transactions make stale, and when.

use std::time::Duration;

use harness::Backend;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, MockDatabase, QueryFilter, QueryOrder, QueryTrait,
    StreamTrait, TransactionError, TransactionTrait,
    sea_query::Expr,
};
use sea_orm_cache::{Cache, Tag};

use super::{
    entities::{post, tag, user},
    shop::{ENTRIES, Shop},
};

on_each_database! {
    a_commit_makes_stale_what_was_written_and_not_before => commit;
    a_rollback_makes_nothing_stale => rollback;
    a_dropped_transaction_makes_nothing_stale => dropped;
    a_savepoint_rolled_back_is_forgotten_and_the_rest_is_not => savepoint_rolled_back;
    a_savepoint_committed_waits_for_the_outermost_commit => savepoint_committed;
    a_closure_that_fails_makes_nothing_stale => closures;
    reads_inside_see_the_transactions_own_rows => reads_inside;
    a_statement_refused_inside_leaves_the_transaction_usable => refused_inside;
    a_look_inside_a_transaction_finds_the_rows => look_inside;
    many_rows_become_the_tables_coarse_tag => many_rows;
    a_commit_in_raw_sql_is_seen => raw_commit;
    an_update_after_an_error_that_was_ignored_commits_nothing_on_its_own => error_ignored;
    updates_of_one_transaction_side_by_side_all_land => side_by_side;
    savepoints_that_end_out_of_order_lose_no_tags => out_of_order;
    a_savepoint_that_outlives_its_transaction_commits_it => outlives;
}

async fn rename(db: &impl ConnectionTrait, id: i32, name: &str) {
    user::ActiveModel { id: Unchanged(id), name: Set(name.into()), ..Default::default() }.update(db).await.unwrap();
}

/// An update that looks at its row first.
async fn give(db: &impl ConnectionTrait, post: i32, user: i32) -> Result<(), DbErr> {
    post::ActiveModel { id: Unchanged(post), user_id: Set(user), ..Default::default() }.update(db).await.map(|_| ())
}

async fn owners(shop: &Shop) -> Vec<i32> {
    let posts = post::Entity::find().order_by_asc(post::Column::Id).all(shop.db.inner()).await.unwrap();
    posts.into_iter().map(|post| post.user_id).collect()
}

async fn commit(backend: Backend) {
    let shop = Shop::open(backend).await;
    let txn = shop.db.begin().await.unwrap();
    rename(&txn, 1, "x").await;
    txn.invalidate("feed:1");
    assert_eq!(shop.stale().await, [""; 0], "nobody else sees it yet");
    let pending = txn.pending_tags();
    let table = "shop_user";
    assert_eq!(pending, [Tag::named("feed:1"), Tag::table(table), Tag::indexes(table), Tag::row(table, &["1"])]);
    assert!(txn.commit_with_outcome().await.unwrap().is_done());
    assert_eq!(shop.stale().await, ["users", "user 1"]);
    shop.fill().await;

    let reads_only = shop.db.begin().await.unwrap();
    user::Entity::find().all(&reads_only).await.unwrap();
    assert!(reads_only.commit_with_outcome().await.unwrap().is_done());
    assert_eq!(shop.stale().await, [""; 0]);
}

async fn rollback(backend: Backend) {
    let shop = Shop::open(backend).await;
    let txn = shop.db.begin().await.unwrap();
    rename(&txn, 1, "x").await;
    txn.rollback().await.unwrap();
    assert_eq!(shop.stale().await, [""; 0]);
    assert_eq!(user::Entity::find_by_id(1).one(&shop.db).await.unwrap().unwrap().name, "anna");
}

async fn dropped(backend: Backend) {
    let shop = Shop::open(backend).await;
    let txn = shop.db.begin().await.unwrap();
    rename(&txn, 1, "x").await;
    drop(txn);
    assert_eq!(user::Entity::find_by_id(1).one(&shop.db).await.unwrap().unwrap().name, "anna");
    assert_eq!(shop.stale().await, [""; 0]);
}

async fn savepoint_rolled_back(backend: Backend) {
    let shop = Shop::open(backend).await;
    let txn = shop.db.begin().await.unwrap();
    rename(&txn, 1, "kept").await;
    let inner = txn.begin().await.unwrap();
    rename(&inner, 2, "undone").await;
    inner.rollback().await.unwrap();
    let dropped = txn.begin().await.unwrap();
    rename(&dropped, 2, "undone").await;
    drop(dropped);
    txn.commit().await.unwrap();
    assert_eq!(shop.stale().await, ["users", "user 1"]);
    assert_eq!(user::Entity::find_by_id(2).one(&shop.db).await.unwrap().unwrap().name, "ben");
}

async fn savepoint_committed(backend: Backend) {
    let shop = Shop::open(backend).await;
    let txn = shop.db.begin().await.unwrap();
    let inner = txn.begin().await.unwrap();
    rename(&inner, 2, "x").await;
    inner.invalidate("feed:2");
    assert!(!inner.commit_with_outcome().await.unwrap().is_done(), "it waits for the outermost commit");
    assert_eq!(shop.stale().await, [""; 0]);
    assert!(txn.pending_tags().contains(&Tag::named("feed:2")));
    txn.commit().await.unwrap();
    assert_eq!(shop.stale().await, ["users", "user 2"]);
    shop.fill().await;

    let txn = shop.db.begin().await.unwrap();
    let inner = txn.begin().await.unwrap();
    rename(&inner, 2, "y").await;
    inner.commit().await.unwrap();
    txn.rollback().await.unwrap();
    assert_eq!(shop.stale().await, [""; 0], "undone with the outermost one");
}

async fn closures(backend: Backend) {
    let shop = Shop::open(backend).await;
    let failed = shop
        .db
        .transaction::<_, (), DbErr>(|txn| {
            Box::pin(async move {
                rename(txn, 1, "x").await;
                Err(DbErr::Custom("no".into()))
            })
        })
        .await;
    assert!(matches!(failed, Err(TransactionError::Transaction(DbErr::Custom(_)))));
    assert_eq!(shop.stale().await, [""; 0]);
    let nested = async |txn: &sea_orm_cache::CachedTransaction| {
        rename(txn, 1, "x").await;
        let inner = txn.transaction_async(async |inner| {
            rename(inner, 2, "y").await;
            Err::<(), _>(DbErr::Custom("no".into()))
        });
        assert!(inner.await.is_err());
        Ok::<_, DbErr>(())
    };
    shop.db.transaction_async(nested).await.unwrap();
    assert_eq!(shop.stale().await, ["users", "user 1"]);
}

async fn reads_inside(backend: Backend) {
    let shop = Shop::open(backend).await;
    let txn = shop.db.begin().await.unwrap();
    rename(&txn, 1, "inside").await;
    assert_eq!(user::Entity::find_by_id(1).one(&txn).await.unwrap().unwrap().name, "inside");
    drop(txn);
}

async fn refused_inside(backend: Backend) {
    let shop = Shop::open(backend).await;
    let txn = shop.db.begin().await.unwrap();
    let inner = txn.begin().await.unwrap();
    let twin = user::ActiveModel { name: Set("x".into()), email: Set("anna".into()), ..Default::default() };
    twin.insert(&inner).await.unwrap_err();
    inner.rollback().await.unwrap();
    rename(&txn, 2, "x").await;
    txn.commit().await.unwrap();
    assert_eq!(shop.stale().await, ["users", "user 2"]);
}

async fn look_inside(backend: Backend) {
    let shop = Shop::open(backend).await;
    let txn = shop.db.begin().await.unwrap();
    post::ActiveModel { id: Unchanged(1), user_id: Set(2), ..Default::default() }.update(&txn).await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(shop.stale().await, ["posts", "post 1", "posts of 1", "posts of 2"]);
    shop.fill().await;

    // Some databases return what a look would show.
    let txn = shop.db.begin().await.unwrap();
    for id in [1, 3] {
        post::ActiveModel { id: Unchanged(id), title: Set("x".into()), ..Default::default() }
            .update(&txn)
            .await
            .unwrap();
    }
    txn.commit().await.unwrap();
    assert_eq!(shop.stale().await, ["posts", "post 1", "post 3", "posts of 2"]);
    shop.fill().await;

    // One look after the other, and one in a savepoint that is undone.
    let txn = shop.db.begin().await.unwrap();
    let set_title = |id: i32| {
        let update = post::Entity::update_many().col_expr(post::Column::Title, Expr::value("y"));
        update.filter(post::Column::Id.eq(id))
    };
    for id in [1, 3] {
        assert_eq!(set_title(id).exec(&txn).await.unwrap().rows_affected, 1);
        let nested = txn.begin().await.unwrap();
        assert_eq!(set_title(2).exec(&nested).await.unwrap().rows_affected, 1);
        nested.rollback().await.unwrap();
    }
    txn.commit().await.unwrap();
    assert_eq!(shop.stale().await, ["posts", "post 1", "post 3", "posts of 2"]);
    let titles = post::Entity::find().order_by_asc(post::Column::Id).all(shop.db.inner()).await.unwrap();
    assert_eq!(titles.into_iter().map(|post| post.title).collect::<Vec<_>>(), ["y", "title", "y"]);
    shop.fill().await;

    // A stream inside cannot look first: nothing of the table is spared.
    let txn = shop.db.begin().await.unwrap();
    let update = post::Entity::update_many().col_expr(post::Column::Title, Expr::value("streamed"));
    let update = QueryTrait::build(&update, ConnectionTrait::get_database_backend(&txn));
    drop(txn.stream_raw(update).await.unwrap());
    let stale = txn.pending_tags();
    assert!(stale.contains(&Tag::rows("shop_post")), "{stale:?}");
    drop(txn);
}

async fn many_rows(backend: Backend) {
    let shop = Shop::open(backend).await;
    let txn = shop.db.begin().await.unwrap();
    for id in 10..80 {
        tag::Entity::insert(tag::ActiveModel { id: Set(id), tag: Set("x".into()) }).exec(&txn).await.unwrap();
    }
    assert_eq!(txn.pending_tags(), [Tag::table("shop_tag"), Tag::rows("shop_tag")]);
    txn.commit().await.unwrap();
    assert_eq!(shop.stale().await, ["tags", "tag 1"]);
}

/// A commit that SeaORM does not send itself ends at once what was collected, and from then on nothing waits.
async fn raw_commit(backend: Backend) {
    let shop = Shop::open(backend).await;
    let txn = shop.db.begin().await.unwrap();
    rename(&txn, 1, "x").await;
    txn.execute_unprepared("COMMIT").await.unwrap();
    assert!(shop.stale().await.starts_with(&["users", "user 1"]));
    shop.fill().await;
    rename(&txn, 2, "y").await;
    assert!(shop.stale().await.contains(&"user 2"), "the database is in autocommit mode");
    // SeaORM still believes in a transaction; what its own commit says about that is its business.
    let _whatever = txn.commit().await;
}

async fn error_ignored(backend: Backend) {
    let shop = Shop::open(backend).await;
    let txn = shop.db.begin().await.unwrap();
    let twin = user::ActiveModel { name: Set("x".into()), email: Set("anna".into()), ..Default::default() };
    twin.insert(&txn).await.unwrap_err();
    let updates = [give(&txn, 1, 2).await, give(&txn, 2, 2).await];
    // PostgreSQL has aborted the transaction; the others go on.
    assert!(updates.iter().all(|update| update.is_err() == (backend == Backend::Postgres)), "{updates:?}");
    txn.rollback().await.unwrap();
    assert_eq!(owners(&shop).await, [1, 1, 2], "rolled back");
    assert_eq!(shop.stale().await, [""; 0]);
}

async fn side_by_side(backend: Backend) {
    let shop = Shop::open(backend).await;
    let txn = shop.db.begin().await.unwrap();
    let nested = async {
        let inner = txn.begin().await?;
        inner.commit().await
    };
    tokio::try_join!(give(&txn, 1, 2), nested, give(&txn, 2, 2), give(&txn, 3, 1)).unwrap();
    txn.commit().await.unwrap();
    assert_eq!(owners(&shop).await, [2, 2, 1]);
    assert_eq!(shop.stale().await, ["posts", "post 1", "post 2", "post 3", "posts of 1", "posts of 2"]);
}

/// SeaORM's savepoints are depths: rolling back `a` undoes what came after `b` began, and nothing before.
async fn out_of_order(backend: Backend) {
    let shop = Shop::open(backend).await;
    let txn = shop.db.begin().await.unwrap();
    let a = txn.begin().await.unwrap();
    give(&a, 1, 2).await.unwrap();
    let b = txn.begin().await.unwrap();
    a.rollback().await.unwrap();
    b.commit().await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(owners(&shop).await, [2, 1, 2], "it survived");
    assert_eq!(shop.stale().await, ["posts", "post 1", "posts of 1", "posts of 2"]);
}

async fn outlives(backend: Backend) {
    let shop = Shop::open(backend).await;
    let txn = shop.db.begin().await.unwrap();
    rename(&txn, 1, "x").await;
    let inner = txn.begin().await.unwrap();
    give(&inner, 1, 2).await.unwrap();
    txn.commit().await.unwrap();
    shop.fill().await;
    inner.commit().await.unwrap();
    assert_eq!(owners(&shop).await, [2, 1, 2]);
    assert_eq!(shop.stale().await, ["users", "user 1", "posts", "post 1", "posts of 1", "posts of 2"]);
}

/// Not with MySQL, whose driver may panic by itself when it is used again after a statement was cancelled.
#[tokio::test]
async fn updates_cancelled_half_way_leave_a_transaction_that_can_be_rolled_back() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        cancelled_half_way(backend).await;
    }
}

async fn cancelled_half_way(backend: Backend) {
    let shop = Shop::open(backend).await;
    for step in 0..12 {
        let txn = shop.db.begin().await.unwrap();
        let cancel = async {
            tokio::time::sleep(Duration::from_micros(step * 250)).await;
            Err::<(), _>(DbErr::Custom("cancelled".into()))
        };
        let _cancelled = tokio::try_join!(give(&txn, 1, 2), give(&txn, 2, 2), cancel).unwrap_err();
        give(&txn, 3, 1).await.unwrap();
        txn.rollback().await.unwrap();
        assert_eq!(owners(&shop).await, [1, 1, 2]);
    }
    assert_eq!(shop.stale().await, [""; 0]);
}

#[tokio::test]
async fn a_deadlock_in_mysql_is_told_and_the_loser_can_be_rolled_back() {
    let shop = Shop::open(Backend::MariaDb).await;
    let one = shop.db.begin().await.unwrap();
    let two = shop.db.begin().await.unwrap();
    give(&one, 1, 2).await.unwrap();
    give(&two, 2, 2).await.unwrap();
    let (first, second) = tokio::join!(give(&one, 2, 2), give(&two, 1, 2));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    one.rollback().await.unwrap();
    two.rollback().await.unwrap();
    assert_eq!(owners(&shop).await, [1, 1, 2]);
    assert_eq!(shop.stale().await, [""; 0]);
}

#[tokio::test]
async fn a_mocks_answers_are_left_to_the_users_own_statements() {
    let row = || post::Model { id: 1, user_id: 2, title: "mocked".into() };
    let mock = MockDatabase::new(DbBackend::Postgres).append_query_results([[row()], [row()]]).into_connection();
    let db = Cache::builder().build().await.unwrap().wrap(mock);
    let update = || post::ActiveModel { id: Unchanged(1), user_id: Set(2), ..Default::default() };
    assert_eq!(update().update(&db).await.unwrap(), row());
    let txn = db.begin().await.unwrap();
    assert_eq!(update().update(&txn).await.unwrap(), row());
    txn.commit().await.unwrap();
    assert_eq!(db.into_inner().into_transaction_log().len(), 2, "one statement, and one transaction");
}

#[tokio::test]
async fn mysql_commits_before_a_change_of_the_schema_and_a_rollback_undoes_nothing() {
    let shop = Shop::open(Backend::MariaDb).await;
    let txn = shop.db.begin().await.unwrap();
    rename(&txn, 1, "x").await;
    txn.execute_unprepared("ALTER TABLE shop_tag ADD COLUMN colour INTEGER").await.unwrap();
    rename(&txn, 2, "y").await;
    txn.rollback().await.unwrap();
    assert_eq!(user::Entity::find_by_id(2).one(&shop.db).await.unwrap().unwrap().name, "y");
    let stale = shop.stale().await;
    for entry in ["users", "user 1", "user 2", "tags"] {
        assert!(stale.contains(&entry), "{entry} in {stale:?}");
    }
}

#[tokio::test]
async fn a_transaction_with_more_tags_than_it_may_collect_makes_everything_stale() {
    let shop = Shop::with(Backend::Sqlite, Cache::builder().build().await.unwrap()).await;
    let txn = shop.db.begin().await.unwrap();
    txn.invalidate_all((0..2_000).map(|id| format!("feed:{id}")));
    assert_eq!(txn.pending_tags(), [Tag::all()]);
    txn.commit().await.unwrap();
    assert_eq!(shop.stale().await, ENTRIES);
}

#[tokio::test]
async fn migrations_make_everything_stale() {
    use sea_orm_migration::{MigrationTrait, SchemaManager};
    let shop = Shop::open(Backend::Postgres).await;
    let txn = shop.db.begin().await.unwrap();
    sea_orm_cache::CreateCacheOutbox.up(&SchemaManager::new(&txn)).await.unwrap();
    assert_eq!(shop.stale().await, [""; 0]);
    txn.commit().await.unwrap();
    assert_eq!(shop.stale().await, ENTRIES);
    shop.fill().await;

    let down = async |plain: &sea_orm::DatabaseConnection| {
        sea_orm_cache::CreateCacheOutbox.down(&SchemaManager::new(plain)).await
    };
    shop.db.unobserved(down).await.unwrap();
    assert_eq!(shop.stale().await, ENTRIES);
    shop.fill().await;

    let manager = SchemaManager::new(&shop.db);
    sea_orm_cache::CreateCacheOutbox.up(&manager).await.unwrap();
    assert_eq!(shop.stale().await, ENTRIES);
}
