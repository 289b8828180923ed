//! SeaORM's role-based access control around the wrapped connection.

use std::{fmt, future::Future, pin::Pin};

use sea_orm::{
    AccessMode, ConnectionTrait, DbBackend, DbErr, ExecResult, IsolationLevel, QueryResult, RestrictedConnection,
    Statement, StatementBuilder, TransactionError, TransactionOptions, TransactionSession, TransactionTrait,
    rbac::{
        PermissionRequest, RbacPermissionsByResources, RbacResourcesAndPermissions, RbacRoleHierarchyList,
        RbacRolesAndRanks, RbacUserId, RbacUserRolePermissions, ResourceRequest, entity::role::RoleId,
    },
};

use super::{connection::CachedConnection, transaction::CachedTransaction};

/// A [`CachedConnection`] that lets one user do what their role allows. See SeaORM's [`RestrictedConnection`].
///
/// As there, raw statements are refused.
#[derive(Clone, Debug)]
pub struct CachedRestrictedConnection {
    db: CachedConnection,
    /// Judges statements; nothing is run through it.
    judge: RestrictedConnection,
}

/// A transaction of a [`CachedRestrictedConnection`].
#[derive(Debug)]
pub struct CachedRestrictedTransaction {
    txn: CachedTransaction,
    judge: RestrictedConnection,
}

impl CachedConnection {
    /// A connection for one user. See [`DatabaseConnection::restricted_for`](sea_orm::DatabaseConnection::restricted_for).
    ///
    /// # Errors
    ///
    /// If the rules have not been loaded.
    pub fn restricted_for(&self, user_id: RbacUserId) -> Result<CachedRestrictedConnection, DbErr> {
        Ok(CachedRestrictedConnection { judge: self.inner().restricted_for(user_id)?, db: self.clone() })
    }
}

impl CachedRestrictedConnection {
    /// Whose connection it is.
    #[must_use]
    pub fn user_id(&self) -> RbacUserId {
        self.judge.user_id()
    }

    /// Whether the user may run the statement. See [`RestrictedConnection::user_can_run`].
    ///
    /// # Errors
    ///
    /// [`DbErr::AccessDenied`] if not.
    pub fn user_can_run<S: StatementBuilder>(&self, stmt: &S) -> Result<(), DbErr> {
        self.judge.user_can_run(stmt)
    }

    /// Whether the user may do something with a resource. See [`RestrictedConnection::user_can`].
    ///
    /// # Errors
    ///
    /// If the rules do not know one of them.
    pub fn user_can<P, R>(&self, permission: P, resource: R) -> Result<bool, DbErr>
    where
        P: Into<PermissionRequest>,
        R: Into<ResourceRequest>,
    {
        self.judge.user_can(permission, resource)
    }

    /// See [`RestrictedConnection::current_user_role_permissions`].
    ///
    /// # Errors
    ///
    /// If the user has no role.
    pub fn current_user_role_permissions(&self) -> Result<RbacUserRolePermissions, DbErr> {
        self.judge.current_user_role_permissions()
    }

    /// See [`RestrictedConnection::roles_and_ranks`].
    ///
    /// # Errors
    ///
    /// If the rules have not been loaded.
    pub fn roles_and_ranks(&self) -> Result<RbacRolesAndRanks, DbErr> {
        self.judge.roles_and_ranks()
    }

    /// See [`RestrictedConnection::resources_and_permissions`].
    ///
    /// # Errors
    ///
    /// If the rules have not been loaded.
    pub fn resources_and_permissions(&self) -> Result<RbacResourcesAndPermissions, DbErr> {
        self.judge.resources_and_permissions()
    }

    /// See [`RestrictedConnection::role_hierarchy_edges`].
    ///
    /// # Errors
    ///
    /// If the rules have not been loaded.
    pub fn role_hierarchy_edges(&self, role_id: RoleId) -> Result<RbacRoleHierarchyList, DbErr> {
        self.judge.role_hierarchy_edges(role_id)
    }

    /// See [`RestrictedConnection::role_permissions_by_resources`].
    ///
    /// # Errors
    ///
    /// If the rules have not been loaded.
    pub fn role_permissions_by_resources(&self, role_id: RoleId) -> Result<RbacPermissionsByResources, DbErr> {
        self.judge.role_permissions_by_resources(role_id)
    }

    fn begun(&self, txn: CachedTransaction) -> CachedRestrictedTransaction {
        CachedRestrictedTransaction { txn, judge: self.judge.clone() }
    }
}

impl CachedRestrictedTransaction {
    /// Whose transaction it is.
    #[must_use]
    pub fn user_id(&self) -> RbacUserId {
        self.judge.user_id()
    }

    /// Whether the user may run the statement.
    ///
    /// # Errors
    ///
    /// [`DbErr::AccessDenied`] if not.
    pub fn user_can_run<S: StatementBuilder>(&self, stmt: &S) -> Result<(), DbErr> {
        self.judge.user_can_run(stmt)
    }

    /// Whether the user may do something with a resource.
    ///
    /// # Errors
    ///
    /// If the rules do not know one of them.
    pub fn user_can<P, R>(&self, permission: P, resource: R) -> Result<bool, DbErr>
    where
        P: Into<PermissionRequest>,
        R: Into<ResourceRequest>,
    {
        self.judge.user_can(permission, resource)
    }

