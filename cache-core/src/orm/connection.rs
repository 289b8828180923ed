//! The connection that keeps the cache right.

use std::{fmt, sync::Arc};

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, IsolationLevel, SchemaBuilder, TransactionError,
    TransactionTrait,
};

use super::{migrate::Watched, transaction::CachedTransaction, writer::Writer};
use crate::{cache::Cache, engine::LoadScope};

/// A [`DatabaseConnection`] that tells the cache of every write, and a running load of every read.
///
/// Made by [`Cache::wrap`]; used like the connection it wraps: it implements [`ConnectionTrait`](sea_orm::ConnectionTrait),
/// [`StreamTrait`](sea_orm::StreamTrait) and [`TransactionTrait`](sea_orm::TransactionTrait), and has the methods of
/// `DatabaseConnection` itself. Cheap to clone.
///
/// A write makes the entries that depend on it unreachable, on every node, before the call returns; a statement that nobody
/// can read counts as writing the whole database. Errors of the database pass through unchanged. A fault of the cache is
/// never an error of the statement, unless the cache was told to [refuse](crate::WhenRemoteIsDown::Refuse) writes
/// while the remote tier is down.
///
/// Not covered: what triggers and stored functions write besides the statement's own tables. Only
/// [`DatabaseExecutor`](sea_orm::DatabaseExecutor), SeaORM's own closed enum, cannot be made from this connection exactly;
/// see [`unobserved`](CachedConnection::unobserved).
#[derive(Clone)]
pub struct CachedConnection {
    pub(super) inner: DatabaseConnection,
    pub(super) writer: Writer,
    pub(super) scope: Option<LoadScope>,
    /// For what takes nothing but SeaORM's own types.
    pub(super) watched: Watched,
}

impl Cache {
    /// Wraps a connection, so that writes through it invalidate what depends on them.
    ///
    /// With [`WhenRemoteIsDown::Outbox`](crate::WhenRemoteIsDown::Outbox) this also starts the relay that drains the table
    /// `cache_outbox` of that database, until the cache is closed.
    #[must_use]
    pub fn wrap(&self, connection: DatabaseConnection) -> CachedConnection {
        CachedConnection {
            writer: Writer::new(self, &connection),
            watched: Watched::new(self, &connection),
            inner: connection,
            scope: None,
        }
    }
}

impl CachedConnection {
    /// The cache.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        self.writer.cache()
    }

    /// The connection inside. The cache does not hear of what is written through it.
    #[must_use]
    pub fn inner(&self) -> &DatabaseConnection {
        &self.inner
    }

    /// The connection inside, taken out.
    #[must_use]
    pub fn into_inner(self) -> DatabaseConnection {
        self.inner
    }

    /// This connection, telling `scope` of its reads.
    pub(crate) fn with_scope(&self, scope: LoadScope) -> Self {
        Self { scope: Some(scope), ..self.clone() }
    }

    /// The load that hears of this connection's reads.
    pub(super) fn load_scope(&self) -> Option<LoadScope> {
        self.scope.clone().or_else(LoadScope::current)
    }

    /// The kind of database. See [`DatabaseConnection::get_database_backend`].
    ///
    /// # Panics
    ///
    /// Panics if the connection inside is `Disconnected`, as SeaORM does.
    #[must_use]
    pub fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    /// A schema builder for this kind of database. See [`DatabaseConnection::get_schema_builder`].
    #[must_use]
    pub fn get_schema_builder(&self) -> SchemaBuilder {
        self.inner.get_schema_builder()
    }

    /// Sets a callback that sees every statement. See [`DatabaseConnection::set_metric_callback`].
    pub fn set_metric_callback<F>(&mut self, callback: F)
    where
        F: Fn(&sea_orm::metric::Info<'_>) + Send + Sync + 'static,
    {
        let callback = Arc::new(callback);
        let also = Arc::clone(&callback);
        self.watched.also(move |info| also(info));
        self.inner.set_metric_callback(move |info| callback(info));
    }

    /// Checks the connection to the database. See [`DatabaseConnection::ping`].
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.inner.ping().await
    }

    /// Closes the connection to the database; the cache stays open. See [`DatabaseConnection::close`].
    ///
    /// # Errors
    ///
    /// When the pool cannot be closed.
    pub async fn close(self) -> Result<(), DbErr> {
        self.close_by_ref().await
    }

    /// Closes the connection to the database; the cache stays open. See [`DatabaseConnection::close_by_ref`].
    ///
    /// # Errors
    ///
    /// When the pool cannot be closed.
    pub async fn close_by_ref(&self) -> Result<(), DbErr> {
        self.writer.stop_relay();
        self.inner.close_by_ref().await
    }

    /// Runs a closure inside a transaction: committed if it returns `Ok`, else rolled back.
    /// See [`DatabaseConnection::transaction_async`].
    ///
    /// # Errors
    ///
    /// Those of the closure, and of `BEGIN`, `COMMIT` and `ROLLBACK`.
    pub async fn transaction_async<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> AsyncFnOnce(&'c CachedTransaction) -> Result<T, E> + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        self.begin().await?.run_async(callback).await
    }

    /// Like [`transaction_async`](CachedConnection::transaction_async), with an isolation level and an access mode.
    ///
    /// # Errors
    ///
    /// Those of the closure, and of `BEGIN`, `COMMIT` and `ROLLBACK`.
    pub async fn transaction_with_config_async<F, T, E>(
        &self,
        callback: F,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<T, TransactionError<E>>
    where
        F: for<'c> AsyncFnOnce(&'c CachedTransaction) -> Result<T, E> + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        self.begin_with_config(isolation_level, access_mode).await?.run_async(callback).await
    }
}

