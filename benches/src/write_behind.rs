//! Rows per second, one by one and written behind.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use futures_util::future::join_all;
use harness::{Backend, Durability, Postgres, RedisServer, TestDatabase, unique};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, Database, DatabaseConnection, EntityTrait, IntoActiveModel, PaginatorTrait,
    Schema, entity::prelude::*, sea_query,
};
use sea_orm_cache::{Cache, Fsync, WriteBehind, WriteBehindJournal};
use serde::{Deserialize, Serialize};

use crate::report::{Output, Report, Table, ratio};

/// Operations under way at a time, of the application that writes behind.
const CALLERS: usize = 256;

const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
#[sea_orm(table_name = "visit")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    id: i64,
    page: String,
    visits: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where operations wait for the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kept {
    Redis,
    File,
    Memory,
}

/// New rows: an application that inserts one after the other, and one that writes behind.
///
/// PostgreSQL commits to the disk, as an application would run it; MariaDB and SQLite as the tests run them. The time of writing behind is that from the first call
/// to the end of a flush.
#[derive(Args, Debug)]
pub(crate) struct WriteBehindRows {
    /// Rows that are written behind.
    #[arg(long, default_value_t = 40_000)]
    rows: i64,
    /// Rows that are inserted one by one.
    #[arg(long, default_value_t = 3_000)]
    single_rows: i64,
    /// Where operations wait for the database.
    #[arg(long, value_enum, default_value_t = Kept::Redis)]
    journal: Kept,
    /// The databases.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [On::Postgres, On::Mariadb, On::Sqlite])]
    databases: Vec<On>,
    #[command(flatten)]
    output: Output,
}

/// A database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum On {
    Postgres,
    Mariadb,
    Sqlite,
}

impl WriteBehindRows {
    pub(crate) async fn run(self) -> ExitCode {
        let redis = RedisServer::start();
        let mut report = Report::new("write-behind", &self.output);
        let mut table = Table::new(&["rows per second", "one by one", "batches of 100", "×", "batches of 1,000", "×"]);
        for database in &self.databases {
            let (backend, name) = match database {
                On::Postgres => (Backend::Postgres, "postgres"),
                On::Mariadb => (Backend::MariaDb, "mariadb"),
                On::Sqlite => (Backend::Sqlite, "sqlite"),
            };
            let place = Place::of(backend).await;
            let single = place.one_by_one(self.single_rows).await;
            let mut cells = vec![name.to_owned(), format!("{single:.0}")];
            report.figure(&format!("single_{name}"), single);
            for size in [100, 1_000] {
                let behind = self.behind(&place, &redis, size).await;
                cells.extend([format!("{behind:.0}"), ratio(behind / single)]);
                report.figure(&format!("behind_{name}_{size}"), behind);
                report.figure(&format!("ratio_{name}_{size}"), behind / single);
            }
            table.row(cells);
        }
        report.note(&format!("Journal: {:?}.\n", self.journal));
        report.table(&table);
        report.finish()
    }

    /// Rows per second from the first operation to the end of the flush.
    async fn behind(&self, place: &Place, redis: &RedisServer, batch_size: usize) -> f64 {
        place.empty().await;
        let builder = Cache::builder().namespace(unique("behind"));
        let cache = match self.journal {
            // On a machine this busy a late answer is an answer.
            Kept::Redis => builder.redis(redis.url()).deadlines(PATIENCE, PATIENCE, PATIENCE),
            Kept::File | Kept::Memory => builder,
        };
        let cache = cache.build().await.expect("the settings are good");
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let journal = match self.journal {
            Kept::Redis => WriteBehindJournal::Redis,
            Kept::Memory => WriteBehindJournal::Memory,
            Kept::File => WriteBehindJournal::File { directory: directory.path().to_owned(), fsync: Fsync::Always },
        };
        let visits = WriteBehind::<Entity>::builder(&cache.wrap(place.db.clone()))
            .journal(journal)
            .batch_size(batch_size)
            .build()
            .await
            .expect("the settings are good");
        let begun = Instant::now();
        let (rows, visits) = (self.rows, Arc::new(visits));
        join_all((0..CALLERS as i64).map(|caller| {
            let visits = Arc::clone(&visits);
            tokio::spawn(async move {
                for id in (caller..rows).step_by(CALLERS) {
                    visits.upsert(row(id)).await.expect("the journal is well");
                }
            })
        }))
        .await;
        visits.flush().await.expect("the database is well");
        let took = begun.elapsed();
        assert_eq!(place.count().await, rows as u64, "every row is there");
        let stats = visits.stats();
        assert_eq!((stats.buried, stats.rows), (0, rows as u64), "{stats:?}");
        visits.close().await.expect("all is well");
        cache.close().await.expect("all is well");
        rows as f64 / took.as_secs_f64()
    }
}

/// A database with the table.
struct Place {
    db: DatabaseConnection,
    _database: Option<TestDatabase>,
    _server: Option<Postgres>,
}

impl Place {
    async fn of(backend: Backend) -> Self {
        let (db, database, server) = if backend == Backend::Postgres {
            let server = Postgres::start(Durability::On);
            let db = Database::connect(server.create_database()).await.expect("the database is well");
            (db, None, Some(server))
        } else {
            let database = backend.database();
            (database.connect().await, Some(database), None)
        };
        let place = Self { db, _database: database, _server: server };
        place.create().await;
        place
    }

    async fn create(&self) {
        let table = Schema::new(self.db.get_database_backend()).create_table_from_entity(Entity);
        self.db.execute(&table).await.expect("the database is well");
    }

    /// Rows per second of an application without any cache, which inserts one row after the other.
    async fn one_by_one(&self, rows: i64) -> f64 {
        let begun = Instant::now();
        for id in 0..rows {
            row(id).into_active_model().insert(&self.db).await.expect("the database is well");
        }
        rows as f64 / begun.elapsed().as_secs_f64()
    }

    /// A new table, as for the rows that were inserted one by one: deleted rows would still be in its index.
    async fn empty(&self) {
        let table = sea_query::Table::drop().table(Entity).to_owned();
        self.db.execute(&table).await.expect("the database is well");
        self.create().await;
    }

    async fn count(&self) -> u64 {
        Entity::find().count(&self.db).await.expect("the database is well")
    }
}

fn row(id: i64) -> Model {
    Model { id, page: format!("/articles/{}", id % 1_000), visits: id }
}