    fn begun(&self, txn: CachedTransaction) -> Self {
        Self { txn, judge: self.judge.clone() }
    }
}

fn raw(sql: impl fmt::Display) -> DbErr {
    DbErr::RbacError(format!("Raw query is not supported: {sql}"))
}

/// The two differ in what is inside, and in what a transaction of theirs is.
macro_rules! restricted {
    ($type:ty, $inside:ident) => {
        #[async_trait::async_trait]
        impl ConnectionTrait for $type {
            fn get_database_backend(&self) -> DbBackend {
                ConnectionTrait::get_database_backend(&self.$inside)
            }

            async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
                Err(raw(stmt))
            }

            async fn execute<S: StatementBuilder>(&self, stmt: &S) -> Result<ExecResult, DbErr> {
                self.user_can_run(stmt)?;
                self.$inside.execute(stmt).await
            }

            async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
                Err(raw(sql))
            }

            async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
                Err(raw(stmt))
            }

            async fn query_one<S: StatementBuilder>(&self, stmt: &S) -> Result<Option<QueryResult>, DbErr> {
                self.user_can_run(stmt)?;
                self.$inside.query_one(stmt).await
            }

            async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
                Err(raw(stmt))
            }

            async fn query_all<S: StatementBuilder>(&self, stmt: &S) -> Result<Vec<QueryResult>, DbErr> {
                self.user_can_run(stmt)?;
                self.$inside.query_all(stmt).await
            }

            fn is_mock_connection(&self) -> bool {
                super::recognise::is_restricted();
                self.$inside.is_mock_connection()
            }
        }

        #[async_trait::async_trait]
        impl TransactionTrait for $type {
            type Transaction = CachedRestrictedTransaction;

            async fn begin(&self) -> Result<CachedRestrictedTransaction, DbErr> {
                Ok(self.begun(self.$inside.begin().await?))
            }

            async fn begin_with_config(
                &self,
                isolation_level: Option<IsolationLevel>,
                access_mode: Option<AccessMode>,
            ) -> Result<CachedRestrictedTransaction, DbErr> {
                Ok(self.begun(self.$inside.begin_with_config(isolation_level, access_mode).await?))
            }

            async fn begin_with_options(
                &self,
                options: TransactionOptions,
            ) -> Result<CachedRestrictedTransaction, DbErr> {
                Ok(self.begun(self.$inside.begin_with_options(options).await?))
            }

            async fn transaction<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
            where
                F: for<'c> FnOnce(
                        &'c CachedRestrictedTransaction,
                    ) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
                    + Send,
                T: Send,
                E: fmt::Display + fmt::Debug + Send,
            {
                run(self.begin().await?, callback).await
            }

            async fn transaction_with_config<F, T, E>(
                &self,
                callback: F,
                isolation_level: Option<IsolationLevel>,
                access_mode: Option<AccessMode>,
            ) -> Result<T, TransactionError<E>>
            where
                F: for<'c> FnOnce(
                        &'c CachedRestrictedTransaction,
                    ) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
                    + Send,
                T: Send,
                E: fmt::Display + fmt::Debug + Send,
            {
                run(self.begin_with_config(isolation_level, access_mode).await?, callback).await
            }
        }

        impl $type {
            /// Runs a closure inside a transaction: committed if it returns `Ok`, else rolled back.
            ///
            /// # Errors
            ///
            /// Those of the closure, and of `BEGIN`, `COMMIT` and `ROLLBACK`.
            pub async fn transaction_async<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
            where
                F: for<'c> AsyncFnOnce(&'c CachedRestrictedTransaction) -> Result<T, E> + Send,
                T: Send,
                E: fmt::Display + fmt::Debug + Send,
            {
                let txn = self.begin().await?;
                let result = callback(&txn).await;
                end(txn, result).await
            }

            /// The same with an isolation level and an access mode.
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
                F: for<'c> AsyncFnOnce(&'c CachedRestrictedTransaction) -> Result<T, E> + Send,
                T: Send,
                E: fmt::Display + fmt::Debug + Send,
            {
                let txn = self.begin_with_config(isolation_level, access_mode).await?;
                let result = callback(&txn).await;
                end(txn, result).await
            }
        }
    };
}

restricted!(CachedRestrictedConnection, db);
restricted!(CachedRestrictedTransaction, txn);

async fn run<F, T, E>(txn: CachedRestrictedTransaction, callback: F) -> Result<T, TransactionError<E>>
where
    F: for<'c> FnOnce(&'c CachedRestrictedTransaction) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
        + Send,
    T: Send,
    E: fmt::Display + fmt::Debug + Send,
{
    let result = callback(&txn).await;
    end(txn, result).await
}

async fn end<T: Send, E: Send>(
    txn: CachedRestrictedTransaction,
    result: Result<T, E>,
) -> Result<T, TransactionError<E>> {
    let CachedRestrictedTransaction { txn, .. } = txn;
    let ended = if result.is_ok() { txn.commit().await } else { txn.rollback().await };
    ended.map_err(TransactionError::Connection)?;
    result.map_err(TransactionError::Transaction)
}

#[async_trait::async_trait]
impl TransactionSession for CachedRestrictedTransaction {
    async fn commit(self) -> Result<(), DbErr> {
        self.txn.commit().await
    }

    async fn rollback(self) -> Result<(), DbErr> {
        self.txn.rollback().await
    }
}

#[cfg(test)]
mod tests;