/// The getters of the pool inside, each with the feature of its driver.
impl CachedConnection {
    /// See [`DatabaseConnection::get_mysql_connection_pool`].
    ///
    /// # Panics
    ///
    /// Panics if this is no MySQL connection, as SeaORM does.
    #[cfg(feature = "sqlx-mysql")]
    #[must_use]
    pub fn get_mysql_connection_pool(&self) -> &sea_orm::sqlx::MySqlPool {
        self.inner.get_mysql_connection_pool()
    }

    /// See [`DatabaseConnection::get_postgres_connection_pool`].
    ///
    /// # Panics
    ///
    /// Panics if this is no PostgreSQL connection, as SeaORM does.
    #[cfg(feature = "sqlx-postgres")]
    #[must_use]
    pub fn get_postgres_connection_pool(&self) -> &sea_orm::sqlx::PgPool {
        self.inner.get_postgres_connection_pool()
    }

    /// See [`DatabaseConnection::get_sqlite_connection_pool`].
    ///
    /// # Panics
    ///
    /// Panics if this is no SQLite connection, as SeaORM does.
    #[cfg(feature = "sqlx-sqlite")]
    #[must_use]
    pub fn get_sqlite_connection_pool(&self) -> &sea_orm::sqlx::SqlitePool {
        self.inner.get_sqlite_connection_pool()
    }
}

/// SeaORM's role-based access control.
#[cfg(feature = "rbac")]
impl CachedConnection {
    /// See [`DatabaseConnection::load_rbac`].
    ///
    /// # Errors
    ///
    /// When the rules cannot be read.
    pub async fn load_rbac(&self) -> Result<(), DbErr> {
        self.inner.load_rbac().await
    }

    /// See [`DatabaseConnection::load_rbac_from`].
    ///
    /// # Errors
    ///
    /// When the rules cannot be read.
    pub async fn load_rbac_from(&self, db: &DatabaseConnection) -> Result<(), DbErr> {
        self.inner.load_rbac_from(db).await
    }

    /// See [`DatabaseConnection::replace_rbac`].
    pub fn replace_rbac(&self, engine: sea_orm::rbac::RbacEngine) {
        self.inner.replace_rbac(engine);
    }
}

impl fmt::Debug for CachedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CachedConnection").field(&self.inner).finish()
    }
}

const _: () = {
    const fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<CachedConnection>();
    const fn assert_connection<T: ConnectionTrait + TransactionTrait>() {}
    assert_connection::<CachedConnection>();
};
