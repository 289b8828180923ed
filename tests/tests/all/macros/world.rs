//! A small database that counts its statements.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use harness::memory;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, Schema};
use sea_orm_cache::{Cache, CacheBuilder, CachedConnection, Event};

pub(crate) mod user {
    use sea_orm::entity::prelude::*;
    use sea_orm_cache::{CachedEntity, cache_hooks};
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel, CachedEntity)]
    #[sea_orm(table_name = "user")]
    #[cached_entity(index(name), cascade(super::Post(author_id = id)))]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[cache_hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod post {
    use sea_orm::entity::prelude::*;
    use sea_orm_cache::CachedEntity;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel, CachedEntity)]
    #[sea_orm(table_name = "post")]
    #[cached_entity(index(author_id))]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub author_id: i32,
        pub title: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod membership {
    use sea_orm::entity::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "membership")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub team: String,
        pub role: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) use membership::Entity as Membership;
pub(crate) use post::Entity as Post;
pub(crate) use user::Entity as User;

/// A cache of its own around a database of its own.
pub(crate) struct World {
    pub(crate) cache: Cache,
    pub(crate) db: CachedConnection,
    events: Arc<Mutex<Vec<String>>>,
    statements: Arc<AtomicUsize>,
}

impl World {
    /// Users 1 to 3, two posts of each, and user 1 in team "red".
    pub(crate) async fn new() -> Self {
        Self::with(Cache::builder()).await
    }

    /// The same, with settings.
    pub(crate) async fn with(builder: CacheBuilder) -> Self {
        let statements = Arc::new(AtomicUsize::new(0));
        let mut plain = memory().await;
        let counter = Arc::clone(&statements);
        plain.set_metric_callback(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let schema = Schema::new(plain.get_database_backend());
        for table in [
            schema.create_table_from_entity(User),
            schema.create_table_from_entity(Post),
            schema.create_table_from_entity(Membership),
        ] {
            plain.execute(&table).await.expect("a table is created");
        }
        for id in 1..=3 {
            let user = user::ActiveModel { id: Set(id), name: Set(format!("user-{id}")) };
            User::insert(user).exec(&plain).await.expect("a user is inserted");
            for nth in 0..2 {
                let post =
                    post::ActiveModel { id: Set(id * 10 + nth), author_id: Set(id), title: Set(format!("post {nth}")) };
                Post::insert(post).exec(&plain).await.expect("a post is inserted");
            }
        }
        let member = membership::ActiveModel { user_id: Set(1), team: Set("red".into()), role: Set("lead".into()) };
        Membership::insert(member).exec(&plain).await.expect("a member is inserted");
        let events = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&events);
        let note =
            move |event: &Event<'_>| listener.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{event:?}"));
        let cache = builder.on_event(note).build().await.expect("a cache is built");
        let db = cache.wrap(plain);
        Self { cache, db, events, statements }
    }

    /// The events of one kind so far, as text.
    pub(crate) fn events(&self, kind: &str) -> Vec<String> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().filter(|event| event.split([' ', '(']).next() == Some(kind)).cloned().collect()
    }

    /// How many statements the database runs during `work`.
    pub(crate) async fn statements<T>(&self, work: impl Future<Output = T>) -> (usize, T) {
        let before = self.statements.load(Ordering::Relaxed);
        let output = work.await;
        (self.statements.load(Ordering::Relaxed) - before, output)
    }

    /// `work` is answered without the database.
    pub(crate) async fn hits<T>(&self, work: impl Future<Output = T>) -> T {
        let (statements, output) = self.statements(work).await;
        assert_eq!(statements, 0, "a hit asks the database nothing");
        output
    }

    /// `work` asks the database once.
    pub(crate) async fn loads<T>(&self, work: impl Future<Output = T>) -> T {
        let (statements, output) = self.statements(work).await;
        assert_eq!(statements, 1, "a miss asks the database once");
        output
    }

    pub(crate) async fn rename(&self, id: i32, name: &str) {
        let user = user::ActiveModel { id: Set(id), name: Set(name.to_owned()) };
        user.update(&self.db).await.expect("a user is renamed");
    }

    pub(crate) async fn retitle(&self, id: i32, title: &str) {
        let post = post::ActiveModel { id: Set(id), title: Set(title.to_owned()), ..Default::default() };
        post.update(&self.db).await.expect("a post is retitled");
    }
}
