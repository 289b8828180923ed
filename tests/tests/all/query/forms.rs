//! Every form of query: the first call asks the database once, the second not at all, and both say the same as SeaORM.

use sea_orm::{
    ColumnTrait, DbErr, DeriveColumn, DerivePartialModel, EntityTrait, EnumIter, FromQueryResult, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use sea_orm_cache::CacheQuery;
use serde::{Deserialize, Serialize};

use super::world::{Author, Book, Plain, Shelf, World, author, book, minute};

/// `$cached` loads once and hits once, and both are what `$plain` says.
macro_rules! same {
    ($world:ident, $cached:expr, $plain:expr) => {{
        let expected = $plain.await.unwrap();
        assert_eq!($world.loads($cached).await.unwrap(), expected);
        assert_eq!($world.hits($cached).await.unwrap(), expected);
        expected
    }};
}

#[tokio::test]
async fn one_all_and_count_of_an_entity() {
    let world = World::new().await;
    let db = &world.db;
    let found = same!(world, Author::find_by_id(1).cached(minute()).one(db), Author::find_by_id(1).one(db));
    assert_eq!(found.unwrap().name, "ann");
    let none = same!(world, Author::find_by_id(9).cached(minute()).one(db), Author::find_by_id(9).one(db));
    assert_eq!(none, None);
    let late = || Author::find().filter(author::Column::Name.gt("b")).order_by_desc(author::Column::Id);
    assert_eq!(same!(world, late().cached(minute()).all(db), late().all(db)).len(), 2);
    assert_eq!(same!(world, late().cached(minute()).one(db), late().one(db)).unwrap().id, 3);
    assert_eq!(same!(world, late().cached(minute()).count(db), late().count(db)), 2);
    let empty = || Author::find().filter(author::Column::Name.eq("nobody"));
    assert_eq!(same!(world, empty().cached(minute()).all(db), empty().all(db)), []);
}

#[tokio::test]
async fn a_required_row_that_is_missing_is_an_error_from_the_cache_as_well() {
    let world = World::new().await;
    let require = |id| Author::find_by_id(id).cached(minute()).require_one(&world.db);
    assert_eq!(world.loads(require(2)).await.unwrap().name, "bob");
    assert_eq!(world.hits(require(2)).await.unwrap().name, "bob");
    assert!(matches!(world.loads(require(9)).await, Err(DbErr::RecordNotFound(_))));
    assert!(matches!(world.hits(require(9)).await, Err(DbErr::RecordNotFound(_))));
}

#[tokio::test]
async fn joins() {
    let world = World::new().await;
    let db = &world.db;
    let also = || Book::find().find_also_related(Author).order_by_asc(book::Column::Id);
    let rows = same!(world, also().cached(minute()).all(db), also().all(db));
    assert_eq!(rows.last().unwrap().1, None, "a book without an author");
    same!(world, also().cached(minute()).one(db), also().one(db));
    same!(world, also().cached(minute()).count(db), also().count(db));
    let both = || Book::find().find_both_related(Author).order_by_asc(book::Column::Id);
    assert_eq!(same!(world, both().cached(minute()).all(db), both().all(db)).len(), 3);
    let with = || Author::find().find_with_related(Book).order_by_asc(author::Column::Id);
    let families = same!(world, with().cached(minute()).all(db), with().all(db));
    assert_eq!(families.iter().map(|(_, books)| books.len()).collect::<Vec<_>>(), [2, 1, 0]);
    let through = || Book::find().find_with_related(Shelf).order_by_asc(book::Column::Id);
    let expected = through().all(db).await.unwrap();
    let tagged = || through().cached(minute()).tags(["places"]);
    assert_eq!(world.loads(tagged().all(db)).await.unwrap(), expected);
    assert_eq!(world.hits(tagged().all(db)).await.unwrap(), expected);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DerivePartialModel)]
#[sea_orm(entity = "Author")]
struct Name {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, FromQueryResult)]
struct Heading {
    title: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveColumn)]
enum As {
    Title,
}

