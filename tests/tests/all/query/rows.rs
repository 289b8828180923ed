//! The well-known entry of a row, and which queries mean it.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use sea_orm_cache::{Cache, CacheQuery, Tier};

use super::world::{Author, World, author, minute};

fn key(id: i32) -> String {
    Cache::row_key::<Author>(id).unwrap()
}

#[tokio::test]
async fn a_row_asked_for_by_its_key_is_at_its_well_known_key() {
    let world = World::new().await;
    let find = || Author::find_by_id(1).cached(minute()).one(&world.db);
    assert!(!world.cache.explain(&key(1)).await.unwrap().is_valid());
    assert_eq!(world.loads(find()).await.unwrap().unwrap().name, "ann");
    let entry = world.cache.explain(&key(1)).await.unwrap();
    assert!(entry.is_valid() && entry.copies[0].tier == Tier::Local, "{entry}");
    assert_eq!(world.hits(find()).await.unwrap().unwrap().name, "ann");
    assert_eq!(world.events("Hit", "row:query_author"), 1);
    world.rename(2, "bert").await;
    world.hits(find()).await.unwrap();
    world.rename(1, "anna").await;
    assert!(!world.cache.explain(&key(1)).await.unwrap().is_valid());
    assert_eq!(world.loads(find()).await.unwrap().unwrap().name, "anna");
    world.cache.purge("row:query_author:*", |_| {}).await.unwrap();
    world.loads(find()).await.unwrap();
}

#[tokio::test]
async fn a_query_that_says_more_has_an_entry_of_its_own() {
    let world = World::new().await;
    let named = || Author::find_by_id(1).filter(author::Column::Name.eq("eve")).cached(minute());
    assert_eq!(world.loads(named().one(&world.db)).await.unwrap(), None);
    assert!(!world.cache.explain(&key(1)).await.unwrap().is_valid());
    world.loads(Author::find_by_id(1).cached(minute()).one(&world.db)).await.unwrap();
    world.loads(Author::find_by_id(1).cached(minute()).key("mine").one(&world.db)).await.unwrap();
    world.loads(Author::find_by_id(1).cached_local(minute()).one(&world.db)).await.unwrap();
    world.loads(Author::find_by_id(1).cached(minute()).all(&world.db)).await.unwrap();
    world.hits(Author::find_by_id(1).cached(minute()).one(&world.db)).await.unwrap();
}
