//! A library whose database counts its statements.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use harness::memory;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, Schema};
use sea_orm_cache::{Cache, CacheBuilder, CachedConnection, Event, Policy};

pub mod author {
    use sea_orm::entity::prelude::*;
    use sea_orm_cache::CachedEntity;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel, CachedEntity)]
    #[sea_orm(table_name = "query_author")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(has_many = "super::book::Entity")]
        Book,
    }

    impl Related<super::book::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Book.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod book {
    use sea_orm::entity::prelude::*;
    use sea_orm_cache::CachedEntity;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel, CachedEntity)]
    #[sea_orm(table_name = "query_book")]
    #[cached_entity(index(author_id))]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub author_id: Option<i32>,
        pub title: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(belongs_to = "super::author::Entity", from = "Column::AuthorId", to = "super::author::Column::Id")]
        Author,
    }

    impl Related<super::author::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Author.def()
        }
    }

    impl Related<super::shelf::Entity> for Entity {
        fn to() -> RelationDef {
            super::place::Relation::Shelf.def()
        }

        fn via() -> Option<RelationDef> {
            Some(super::place::Relation::Book.def().rev())
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Without `CachedEntity`: known from its first use.
pub mod shelf {
    use sea_orm::entity::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "query_shelf")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub label: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The junction of books and shelves; nobody registers it.
pub mod place {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "query_place")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub book_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub shelf_id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(belongs_to = "super::book::Entity", from = "Column::BookId", to = "super::book::Column::Id")]
        Book,
        #[sea_orm(belongs_to = "super::shelf::Entity", from = "Column::ShelfId", to = "super::shelf::Column::Id")]
        Shelf,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Without serde's traits.
pub mod plain {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "query_plain")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) use author::Entity as Author;
pub(super) use book::Entity as Book;
pub(super) use place::Entity as Place;
pub(super) use plain::Entity as Plain;
pub(super) use shelf::Entity as Shelf;

/// What every query here is cached with.
pub(super) fn minute() -> Policy {
    Policy::ttl_secs(60)
}

/// A cache of its own around a database of its own.
pub(super) struct World {
    pub(super) cache: Cache,
    pub(super) db: CachedConnection,
    events: Arc<Mutex<Vec<String>>>,
    statements: Arc<AtomicUsize>,
}

impl World {
    /// Authors 1 to 3, of whom 1 and 2 have books 11, 12 and 21; book 90 has no author; books 11 and 21 are on shelf 1.
    pub(super) async fn new() -> Self {
        Self::with(Cache::builder()).await
    }

    pub(super) async fn with(builder: CacheBuilder) -> Self {
        let statements = Arc::new(AtomicUsize::new(0));
        let mut inner = memory().await;
        let counter = Arc::clone(&statements);
        inner.set_metric_callback(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let schema = Schema::new(inner.get_database_backend());
        for table in [
            schema.create_table_from_entity(Author),
            schema.create_table_from_entity(Book),
            schema.create_table_from_entity(Shelf),
            schema.create_table_from_entity(Place),
            schema.create_table_from_entity(Plain),
        ] {
            inner.execute(&table).await.unwrap();
        }
        for (id, name) in [(1, "ann"), (2, "bob"), (3, "eve")] {
            let author = author::ActiveModel { id: Set(id), name: Set(name.into()) };
            Author::insert(author).exec(&inner).await.unwrap();
        }
        for (id, author_id) in [(11, Some(1)), (12, Some(1)), (21, Some(2)), (90, None)] {
            Book::insert(new_book(id, author_id)).exec(&inner).await.unwrap();
        }
        for id in [1, 2] {
            let shelf = shelf::ActiveModel { id: Set(id), label: Set(format!("shelf {id}")) };
            Shelf::insert(shelf).exec(&inner).await.unwrap();
        }
        for book_id in [11, 21] {
            let place = place::ActiveModel { book_id: Set(book_id), shelf_id: Set(1) };
            Place::insert(place).exec(&inner).await.unwrap();
        }
        Plain::insert(plain::ActiveModel { id: Set(1) }).exec(&inner).await.unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&events);
        let note = move |event: &Event<'_>| noted.lock().unwrap().push(format!("{event:?}"));
        let cache = builder.on_event(note).build().await.unwrap();
        let db = cache.wrap(inner);
        Self { cache, db, events, statements }
    }

    /// How many events of a kind contain a text.
    pub(super) fn events(&self, kind: &str, text: &str) -> usize {
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event.starts_with(kind) && event.contains(text)).count()
    }

    /// How many statements the database runs during `work`.
    pub(super) async fn statements<T>(&self, work: impl Future<Output = T>) -> (usize, T) {
        let before = self.statements.load(Ordering::Relaxed);
        let output = work.await;
        (self.statements.load(Ordering::Relaxed) - before, output)
    }

    /// `work` is answered without the database.
    #[track_caller]
    pub(super) fn hits<T>(&self, work: impl Future<Output = T>) -> impl Future<Output = T> {
        self.runs(0, work)
    }

    /// `work` asks the database once.
    #[track_caller]
    pub(super) fn loads<T>(&self, work: impl Future<Output = T>) -> impl Future<Output = T> {
        self.runs(1, work)
    }

    /// `work` asks the database that often.
    #[track_caller]
    pub(super) fn runs<T>(&self, times: usize, work: impl Future<Output = T>) -> impl Future<Output = T> {
        let caller = std::panic::Location::caller();
        async move {
            let (statements, output) = self.statements(work).await;
            assert_eq!(statements, times, "statements at {caller}");
            output
        }
    }

    pub(super) async fn rename(&self, id: i32, name: &str) {
        let author = author::ActiveModel { id: Set(id), name: Set(name.into()) };
        Author::update(author).exec(&self.db).await.unwrap();
    }

    pub(super) async fn retitle(&self, id: i32, title: &str) {
        let book = book::ActiveModel { id: Set(id), title: Set(title.into()), ..Default::default() };
        Book::update(book).exec(&self.db).await.unwrap();
    }

    pub(super) async fn add_book(&self, id: i32, author_id: Option<i32>) {
        Book::insert(new_book(id, author_id)).exec(&self.db).await.unwrap();
    }
}

fn new_book(id: i32, author_id: Option<i32>) -> book::ActiveModel {
    book::ActiveModel { id: Set(id), author_id: Set(author_id), title: Set(format!("book {id}")) }
}