#[tokio::test]
async fn results_of_other_types() {
    let world = World::new().await;
    let db = &world.db;
    let partial = || Author::find().order_by_asc(author::Column::Id).into_partial_model::<Name>();
    assert_eq!(same!(world, partial().cached(minute()).all(db), partial().all(db)).len(), 3);
    same!(world, partial().cached(minute()).one(db), partial().one(db));
    let model = || Book::find().order_by_asc(book::Column::Id).into_model::<Heading>();
    assert_eq!(same!(world, model().cached(minute()).all(db), model().all(db)).len(), 4);
    let titles = || Book::find().select_only().column(book::Column::Title).order_by_asc(book::Column::Id);
    let texts = || titles().into_tuple::<String>();
    assert_eq!(same!(world, texts().cached(minute()).all(db), texts().all(db)).len(), 4);
    let values = || titles().into_values::<String, As>();
    assert_eq!(same!(world, values().cached(minute()).all(db), values().all(db)).len(), 4);
    let pairs = || {
        let counted = Book::find().select_only().column(book::Column::AuthorId);
        counted.column_as(book::Column::Id.count(), "books").group_by(book::Column::AuthorId)
    };
    let sums = || pairs().order_by_asc(book::Column::AuthorId).into_tuple::<(Option<i32>, i64)>();
    assert_eq!(same!(world, sums().cached(minute()).all(db), sums().all(db)), [(None, 1), (Some(1), 2), (Some(2), 1)]);
}

#[tokio::test]
async fn pages() {
    let world = World::new().await;
    let db = &world.db;
    let books = || Book::find().order_by_asc(book::Column::Id);
    let plain = books().paginate(db, 3);
    let cached = books().cached(minute()).paginate(db, 3);
    same!(world, cached.fetch_page(0), plain.fetch_page(0));
    assert_eq!(same!(world, cached.fetch_page(1), plain.fetch_page(1)).len(), 1);
    assert_eq!(same!(world, cached.fetch_page(2), plain.fetch_page(2)), []);
    assert_eq!(same!(world, cached.num_items(), plain.num_items()), 4);
    assert_eq!(world.hits(cached.num_pages()).await.unwrap(), 2);
    let both = world.hits(cached.num_items_and_pages()).await.unwrap();
    assert_eq!((both.number_of_items, both.number_of_pages), (4, 2));

    let mut again = books().cached(minute()).paginate(db, 3);
    let mut ids = Vec::new();
    while let Some(page) = world.hits(again.fetch_and_next()).await.unwrap() {
        ids.extend(page.into_iter().map(|book| book.id));
    }
    assert_eq!(ids, [11, 12, 21, 90]);
    assert_eq!(again.cur_page(), 3);
    again.set_page(1);
    assert_eq!(world.hits(again.fetch()).await.unwrap().len(), 1);
    let other = books().cached(minute()).paginate(db, 2);
    assert_eq!(world.loads(other.fetch_page(0)).await.unwrap().len(), 2, "another page size is another query");
}

#[tokio::test]
async fn results_without_serde_stay_in_process_memory() {
    let world = World::new().await;
    let db = &world.db;
    same!(world, Plain::find().cached_local(minute()).all(db), Plain::find().all(db));
    same!(world, Plain::find_by_id(1).cached_local(minute()).one(db), Plain::find_by_id(1).one(db));
    same!(world, Plain::find().cached_local(minute()).count(db), Plain::find().count(db));
    let two = || Author::find().find_with_related(Book);
    same!(world, two().cached_local(minute()).all(db), two().all(db));
}

#[tokio::test]
async fn cached_queries_can_be_spawned() {
    let world = World::new().await;
    let db = world.db.clone();
    let task = tokio::spawn(async move {
        Author::find_by_id(1).cached(minute()).one(&db).await?;
        Author::find().cached(minute()).all(&db).await?;
        Author::find().find_with_related(Book).cached(minute()).all(&db).await?;
        let pages = Author::find().cached(minute()).paginate(&db, 2);
        pages.fetch_page(0).await?;
        pages.num_items().await?;
        Author::find().cached(minute()).count(&db).await
    });
    assert_eq!(task.await.unwrap().unwrap(), 3);
}
