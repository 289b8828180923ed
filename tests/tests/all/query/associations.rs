//! Related models, of one model and of many.

use sea_orm::{ActiveValue::Set, EntityTrait, LoaderTrait, ModelTrait, QueryOrder};
use sea_orm_cache::{
    __testing::{Call, MemoryStore},
    Cache, CachedLoader, CachedRelated, Clock, TierChoice,
};

use super::world::{Author, Book, Place, Shelf, World, author, book, minute, place, shelf};

async fn authors(world: &World) -> Vec<author::Model> {
    Author::find().order_by_asc(author::Column::Id).all(&world.db).await.unwrap()
}

async fn books(world: &World) -> Vec<book::Model> {
    Book::find().order_by_asc(book::Column::Id).all(&world.db).await.unwrap()
}

#[tokio::test]
async fn the_children_of_one_model_depend_on_its_index_value() {
    let world = World::new().await;
    let authors = authors(&world).await;
    let of = |at: usize| authors[at].cached_related(Book, minute()).all(&world.db);
    assert_eq!(world.loads(of(0)).await.unwrap(), authors[0].find_related(Book).all(&world.db).await.unwrap());
    assert_eq!(world.loads(of(1)).await.unwrap().len(), 1);
    assert_eq!(world.loads(of(2)).await.unwrap(), []);
    world.retitle(21, "new").await;
    world.hits(of(0)).await.unwrap();
    assert_eq!(world.loads(of(1)).await.unwrap()[0].title, "new");
    world.add_book(31, Some(3)).await;
    world.hits(of(0)).await.unwrap();
    world.hits(of(1)).await.unwrap();
    assert_eq!(world.loads(of(2)).await.unwrap().len(), 1);
    world.rename(1, "anna").await;
    world.hits(of(0)).await.unwrap();
}

#[tokio::test]
async fn the_parent_of_a_model_depends_on_its_row() {
    let world = World::new().await;
    let books = books(&world).await;
    let author = |at: usize| books[at].cached_related(Author, minute()).one(&world.db);
    assert_eq!(world.loads(author(0)).await.unwrap().unwrap().name, "ann");
    assert_eq!(world.hits(author(1)).await.unwrap().unwrap().name, "ann", "the same author");
    assert_eq!(world.loads(author(2)).await.unwrap().unwrap().name, "bob");
    assert_eq!(world.loads(author(3)).await.unwrap(), None, "a book without an author");
    world.rename(2, "robert").await;
    world.hits(author(0)).await.unwrap();
    assert_eq!(world.loads(author(2)).await.unwrap().unwrap().name, "robert");
}

#[tokio::test]
async fn a_relation_through_a_junction_depends_on_all_three_tables() {
    let world = World::new().await;
    let books = books(&world).await;
    let shelves = |at: usize| books[at].cached_related(Shelf, minute()).all(&world.db);
    assert_eq!(world.loads(shelves(0)).await.unwrap(), books[0].find_related(Shelf).all(&world.db).await.unwrap());
    assert_eq!(world.hits(shelves(0)).await.unwrap().len(), 1);
    assert_eq!(world.loads(shelves(1)).await.unwrap(), []);
    let placed = place::ActiveModel { book_id: Set(12), shelf_id: Set(2) };
    Place::insert(placed).exec(&world.db).await.unwrap();
    assert_eq!(world.loads(shelves(1)).await.unwrap()[0].label, "shelf 2");
    Shelf::update(shelf::ActiveModel { id: Set(2), label: Set("top".into()) }).exec(&world.db).await.unwrap();
    assert_eq!(world.loads(shelves(1)).await.unwrap()[0].label, "top");
}

#[tokio::test]
async fn a_query_of_the_related_models_is_an_entry_of_its_own() {
    let world = World::new().await;
    let ann = &authors(&world).await[0];
    let newest = || ann.cached_related(Book::find().order_by_desc(book::Column::Id), minute());
    assert_eq!(world.loads(newest().one(&world.db)).await.unwrap().unwrap().id, 12);
    assert_eq!(world.loads(newest().all(&world.db)).await.unwrap()[0].id, 12);
    assert_eq!(world.loads(ann.cached_related(Book, minute()).all(&world.db)).await.unwrap()[0].id, 11);
    assert_eq!(world.loads(newest().count(&world.db)).await.unwrap(), 2);
}

#[tokio::test]
async fn many_models_are_loaded_by_one_query_and_hit_one_by_one() {
    let world = World::new().await;
    let authors = authors(&world).await;
    let load = || authors.cached_load_many(Book, minute(), &world.db);
    let expected = authors.load_many(Book, &world.db).await.unwrap();
    assert_eq!(world.loads(load()).await.unwrap(), expected);
    assert_eq!(world.hits(load()).await.unwrap(), expected);
    assert_eq!(world.hits(authors[0].cached_related(Book, minute()).all(&world.db)).await.unwrap(), expected[0]);
    assert_eq!(world.hits(authors[2].cached_related(Book, minute()).all(&world.db)).await.unwrap(), []);
}

