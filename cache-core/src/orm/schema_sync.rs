//! Lets `SchemaBuilder::sync` look at the schema through the wrapper.

use sea_orm::{DatabaseConnection, DatabaseTransaction, sea_query::SelectStatement};
use sea_schema::{
    Connection,
    sqlx_types::{SqlxError, SqlxRow},
};

use super::{connection::CachedConnection, transaction::CachedTransaction};

#[async_trait::async_trait]
impl Connection for CachedConnection {
    async fn query_all(&self, select: SelectStatement) -> Result<Vec<SqlxRow>, SqlxError> {
        <DatabaseConnection as Connection>::query_all(self.inner(), select).await
    }

    async fn query_all_raw(&self, sql: String) -> Result<Vec<SqlxRow>, SqlxError> {
        <DatabaseConnection as Connection>::query_all_raw(self.inner(), sql).await
    }
}

#[async_trait::async_trait]
impl Connection for CachedTransaction {
    async fn query_all(&self, select: SelectStatement) -> Result<Vec<SqlxRow>, SqlxError> {
        <DatabaseTransaction as Connection>::query_all(self.inner(), select).await
    }

    async fn query_all_raw(&self, sql: String) -> Result<Vec<SqlxRow>, SqlxError> {
        <DatabaseTransaction as Connection>::query_all_raw(self.inner(), sql).await
    }
}
