//! One entity, one database, one write-behind.

use std::time::Duration;

use harness::{Backend, Recorder, TestDatabase};
use sea_orm::{ConnectionTrait, DatabaseConnection, Schema, entity::prelude::*};
use sea_orm_cache::{Cache, CachedConnection, Clock, WriteBehind, WriteBehindBuilder, WriteBehindJournal};
use serde::{Deserialize, Serialize};

pub(crate) mod tally {
    use super::{Deserialize, Serialize};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "tally")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        #[sea_orm(unique)]
        pub name: Option<String>,
        pub n: i64,
        pub small: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A row of the table.
pub(crate) fn row(id: i32, n: i64) -> tally::Model {
    tally::Model { id, name: None, n, small: 0 }
}

/// A row with a name, which no other may have.
pub(crate) fn named(id: i32, name: &str) -> tally::Model {
    tally::Model { name: Some(name.to_owned()), ..row(id, 0) }
}

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) cache: Cache,
    pub(crate) db: CachedConnection,
    pub(crate) plain: DatabaseConnection,
    pub(crate) recorder: Recorder,
    _database: TestDatabase,
}

impl World {
    /// With a clock that stands still.
    pub(crate) async fn on(backend: Backend) -> Self {
        let (clock, recorder) = (Clock::manual(), Recorder::new());
        let cache = Cache::builder().clock(clock.clone()).listener(recorder.listener()).build().await.unwrap();
        Self::with(backend, cache, clock, recorder).await
    }

    pub(crate) async fn with(backend: Backend, cache: Cache, clock: Clock, recorder: Recorder) -> Self {
        let database = backend.database();
        let plain = database.connect().await;
        let schema = Schema::new(plain.get_database_backend());
        plain.execute(&schema.create_table_from_entity(tally::Entity)).await.unwrap();
        Self { clock, db: cache.wrap(plain.clone()), cache, plain, recorder, _database: database }
    }

    /// A write-behind that flushes nothing before its time: a batch is full with 1,000 operations, or after an hour.
    pub(crate) fn patient(&self) -> WriteBehindBuilder<tally::Entity> {
        WriteBehind::<tally::Entity>::builder(&self.db)
            .journal(WriteBehindJournal::Memory)
            .batch_size(1_000)
            .flush_interval(Duration::from_secs(3_600))
    }

    /// All rows, as the database has them.
    pub(crate) async fn rows(&self) -> Vec<tally::Model> {
        let mut rows = tally::Entity::find().all(&self.plain).await.unwrap();
        rows.sort_by_key(|row| row.id);
        rows
    }
}
