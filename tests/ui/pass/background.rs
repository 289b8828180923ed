//! A right twin.
#![allow(dead_code, missing_docs)]

#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(refresh_ahead = 0.8, background = false)]
async fn off(db: &impl sea_orm::ConnectionTrait, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(background = true)]
async fn on(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(background = true)]
async fn owned(db: &CachedConnection, id: Option<String>) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}
