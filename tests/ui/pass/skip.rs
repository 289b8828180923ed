//! A right twin.
#![allow(dead_code, missing_docs)]

#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(skip(trace, other))]
async fn skipped(db: &CachedConnection, id: i32, trace: &mut Vec<u8>, other: fn()) -> DbResult<i32> {
    let _ = (db, id, trace, other);
    Ok(1)
}
