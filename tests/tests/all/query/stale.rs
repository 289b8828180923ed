//! Each kind of write makes stale exactly the queries that depend on it.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, TransactionTrait,
    sea_query::Expr,
};
use sea_orm_cache::{CacheQuery, CachedTransaction};

use super::world::{Author, Book, World, author, book, minute};

/// The cached queries, by name.
const QUERIES: [&str; 8] = [
    "author 1",
    "author 2",
    "author 9",
    "authors",
    "books of 1",
    "books of 2",
    "number of books",
    "books with authors",
];

async fn ask(world: &World, name: &str) {
    let db = &world.db;
    let of = |id: i32| Book::find().filter(book::Column::AuthorId.eq(id)).cached(minute());
    match name {
        "author 1" => drop(Author::find_by_id(1).cached(minute()).one(db).await.unwrap()),
        "author 2" => drop(Author::find_by_id(2).cached(minute()).one(db).await.unwrap()),
        "author 9" => drop(Author::find_by_id(9).cached(minute()).one(db).await.unwrap()),
        "authors" => drop(Author::find().cached(minute()).all(db).await.unwrap()),
        "books of 1" => drop(of(1).all(db).await.unwrap()),
        "books of 2" => drop(of(2).all(db).await.unwrap()),
        "number of books" => drop(Book::find().cached(minute()).count(db).await.unwrap()),
        "books with authors" => {
            drop(Book::find().find_also_related(Author).cached(minute()).all(db).await.unwrap());
        }
        _ => unreachable!("{name}"),
    }
}

/// The queries that ask the database again; afterwards none does.
async fn stale(world: &World) -> Vec<&'static str> {
    let mut stale = Vec::new();
    for name in QUERIES {
        match world.statements(ask(world, name)).await.0 {
            0 => {}
            1 => stale.push(name),
            more => panic!("{name} took {more} statements"),
        }
    }
    stale
}

async fn filled() -> World {
    let world = World::new().await;
    assert_eq!(stale(&world).await, QUERIES);
    assert_eq!(stale(&world).await, [""; 0]);
    world
}

#[tokio::test]
async fn an_update_of_one_row() {
    let world = filled().await;
    world.rename(1, "anna").await;
    assert_eq!(stale(&world).await, ["author 1", "authors", "books with authors"]);
    world.retitle(21, "new").await;
    assert_eq!(stale(&world).await, ["books of 2", "number of books", "books with authors"]);
}

#[tokio::test]
async fn a_row_that_moves_between_index_values() {
    let world = filled().await;
    let book = book::ActiveModel { id: Set(11), author_id: Set(Some(2)), ..Default::default() };
    Book::update(book).exec(&world.db).await.unwrap();
    assert_eq!(stale(&world).await, ["books of 1", "books of 2", "number of books", "books with authors"]);
}

#[tokio::test]
async fn a_birth_makes_an_absence_stale_and_a_found_row_not() {
    let world = filled().await;
    let author = author::ActiveModel { name: Set("new".into()), ..Default::default() };
    Author::insert(author).exec(&world.db).await.unwrap();
    assert_eq!(stale(&world).await, ["author 9", "authors", "books with authors"]);
    let author = author::ActiveModel { id: Set(9), name: Set("nine".into()) };
    Author::insert(author).exec(&world.db).await.unwrap();
    assert_eq!(stale(&world).await, ["author 9", "authors", "books with authors"]);
    let nine = Author::find_by_id(9).cached(minute()).one(&world.db);
    assert_eq!(world.hits(nine).await.unwrap().unwrap().name, "nine");
}

#[tokio::test]
async fn an_insert_with_a_known_index_value() {
    let world = filled().await;
    world.add_book(13, Some(1)).await;
    assert_eq!(stale(&world).await, ["books of 1", "number of books", "books with authors"]);
}

#[tokio::test]
async fn a_delete() {
    let world = filled().await;
    Book::delete_by_id(12).exec(&world.db).await.unwrap();
    assert_eq!(stale(&world).await, ["books of 1", "number of books", "books with authors"]);
}

#[tokio::test]
async fn an_update_of_many_rows_and_raw_sql() {
    let world = filled().await;
    let update = Author::update_many().col_expr(author::Column::Name, Expr::value("same"));
    update.filter(author::Column::Id.gt(1)).exec(&world.db).await.unwrap();
    assert_eq!(stale(&world).await, ["author 2", "authors", "books with authors"]);
    world.db.execute_unprepared("UPDATE query_author SET name = 'raw' WHERE id = 1").await.unwrap();
    assert_eq!(stale(&world).await, ["author 1", "authors", "books with authors"]);
}

#[tokio::test]
async fn a_transaction_takes_effect_when_it_commits() {
    let world = filled().await;
    let rename = async |txn: &CachedTransaction| {
        let author = author::ActiveModel { id: Set(2), name: Set("robert".into()) };
        Author::update(author).exec(txn).await.unwrap();
    };
    let txn = world.db.begin().await.unwrap();
    rename(&txn).await;
    let seen = Author::find_by_id(2).cached(minute()).one(&txn).await.unwrap();
    assert_eq!(seen.unwrap().name, "robert", "a transaction sees its own writes");
    txn.rollback().await.unwrap();
    assert_eq!(stale(&world).await, [""; 0], "nothing was written, and what the transaction read was not kept");
    let txn = world.db.begin().await.unwrap();
    rename(&txn).await;
    txn.commit().await.unwrap();
    assert_eq!(stale(&world).await, ["author 2", "authors", "books with authors"]);
}

#[tokio::test]
async fn what_the_cache_says_after_writes_is_what_the_database_says() {
    let world = filled().await;
    world.add_book(30, Some(3)).await;
    world.retitle(11, "changed").await;
    Book::delete_by_id(12).exec(&world.db).await.unwrap();
    for id in [1, 2, 3] {
        let books = || Book::find().filter(book::Column::AuthorId.eq(id));
        let cached = books().cached(minute()).all(&world.db).await.unwrap();
        assert_eq!(cached, books().all(&world.db).await.unwrap());
    }
    let counted = Book::find().cached(minute()).count(&world.db).await.unwrap();
    assert_eq!(counted, Book::find().count(&world.db).await.unwrap());
}
