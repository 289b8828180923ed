//! What each sort of write makes stale, and what it leaves alone, on the three databases.

use futures_util::StreamExt;
use harness::Backend;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, ConnectionTrait, EntityTrait, ModelTrait, QueryFilter, Statement, StreamTrait,
    sea_query::{Expr, OnConflict},
};

use super::{
    entities::{post, post_tag, profile, tag, user},
    shop::Shop,
};

on_each_database! {
    an_update_of_one_row_leaves_other_rows_and_index_values_valid => update_of_one_row;
    a_row_that_moves_makes_both_index_values_stale => row_that_moves;
    update_many_makes_stale_the_rows_it_finds => update_many;
    delete_many_makes_stale_the_rows_it_finds => delete_many;
    raw_sql_is_read_like_any_other_statement => raw_sql;
    several_statements_in_one_text_are_all_seen => several_statements;
    on_delete_cascade_is_followed => on_delete_cascade;
    an_upsert_makes_its_row_stale => upsert;
    a_nested_save_makes_every_table_it_writes_stale => nested_save;
    an_insert_makes_the_absence_of_rows_stale => insert;
    a_junction_row_is_a_write_to_the_junction => junction;
    a_changed_schema_makes_its_tables_entries_stale => schema;
    a_streamed_write_is_a_write => streamed_write;
    a_write_that_the_database_refuses_is_over_at_once => refused_by_the_database;
}

async fn update_of_one_row(backend: Backend) {
    let shop = Shop::open(backend).await;
    let post = post::ActiveModel { id: Unchanged(1), title: Set("new".into()), ..Default::default() };
    post.update(&shop.db).await.unwrap();
    assert_eq!(shop.stale().await, ["posts", "post 1", "posts of 1"]);
}

async fn row_that_moves(backend: Backend) {
    let shop = Shop::open(backend).await;
    let post = post::ActiveModel { id: Unchanged(1), user_id: Set(2), ..Default::default() };
    post.update(&shop.db).await.unwrap();
    assert_eq!(shop.stale().await, ["posts", "post 1", "posts of 1", "posts of 2"]);
}

async fn update_many(backend: Backend) {
    let shop = Shop::open(backend).await;
    let update = post::Entity::update_many().col_expr(post::Column::Title, Expr::value("same"));
    let done = update.filter(post::Column::Title.eq("title")).filter(post::Column::Id.lt(3)).exec(&shop.db).await;
    assert_eq!(done.unwrap().rows_affected, 2);
    assert_eq!(shop.stale().await, ["posts", "post 1", "post 2", "posts of 1"]);
}

async fn delete_many(backend: Backend) {
    let shop = Shop::open(backend).await;
    let deleted = post::Entity::delete_many().filter(post::Column::Id.gt(2)).exec(&shop.db).await.unwrap();
    assert_eq!(deleted.rows_affected, 1);
    let stale = shop.stale().await;
    // Links go with their posts, nobody knows which.
    assert_eq!(stale, ["posts", "post 3", "posts of 2", "links"]);
}

async fn raw_sql(backend: Backend) {
    let shop = Shop::open(backend).await;
    let sql = "UPDATE shop_post SET title = 'raw' WHERE id = 2";
    shop.db.execute_unprepared(sql).await.unwrap();
    assert_eq!(shop.stale().await, ["posts", "post 2", "posts of 1"]);
    shop.fill().await;
    let mark = if backend == Backend::Postgres { "$1" } else { "?" };
    let sql = format!("UPDATE shop_user SET name = 'raw' WHERE id = {mark}");
    let statement = Statement::from_sql_and_values(shop.db.get_database_backend(), sql, [2.into()]);
    shop.db.execute_raw(statement).await.unwrap();
    assert_eq!(shop.stale().await, ["users", "user 2"]);
    shop.fill().await;
    shop.db.execute_unprepared("SELECT * FROM shop_user").await.unwrap();
    assert_eq!(shop.stale().await, [""; 0], "a read makes nothing stale");
}

async fn several_statements(backend: Backend) {
    let shop = Shop::open(backend).await;
    let sql = "UPDATE shop_user SET name = 'x' WHERE id = 1; UPDATE shop_tag SET tag = 'x' WHERE id = 2";
    shop.db.execute_unprepared(sql).await.unwrap();
    assert_eq!(shop.stale().await, ["users", "user 1", "tags"]);
}

