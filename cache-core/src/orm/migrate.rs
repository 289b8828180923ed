//! Lets migrations, which take nothing but SeaORM's own types, run through the wrapper.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use sea_orm::{DatabaseConnection, DatabaseExecutor, DbErr, IntoDatabaseExecutor, metric};

use super::{analysis::analyze, connection::CachedConnection, transaction::CachedTransaction};
use crate::{cache::Cache, clock::Moment, engine::Engine, tag::Tag};

/// A clone of the connection inside for code that takes nothing else. While it is in use, everything counts as being written.
#[derive(Clone)]
pub(super) struct Watched {
    db: DatabaseConnection,
    watch: Arc<Watch>,
}

struct Watch {
    engine: Weak<Engine>,
    /// Until when everything is pending, if it is.
    until: Mutex<Option<Moment>>,
}

impl Watched {
    pub(super) fn new(cache: &Cache, db: &DatabaseConnection) -> Self {
        let watch = Arc::new(Watch { engine: Arc::downgrade(cache.engine()), until: Mutex::new(None) });
        let mut watched = Self { db: db.clone(), watch };
        watched.also(|_| {});
        watched
    }

    /// Sets the callback that the user wants to see every statement, besides our own.
    pub(super) fn also<F>(&mut self, callback: F)
    where
        F: Fn(&metric::Info<'_>) + Send + Sync + 'static,
    {
        let watch = Arc::clone(&self.watch);
        self.db.set_metric_callback(move |info| {
            if analyze(info.statement.db_backend, &info.statement.sql).is_write() {
                watch.touch();
            }
            callback(info);
        });
    }
}

impl Watch {
    /// Makes everything pending, from now until `hook_lease` has passed without another call.
    fn touch(self: &Arc<Self>) {
        let Some(engine) = self.engine.upgrade() else { return };
        let until = engine.clock().now().after(engine.settings().hook_lease);
        if self.until.lock().unwrap_or_else(PoisonError::into_inner).replace(until).is_some() {
            return;
        }
        let watch = Arc::clone(self);
        let running = Arc::clone(&engine);
        // Pending on this node before the caller goes on.
        let mut intent = engine.new_intent(vec![Tag::all()]);
        let _unless_closed = engine.tasks().spawn(async move {
            // A refusal concerns writes that can still be stopped; this one cannot.
            let _refused = intent.begin().await;
            let _held = intent.hold(watch.quiet(&running)).await;
            let _outcome = intent.finish().await;
        });
    }

    async fn quiet(&self, engine: &Engine) {
        loop {
            let left = {
                let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
                let left = until.map(|until| until.since(engine.clock().now())).unwrap_or_default();
                if left.is_zero() {
                    *until = None;
                    return;
                }
                left
            };
            engine.clock().sleep(left).await;
        }
    }
}

/// For `Migrator::up(&db, None)` and whatever else wants a [`DatabaseExecutor`].
///
/// The executor is SeaORM's own, so the wrapper cannot stand between it and the database. Every entry counts as being written
/// from now on, until no prepared write was seen for `hook_lease` (5 seconds by default). What runs unprepared
/// is not seen; SeaORM's migrator ends every migration with a statement that is. Where that is not exact enough, use
/// [`CachedConnection::unobserved`].
impl<'c> IntoDatabaseExecutor<'c> for &'c CachedConnection {
    fn into_database_executor(self) -> DatabaseExecutor<'c> {
        self.watched.watch.touch();
        DatabaseExecutor::Connection(&self.watched.db)
    }
}

/// For a `SchemaManager` inside a transaction. The commit makes every entry stale. MySQL commits before a change of the schema,
/// which nobody sees here: there, use a connection.
impl<'c> IntoDatabaseExecutor<'c> for &'c CachedTransaction {
    fn into_database_executor(self) -> DatabaseExecutor<'c> {
        DatabaseExecutor::Transaction(self.hand_out())
    }
}

impl CachedConnection {
    /// Runs work on the plain connection, for code that takes nothing but SeaORM's own types. What it writes is not seen:
    /// every entry is pending while it runs, and stale afterwards.
    ///
    /// ```
    /// # use sea_orm::{ConnectionTrait, Database, DbErr};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = sea_orm_cache::Cache::builder().build().await?;
    /// let db = cache.wrap(Database::connect("sqlite::memory:").await?);
    /// db.unobserved(async |plain| plain.execute_unprepared("CREATE TABLE t (id INTEGER PRIMARY KEY)").await).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the work, and a refusal with [`WhenRemoteIsDown::Refuse`](crate::WhenRemoteIsDown::Refuse).
    pub async fn unobserved<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&DatabaseConnection) -> Result<T, E>,
        E: From<DbErr>,
    {
        let mut intent = self.writer.begin(vec![Tag::all()]).await?;
        let result = self.writer.hold(&mut intent, work(&self.inner)).await?;
        let _outcome = intent.finish().await;
        result
    }
}
