//! A right twin.
#![allow(dead_code, missing_docs)]

#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(lock_wait = "500ms")]
async fn span(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(lock_wait = 0)]
async fn not_at_all(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}
