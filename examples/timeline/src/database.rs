//! Opens the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
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
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(connections).acquire_timeout(PATIENCE).sqlx_logging(false);
        options.map_sqlx_sqlite_opts(|options| {
            // Readers and a writer at the same time; the data need not survive a power failure.
            options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Off)
        });
        Database::connect(options).await
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
