//! What tells entries apart: the statement, its values, the type, and what the user says.

use std::time::Duration;

use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect};
use sea_orm_cache::{Cache, CacheQuery, Clock, Policy, PolicyOverride, Tag};
use serde::{Deserialize, Serialize};

use super::world::{Author, Book, World, author, book, minute};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, FromQueryResult)]
struct Short {
    id: i32,
}

#[tokio::test]
async fn values_kinds_and_types_have_entries_of_their_own() {
    let world = World::new().await;
    let db = &world.db;
    let named = |name: &str| Author::find().filter(author::Column::Name.eq(name));
    assert_eq!(world.loads(named("ann").cached(minute()).all(db)).await.unwrap().len(), 1);
    assert_eq!(world.loads(named("bob").cached(minute()).all(db)).await.unwrap()[0].id, 2);
    assert_eq!(world.loads(named("x', 'y").cached(minute()).all(db)).await.unwrap(), []);
    assert_eq!(world.loads(named("ann").cached(minute()).one(db)).await.unwrap().unwrap().id, 1);
    let short = || named("ann").into_model::<Short>().cached(minute()).all(db);
    assert_eq!(world.loads(short()).await.unwrap(), [Short { id: 1 }]);
    assert_eq!(world.hits(short()).await.unwrap(), [Short { id: 1 }]);
    assert_eq!(world.hits(named("bob").cached(minute()).all(db)).await.unwrap()[0].id, 2);
    assert_eq!(world.loads(named("ann").limit(5).cached(minute()).all(db)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn keys_can_be_read_and_purged_by_table() {
    let world = World::new().await;
    let db = &world.db;
    let authors = || Author::find().cached(minute()).all(db);
    let books = || Book::find().cached(minute()).all(db);
    world.loads(authors()).await.unwrap();
    world.loads(books()).await.unwrap();
    world.cache.purge("query:query_author:all:*", |_| {}).await.unwrap();
    world.loads(authors()).await.unwrap();
    world.hits(books()).await.unwrap();
}

#[tokio::test]
async fn a_chosen_key_takes_the_place_of_the_statement() {
    let world = World::new().await;
    let db = &world.db;
    let recent = |limit| Book::find().limit(limit).cached(minute()).key("recent");
    assert_eq!(world.loads(recent(2).all(db)).await.unwrap().len(), 2);
    assert_eq!(world.hits(recent(3).all(db)).await.unwrap().len(), 2, "the user says it is the same");
    world.loads(recent(1).one(db)).await.unwrap();
    let pages = || Book::find().cached(minute()).key("recent").paginate(db, 2);
    assert_eq!(world.loads(pages().fetch_page(1)).await.unwrap().len(), 2);
    assert_eq!(world.loads(pages().fetch_page(0)).await.unwrap()[0].id, 11);
    assert_eq!(world.hits(pages().fetch_page(0)).await.unwrap()[0].id, 11);
    assert_eq!(world.loads(pages().num_items()).await.unwrap(), 4);
    assert_eq!(world.loads(recent(1).count(db)).await.unwrap(), 1);
    let other = || Author::find().cached(minute()).key("recent").all(db);
    assert_eq!(world.loads(other()).await.unwrap().len(), 3, "a value of another type is none");
}

#[tokio::test]
async fn added_tags_make_stale_as_well() {
    let world = World::new().await;
    let find =
        || Author::find_by_id(1).cached(minute()).tags(["front-page"]).tags([Tag::table("weather")]).one(&world.db);
    world.loads(find()).await.unwrap();
    world.hits(find()).await.unwrap();
    assert!(world.cache.invalidate(["front-page"]).await.is_done());
    world.loads(find()).await.unwrap();
    assert!(world.cache.invalidate([Tag::table("weather")]).await.is_done());
    world.loads(find()).await.unwrap();
    world.rename(1, "anna").await;
    assert_eq!(world.loads(find()).await.unwrap().unwrap().name, "anna");
}

#[tokio::test]
async fn a_policy_is_taken_whole_or_in_part() {
    let clock = Clock::manual();
    let world = World::with(Cache::builder().clock(clock.clone())).await;
    let db = &world.db;
    let negative = PolicyOverride { negative_ttl: Some(Duration::from_secs(5)), ..PolicyOverride::NONE };
    let none = || Author::find_by_id(9).cached(negative).one(db);
    let short = || Author::find_by_id(1).cached(Policy::ttl_secs(20)).one(db);
    let long = || Author::find_by_id(2).cached(PolicyOverride::NONE).one(db);
    world.loads(none()).await.unwrap();
    world.loads(short()).await.unwrap();
    world.loads(long()).await.unwrap();
    clock.advance(Duration::from_secs(4));
    world.hits(none()).await.unwrap();
    clock.advance(Duration::from_secs(2));
    world.loads(none()).await.unwrap();
    world.hits(short()).await.unwrap();
    clock.advance(Duration::from_secs(20));
    world.loads(short()).await.unwrap();
    world.hits(long()).await.unwrap();
    let books = Book::find().filter(book::Column::AuthorId.eq(3));
    assert_eq!(books.cached(negative).all(db).await.unwrap(), []);
}
