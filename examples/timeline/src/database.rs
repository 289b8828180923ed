//! Opens the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr,
    sqlx::{
        self,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};
use tempfile::TempDir;

/// A database that does not let us in within this time is taken to be away.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the database is; a temporary one is deleted when this is dropped.
pub struct Home {
    url: String,
    _folder: Option<TempDir>,
}

impl Home {
    /// The database at `url`, or a temporary SQLite file.
    pub fn new(url: Option<&str>) -> std::io::Result<Self> {
        if let Some(url) = url {
            return Ok(Self { url: url.to_owned(), _folder: None });
        }
        let folder = TempDir::with_prefix("timeline-")?;
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("timeline.db").display());
        Ok(Self { url, _folder: Some(folder) })
    }

    /// A pool of its own.
    pub async fn connect(&self, connections: u32) -> Result<DatabaseConnection, DbErr> {
        self.connect_with(connections, &Brake::default()).await
    }

    /// A pool of its own that `brake` can slow down.
    pub async fn connect_with(&self, connections: u32, brake: &Brake) -> Result<DatabaseConnection, DbErr> {
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(connections).acquire_timeout(PATIENCE).sqlx_logging(false);
        options.map_sqlx_sqlite_opts(|options| {
            // Readers and a writer at the same time; the data need not survive a power failure.
            options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Off)
        });
        // A statement outside of a transaction takes a connection from the pool; so does the beginning of a transaction.
        let [sqlite, postgres, mysql] = [brake.clone(), brake.clone(), brake.clone()];
        options.map_sqlx_sqlite_before_acquire(move |_, _| sqlite.hold_up());
        options.map_sqlx_postgres_before_acquire(move |_, _| postgres.hold_up());
        options.map_sqlx_mysql_before_acquire(move |_, _| mysql.hold_up());
        Database::connect(options).await
    }
}

/// Makes a database slow, for demonstration: while it is on, each statement waits for 60 ms.
#[derive(Clone, Debug, Default)]
pub struct Brake(Arc<AtomicBool>);

impl Brake {
    /// How long each statement waits.
    pub const DELAY: Duration = Duration::from_millis(60);

    pub fn set(&self, on: bool) {
        self.0.store(on, Ordering::Relaxed);
    }

    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn hold_up(&self) -> BoxFuture<'static, Result<bool, sqlx::Error>> {
        let on = self.is_on();
        Box::pin(async move {
            if on {
                tokio::time::sleep(Self::DELAY).await;
            }
            Ok(true)
        })
    }
}

/// Counts the statements that reach the database through one connection.
#[derive(Clone, Debug, Default)]
pub struct QueryCounter(Arc<AtomicU64>);

impl QueryCounter {
    /// Counts what `db`, and every clone made of it from now on, sends.
    pub fn watch(&self, db: &mut DatabaseConnection) {
        let counter = Arc::clone(&self.0);
        db.set_metric_callback(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
