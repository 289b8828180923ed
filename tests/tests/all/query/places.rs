//! Where a query is run: connections of any type, transactions, and what is not stored.

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, ExecResult, FromQueryResult, QueryResult, Statement,
    TransactionTrait,
};
use sea_orm_cache::{
    Cache, CacheQuery, CachedConnection, CachedLoader, CachedRelated, CachedTransaction, cached, register_view,
};
use serde::{Deserialize, Serialize};

use super::world::{Author, Book, World, author, minute};

async fn anywhere<C: ConnectionTrait>(db: &C) -> Result<Option<author::Model>, DbErr> {
    Author::find_by_id(1).cached(minute()).one(db).await
}

/// An application's own choice between the two.
enum Either<'a> {
    Connection(&'a CachedConnection),
    Transaction(&'a CachedTransaction),
}

#[async_trait::async_trait]
impl ConnectionTrait for Either<'_> {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::Connection(db) => db.execute_raw(statement).await,
            Self::Transaction(db) => db.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Self::Connection(db) => db.execute_unprepared(sql).await,
            Self::Transaction(db) => db.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Self::Connection(db) => db.query_one_raw(statement).await,
            Self::Transaction(db) => db.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Connection(db) => db.query_all_raw(statement).await,
            Self::Transaction(db) => db.query_all_raw(statement).await,
        }
    }

    fn is_mock_connection(&self) -> bool {
        match self {
            Self::Connection(db) => db.is_mock_connection(),
            Self::Transaction(db) => db.is_mock_connection(),
        }
    }
}

#[tokio::test]
async fn a_connection_of_any_type_leads_to_its_cache_and_a_transaction_past_it() {
    let world = World::new().await;
    world.loads(anywhere(&world.db)).await.unwrap();
    world.hits(anywhere(&world.db)).await.unwrap();
    world.hits(anywhere(&Either::Connection(&world.db))).await.unwrap();
    let txn = world.db.begin().await.unwrap();
    world.loads(anywhere(&txn)).await.unwrap();
    world.loads(anywhere(&txn)).await.unwrap();
    world.loads(anywhere(&Either::Transaction(&txn))).await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(world.cache.stats().bypasses, 3);
    assert_eq!(world.events("Bypass", "query.one"), 3);
    world.hits(anywhere(&world.db)).await.unwrap();
}

#[tokio::test]
async fn in_a_transaction_the_database_answers_every_form() {
    let world = World::new().await;
    let txn = world.db.begin().await.unwrap();
    for _ in 0..2 {
        world.loads(Author::find().cached(minute()).all(&txn)).await.unwrap();
        world.loads(Author::find().cached(minute()).count(&txn)).await.unwrap();
        let pages = Author::find().cached(minute()).paginate(&txn, 2);
        world.loads(pages.fetch_page(0)).await.unwrap();
        assert_eq!(world.loads(pages.num_pages()).await.unwrap(), 2);
        world.loads(Author::find().find_with_related(Book).cached(minute()).all(&txn)).await.unwrap();
        let authors = world.loads(Author::find().all(&txn)).await.unwrap();
        world.loads(authors[0].cached_related(Book, minute()).all(&txn)).await.unwrap();
        let books = world.loads(authors.cached_load_many(Book, minute(), &txn)).await.unwrap();
        assert_eq!(books.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 0]);
    }
    let stats = world.cache.stats();
    assert_eq!((stats.loads, stats.hits_local), (0, 0));
    txn.commit().await.unwrap();
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, FromQueryResult)]
struct Row {
    id: i32,
}

mod view {
    use sea_orm::entity::prelude::*;

    /// A view, which a statement cannot tell from a table.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "query_view")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[tokio::test]
async fn what_reads_tables_that_nobody_has_named_is_not_kept_unless_tags_are() {
    let world = World::new().await;
    let db = &world.db;
    let sql = "CREATE VIEW query_view AS SELECT id FROM query_author WHERE id > 1";
    db.inner().execute_unprepared(sql).await.unwrap();
    let rows = || view::Entity::find().into_model::<Row>().cached(minute());
    assert_eq!(world.loads(rows().all(db)).await.unwrap().len(), 2);
    assert_eq!(world.loads(rows().all(db)).await.unwrap().len(), 2);
    assert_eq!(world.events("Warning", "a cached query is not stored"), 1, "said once");
    world.loads(rows().tags(["view"]).all(db)).await.unwrap();
    world.hits(rows().tags(["view"]).all(db)).await.unwrap();
    assert!(world.cache.invalidate(["view"]).await.is_done());
    register_view("query_view", &["query_author"]);
    world.loads(rows().all(db)).await.unwrap();
    world.hits(rows().all(db)).await.unwrap();
    world.rename(3, "eva").await;
    world.loads(rows().all(db)).await.unwrap();
}

#[tokio::test]
async fn callers_of_one_query_share_one_load_and_an_error_is_not_kept() {
    let world = World::new().await;
    let db = &world.db;
    let one = || Author::find().cached(minute()).all(db);
    let (statements, all) = world.statements(async { tokio::join!(one(), one(), one()) }).await;
    assert_eq!(statements, 1);
    assert_eq!(all.0.unwrap().len() + all.1.unwrap().len() + all.2.unwrap().len(), 9);
    db.inner().execute_unprepared("ALTER TABLE query_book RENAME TO query_gone").await.unwrap();
    assert!(Book::find().cached(minute()).all(db).await.is_err());
    db.inner().execute_unprepared("ALTER TABLE query_gone RENAME TO query_book").await.unwrap();
    assert_eq!(Book::find().cached(minute()).all(db).await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_plain_connection_without_an_installed_cache_is_just_asked() {
    let world = World::new().await;
    if Cache::installed().is_none() {
        world.loads(anywhere(world.db.inner())).await.unwrap();
    }
    assert_eq!(world.cache.stats().loads, 0);
}

/// Depends on what its body reads, wherever the body reads it.
#[cached(ttl = 60)]
async fn name_of_one(db: &CachedConnection) -> Result<Option<String>, DbErr> {
    let db = db.clone();
    let elsewhere = tokio::spawn(async move { anywhere(&db).await });
    Ok(elsewhere.await.expect("it does not panic")?.map(|author| author.name))
}

#[tokio::test]
async fn a_function_depends_on_the_cached_queries_that_its_body_asks() {
    let world = World::new().await;
    world.loads(anywhere(&world.db)).await.unwrap();
    assert_eq!(world.hits(name_of_one(&world.db)).await.unwrap().unwrap(), "ann");
    world.rename(2, "robert").await;
    let before = world.cache.stats().loads;
    world.hits(name_of_one(&world.db)).await.unwrap();
    assert_eq!(world.cache.stats().loads, before, "another row");
    world.rename(1, "anna").await;
    assert_eq!(world.loads(name_of_one(&world.db)).await.unwrap().unwrap(), "anna");
}