#[tokio::test]
async fn only_what_a_write_made_stale_is_loaded_again() {
    let world = World::new().await;
    let authors = authors(&world).await;
    let load = || authors.cached_load_many(Book, minute(), &world.db);
    world.loads(load()).await.unwrap();
    world.retitle(21, "new").await;
    world.hits(authors[0].cached_related(Book, minute()).all(&world.db)).await.unwrap();
    let before = world.cache.stats();
    assert_eq!(world.loads(load()).await.unwrap()[1][0].title, "new");
    let after = world.cache.stats();
    assert_eq!((after.hits_local - before.hits_local, after.loads - before.loads), (2, 1));
    assert_eq!(after.misses - before.misses, 1);
    world.add_book(31, Some(3)).await;
    world.add_book(32, Some(1)).await;
    let lists = world.loads(load()).await.unwrap();
    assert_eq!(lists.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1, 1]);
    assert_eq!(lists, authors.load_many(Book, &world.db).await.unwrap());
}

#[tokio::test]
async fn part_of_the_models_may_be_cached_already_and_some_may_be_the_same() {
    let world = World::new().await;
    let authors = authors(&world).await;
    world.loads(authors[1].cached_related(Book, minute()).all(&world.db)).await.unwrap();
    let mixed = [authors[1].clone(), authors[0].clone(), authors[2].clone(), authors[0].clone()];
    let lists = world.loads(mixed.cached_load_many(Book, minute(), &world.db)).await.unwrap();
    assert_eq!(lists.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 0, 2]);
    assert_eq!((world.cache.stats().loads, world.cache.stats().fills), (2, 3), "one load for both other authors");
    let none: Vec<author::Model> = Vec::new();
    assert!(world.hits(none.cached_load_many(Book, minute(), &world.db)).await.unwrap().is_empty());
}

#[tokio::test]
async fn one_related_model_of_each() {
    let world = World::new().await;
    let books = books(&world).await;
    let load = || books.cached_load_one(Author, minute(), &world.db);
    let expected = books.load_one(Author, &world.db).await.unwrap();
    assert_eq!(world.loads(load()).await.unwrap(), expected);
    assert_eq!(world.hits(load()).await.unwrap(), expected);
    assert_eq!(expected[3], None);
    world.rename(2, "robert").await;
    let before = world.cache.stats().loads;
    assert_eq!(world.loads(load()).await.unwrap()[2].as_ref().unwrap().name, "robert");
    assert_eq!(world.cache.stats().loads - before, 1, "the other author is cached");
    let authors = authors(&world).await;
    let error = authors.cached_load_one(Book, minute(), &world.db).await.unwrap_err();
    assert_eq!(error.to_string(), authors.load_one(Book, &world.db).await.unwrap_err().to_string());
}

#[tokio::test]
async fn many_models_through_a_junction() {
    let world = World::new().await;
    let books = books(&world).await;
    let load = || books.cached_load_many(Shelf, minute(), &world.db);
    let expected = books.load_many(Shelf, &world.db).await.unwrap();
    assert_eq!(world.loads(load()).await.unwrap(), expected);
    assert_eq!(world.hits(load()).await.unwrap(), expected);
    assert_eq!(world.hits(books[0].cached_related(Shelf, minute()).all(&world.db)).await.unwrap(), expected[0]);
    Place::delete_by_id((21, 1)).exec(&world.db).await.unwrap();
    assert_eq!(world.loads(load()).await.unwrap()[2], []);
}

#[tokio::test]
async fn more_models_than_one_query_takes_are_loaded_by_several() {
    let world = World::new().await;
    let many: Vec<_> = (1..=2_001).map(|id| author::Model { id, name: String::new() }).collect();
    let lists = world.runs(3, many.cached_load_many(Book, minute(), &world.db)).await.unwrap();
    assert_eq!((lists.len(), lists.iter().map(Vec::len).sum::<usize>()), (2_001, 3));
    world.hits(many.cached_load_many(Book, minute(), &world.db)).await.unwrap();
}

#[tokio::test]
async fn loading_can_be_spawned() {
    let world = World::new().await;
    let (db, authors) = (world.db.clone(), authors(&world).await);
    let task = tokio::spawn(async move {
        authors[0].cached_related(Book, minute()).all(&db).await?;
        authors.cached_load_many(Book, minute(), &db).await
    });
    assert_eq!(task.await.unwrap().unwrap().len(), 3);
}

#[tokio::test]
async fn loads_of_the_same_models_at_once_all_come_to_an_end() {
    let world = World::new().await;
    let authors = authors(&world).await;
    let reversed: Vec<_> = authors.iter().rev().cloned().collect();
    let (one, two) = tokio::join!(
        authors.cached_load_many(Book, minute(), &world.db),
        reversed.cached_load_many(Book, minute(), &world.db)
    );
    let mut two = two.unwrap();
    two.reverse();
    assert_eq!(one.unwrap(), two);
}

#[tokio::test]
async fn many_models_cost_one_round_trip_of_each_kind() {
    let node = MemoryStore::shared(Clock::system()).node();
    let world = World::with(Cache::builder().ports(node.tier(), node.bus())).await;
    let authors = authors(&world).await;
    let policy = minute().with_tier(TierChoice::Remote);
    let load = || authors.cached_load_many(Book, policy, &world.db);
    let trips = || [Call::Fetch, Call::Capture, Call::Store].map(|call| node.calls(call));
    let expected = world.loads(load()).await.unwrap();
    assert_eq!(trips(), [1, 1, 1]);
    assert_eq!(world.hits(load()).await.unwrap(), expected);
    assert_eq!((trips(), world.cache.stats().hits_remote), ([2, 1, 1], 3));
    world.retitle(21, "new").await;
    assert_eq!(world.loads(load()).await.unwrap()[1][0].title, "new");
    assert_eq!((trips(), world.cache.stats().hits_remote), ([3, 2, 2], 5));
}
