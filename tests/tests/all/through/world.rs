//! Two nodes over one database that counts its statements.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use harness::{Backend, Recorder, RedisServer, TestDatabase, unique};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set, Unchanged},
    ConnectionTrait, EntityTrait, Schema,
};
use sea_orm_cache::{
    __testing::{Bus, MemoryStore, Mutation, RemoteTier, connect},
    Cache, CacheBuilder, CacheQuery, CachedConnection, Clock, Consistency, Policy, RedisSettings,
};

use crate::races::held::{HeldTier, ReplyGate};

pub mod member {
    use sea_orm::entity::prelude::*;
    use sea_orm_cache::CachedEntity;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel, CachedEntity)]
    #[sea_orm(table_name = "through_member")]
    #[cached_entity(write_through)]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub score: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Has an index, so that updates look at their rows first.
pub mod ticket {
    use sea_orm::entity::prelude::*;
    use sea_orm_cache::CachedEntity;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel, CachedEntity)]
    #[sea_orm(table_name = "through_ticket")]
    #[cached_entity(index(owner), write_through)]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub code: String,
        pub owner: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) use member::Entity as Member;
pub(super) use ticket::Entity as Ticket;

#[derive(Clone, Copy, Debug)]
pub(super) enum On {
    Memory,
    Redis,
}

/// One node: its cache, its connection, what it has told.
pub(super) struct Node {
    pub(super) cache: Cache,
    pub(super) db: CachedConnection,
    pub(super) events: Recorder,
    /// Holds the next end of an intent.
    pub(super) ends: Arc<ReplyGate>,
}

/// Members 1 and 2, and ticket "a" of owner 1.
pub(super) struct World {
    pub(super) a: Node,
    pub(super) b: Node,
    statements: Arc<AtomicUsize>,
    _database: TestDatabase,
}

impl World {
    pub(super) async fn new(backend: Backend) -> Self {
        Self::with(backend, On::Memory, |builder| builder).await
    }

    pub(super) async fn on(on: On, mutation: Option<Mutation>) -> Self {
        Self::with(Backend::Sqlite, on, |builder| builder.mutation(mutation)).await
    }

    pub(super) async fn with(backend: Backend, on: On, set: impl Fn(CacheBuilder) -> CacheBuilder) -> Self {
        let clock = Clock::system();
        let (one, two) = match on {
            On::Memory => {
                let store = MemoryStore::shared(clock.clone());
                let other = store.node();
                ((store.tier(), store.bus()), (other.tier(), other.bus()))
            }
            On::Redis => {
                let settings = RedisSettings::new(RedisServer::shared().url()).with_namespace(unique("through"));
                let connected = || connect(&settings, &clock).unwrap();
                (connected(), connected())
            }
        };
        Self::over(backend, one, two, set).await
    }

    pub(super) async fn over(
        backend: Backend,
        one: (Arc<dyn RemoteTier>, Arc<dyn Bus>),
        two: (Arc<dyn RemoteTier>, Arc<dyn Bus>),
        set: impl Fn(CacheBuilder) -> CacheBuilder,
    ) -> Self {
        let database = backend.database();
        let mut plain = database.connect().await;
        let statements = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&statements);
        plain.set_metric_callback(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let schema = Schema::new(plain.get_database_backend());
        plain.execute(&schema.create_table_from_entity(Member)).await.unwrap();
        plain.execute(&schema.create_table_from_entity(Ticket)).await.unwrap();
        for name in ["ann", "bob"] {
            new_member(name).insert(&plain).await.unwrap();
        }
        let ticket = ticket::ActiveModel { code: Set("a".into()), owner: Set(1) };
        Ticket::insert(ticket).exec_without_returning(&plain).await.unwrap();
        let a = Node::new(one, &plain, &set).await;
        let b = Node::new(two, &plain, &set).await;
        Self { a, b, statements, _database: database }
    }

    /// How many statements the database runs during `work`.
    pub(super) async fn statements<T>(&self, work: impl Future<Output = T>) -> (usize, T) {
        let before = self.statements.load(Ordering::Relaxed);
        let output = work.await;
        (self.statements.load(Ordering::Relaxed) - before, output)
    }

    /// The member as both nodes read it, bounded and strict; and as the database has it.
    pub(super) async fn names(&self, id: i32) -> [String; 5] {
        let mut names = Vec::new();
        for node in [&self.a, &self.b] {
            for consistency in [Consistency::Bounded, Consistency::Strict] {
                names.push(node.member_with(id, consistency).await.unwrap().name);
            }
        }
        names.push(Member::find_by_id(id).one(self.a.db.inner()).await.unwrap().unwrap().name);
        names.try_into().unwrap()
    }
}

impl Node {
    async fn new(
        (tier, bus): (Arc<dyn RemoteTier>, Arc<dyn Bus>),
        plain: &sea_orm::DatabaseConnection,
        set: &impl Fn(CacheBuilder) -> CacheBuilder,
    ) -> Self {
        let (events, ends) = (Recorder::new(), Arc::new(ReplyGate::new()));
        let tier = HeldTier { tier, gate: Arc::new(ReplyGate::new()), ends: Arc::clone(&ends) };
        let builder = Cache::builder().listener(events.listener()).ports(Arc::new(tier), bus);
        let cache = set(builder).build().await.unwrap();
        Self { db: cache.wrap(plain.clone()), cache, events, ends }
    }

    /// The member by its row entry.
    pub(super) async fn member(&self, id: i32) -> Option<member::Model> {
        self.member_with(id, Consistency::Bounded).await
    }

    async fn member_with(&self, id: i32, consistency: Consistency) -> Option<member::Model> {
        let policy = Policy::ttl_secs(60).with_consistency(consistency);
        Member::find_by_id(id).cached(policy).one(&self.db).await.unwrap()
    }

    pub(super) async fn ticket(&self, code: &str) -> Option<ticket::Model> {
        Ticket::find_by_id(code).cached(Policy::ttl_secs(60)).one(&self.db).await.unwrap()
    }

    /// What write-through has stored, and what it has refused.
    pub(super) fn stored(&self) -> (u64, u64) {
        let stats = self.cache.stats();
        assert_eq!(stats.write_through as usize, self.events.count("WriteThrough"));
        assert_eq!(stats.write_through_refused as usize, self.events.count("WriteThroughRefused"));
        (stats.write_through, stats.write_through_refused)
    }

    /// Why the last value was refused.
    pub(super) fn refusals(&self, why: &str) -> usize {
        self.events.count_with("WriteThroughRefused", &format!("why: {why}"))
    }
}

pub(super) fn new_member(name: &str) -> member::ActiveModel {
    member::ActiveModel { id: NotSet, name: Set(name.into()), score: Set(0) }
}

pub(super) async fn rename(db: &impl ConnectionTrait, id: i32, name: &str) -> member::Model {
    let renamed = member::ActiveModel { id: Unchanged(id), name: Set(name.into()), ..Default::default() };
    renamed.update(db).await.unwrap()
}
