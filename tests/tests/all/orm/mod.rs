//! The wrapped connection: what it lets through, and what it makes stale.

/// One test for each database.
macro_rules! on_each_database {
    ($($name:ident => $check:ident;)*) => {
        mod sqlite { $(#[tokio::test] async fn $name() { super::$check(harness::Backend::Sqlite).await; })* }
        mod postgres { $(#[tokio::test] async fn $name() { super::$check(harness::Backend::Postgres).await; })* }
        mod mariadb { $(#[tokio::test] async fn $name() { super::$check(harness::Backend::MariaDb).await; })* }
    };
}

mod cancelled;
mod drop_in;
// SeaORM's macros make everything public.
#[allow(unreachable_pub)]
mod entities;
mod loads;
mod remote_down;
mod shop;
mod stale;
mod transactions;
