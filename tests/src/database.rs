//! A fresh database of each kind.

use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use tempfile::TempDir;

use crate::{mariadb::MariaDb, postgres::Postgres};

/// A kind of database that the library is tested on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file of its own.
    Sqlite,
    /// A database in the shared PostgreSQL.
    Postgres,
    /// A database in the shared MariaDB.
    MariaDb,
}

/// A fresh, empty database.
#[derive(Debug)]
pub struct TestDatabase {
    /// Its kind.
    pub backend: Backend,
    /// Its URL.
    pub url: String,
    // Removed with the handle.
    _file: Option<TempDir>,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::MariaDb];

    /// A fresh database. The first of a server's kind starts the server.
    #[must_use]
    pub fn database(self) -> TestDatabase {
        let (url, file) = match self {
            Self::Postgres => (Postgres::shared().create_database(), None),
            Self::MariaDb => (MariaDb::shared().create_database(), None),
            Self::Sqlite => {
                let place = tempfile::tempdir().expect("a temporary directory can be made");
                (format!("sqlite://{}?mode=rwc", place.path().join("test.db").display()), Some(place))
            }
        };
        TestDatabase { backend: self, url, _file: file }
    }
}

impl TestDatabase {
    /// A pool of its own.
    pub async fn connect(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(8).sqlx_logging(false);
        Database::connect(options).await.unwrap_or_else(|error| panic!("{}: {error}", self.url))
    }
}

/// A SQLite database in memory: one connection, gone with it.
pub async fn memory() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.expect("SQLite is linked in")
}
