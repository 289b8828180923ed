//! SeaORM's side of the cache: connections, statements, entities.

pub(crate) mod analysis;
pub(crate) mod answer;
mod connection;
mod connection_traits;
mod control;
pub(crate) mod deps;
mod explain;
mod hook_pairs;
pub(crate) mod hooks;
mod ledger;
mod looking;
mod migrate;
mod observe;
mod outbox;
#[cfg(feature = "migration")]
mod outbox_migration;
mod puts;
mod query;
pub(crate) mod recognise;
pub(crate) mod registry;
mod relay;
#[cfg(feature = "rbac")]
mod restricted;
pub(crate) mod row_entry;
mod run;
mod savepoint;
#[cfg(all(feature = "schema-sync", any(feature = "sqlx-mysql", feature = "sqlx-postgres", feature = "sqlx-sqlite")))]
mod schema_sync;
mod stream;
mod tag_set;
pub(crate) mod through;
mod transaction;
mod transaction_traits;
pub(crate) mod values;
mod write;
mod writer;

#[cfg(feature = "migration")]
pub use self::outbox_migration::CreateCacheOutbox;
#[cfg(feature = "rbac")]
pub use self::restricted::{CachedRestrictedConnection, CachedRestrictedTransaction};
pub use self::{
    analysis::StaleTag,
    connection::CachedConnection,
    explain::WriteExplanation,
    outbox::create_outbox_table,
    query::{CacheQuery, CachedLoader, CachedPages, CachedQuery, CachedQueryMany, CachedRelated},
    registry::{
        CachedEntity, Cascade, ColumnInfo, EntityInfo, EntityRegistration, register, register_info, register_tables,
        register_view,
    },
    stream::CachedStream,
    through::WriteThrough,
    transaction::CachedTransaction,
    values::ColumnClass,
};