async fn on_delete_cascade(backend: Backend) {
    let shop = Shop::open(backend).await;
    let user = user::Entity::find_by_id(1).one(&shop.db).await.unwrap().unwrap();
    user.delete(&shop.db).await.unwrap();
    assert_eq!(post::Entity::find().all(&shop.db).await.unwrap().len(), 1, "the database deletes the posts");
    let spared = ["user 2", "no user 9", "tags", "tag 1"];
    let stale = shop.stale().await;
    let expected: Vec<_> = super::shop::ENTRIES.into_iter().filter(|name| !spared.contains(name)).collect();
    assert_eq!(stale, expected);
}

async fn upsert(backend: Backend) {
    let shop = Shop::open(backend).await;
    let row = tag::ActiveModel { id: Set(1), tag: Set("green".into()) };
    let overwrite = OnConflict::column(tag::Column::Id).update_column(tag::Column::Tag).to_owned();
    tag::Entity::insert(row).on_conflict(overwrite).exec(&shop.db).await.unwrap();
    assert_eq!(tag::Entity::find_by_id(1).one(&shop.db).await.unwrap().unwrap().tag, "green");
    let stale = shop.stale().await;
    assert!(stale.starts_with(&["tags", "tag 1"]), "{stale:?}");
    assert!(!stale.iter().any(|name| name.starts_with("user") || name.starts_with("post")), "{stale:?}");
}

async fn nested_save(backend: Backend) {
    let shop = Shop::open(backend).await;
    let user = user::ActiveModel::builder()
        .set_name("cleo")
        .set_email("cleo")
        .set_profile(profile::ActiveModel::builder().set_picture("image.jpg"))
        .add_post(post::ActiveModel::builder().set_title("new").add_tag(tag::ActiveModel::builder().set_tag("sunny")));
    user.save(&shop.db).await.unwrap();
    let stale = shop.stale().await;
    for table in ["users", "profiles", "posts", "tags", "links"] {
        assert!(stale.contains(&table), "{table} in {stale:?}");
    }
    for row in ["user 1", "user 2", "post 1", "post 2", "post 3", "posts of 1", "posts of 2", "tag 1"] {
        assert!(!stale.contains(&row), "{row} in {stale:?}");
    }
}

async fn insert(backend: Backend) {
    let shop = Shop::open(backend).await;
    let user = user::ActiveModel { name: Set("dan".into()), email: Set("dan".into()), ..Default::default() };
    user.insert(&shop.db).await.unwrap();
    assert_eq!(shop.stale().await, ["users", "no user 9"]);
    shop.fill().await;
    let post = post::ActiveModel { user_id: Set(2), title: Set("new".into()), ..Default::default() };
    post.insert(&shop.db).await.unwrap();
    assert_eq!(shop.stale().await, ["posts", "posts of 2"]);
}

async fn junction(backend: Backend) {
    let shop = Shop::open(backend).await;
    let link = post_tag::ActiveModel { post_id: Set(2), tag_id: Set(2) };
    post_tag::Entity::insert(link).exec(&shop.db).await.unwrap();
    assert_eq!(shop.stale().await, ["links"]);
}

async fn schema(backend: Backend) {
    let shop = Shop::open(backend).await;
    shop.db.execute_unprepared("ALTER TABLE shop_tag ADD COLUMN colour INTEGER").await.unwrap();
    let stale = shop.stale().await;
    assert!(stale.starts_with(&["tags", "tag 1"]), "{stale:?}");
    assert!(!stale.contains(&"user 1"), "{stale:?}");
}

async fn streamed_write(backend: Backend) {
    let shop = Shop::open(backend).await;
    let sql = "INSERT INTO shop_tag (tag) VALUES ('a'), ('b') RETURNING id";
    let statement = Statement::from_string(shop.db.get_database_backend(), sql);
    let mut rows = shop.db.stream_raw(statement).await.unwrap();
    let mut ids = Vec::new();
    while let Some(row) = rows.next().await {
        ids.push(row.unwrap().try_get::<i32>("", "id").unwrap());
    }
    assert_eq!(ids, [3, 4]);
    drop(rows);
    assert_eq!(shop.stale().await, ["tags"]);
    shop.fill().await;

    let update = "UPDATE shop_tag SET tag = 'c' WHERE id = 1";
    let mut none = shop.db.stream_raw(Statement::from_string(shop.db.get_database_backend(), update)).await.unwrap();
    assert!(none.next().await.is_none());
    assert_eq!(shop.stale().await, ["tags", "tag 1"]);
}

async fn refused_by_the_database(backend: Backend) {
    let shop = Shop::open(backend).await;
    let twin = user::ActiveModel { name: Set("x".into()), email: Set("anna".into()), ..Default::default() };
    twin.insert(&shop.db).await.unwrap_err();
    // Whatever was stale can be filled again: nothing stays pending.
    shop.fill().await;
}
