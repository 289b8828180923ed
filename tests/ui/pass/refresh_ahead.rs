//! A right twin.
#![allow(dead_code, missing_docs)]

#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(refresh_ahead = 0.8)]
async fn share(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(refresh_ahead = 1)]
async fn off(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(refresh_ahead = 0.8)]
async fn kept(db: &CachedConnection, text: &str, list: &[i32], filter: Filter) -> DbResult<i32> {
    let _ = (db, text, list, filter);
    Ok(1)
}

#[derive(Clone, serde::Serialize)]
struct Filter(i32);
