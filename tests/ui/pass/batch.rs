//! A right twin.
#![allow(dead_code, missing_docs)]

#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(batch = ids, invalidate_on = User(ids as i32))]
async fn slice(db: &CachedConnection, ids: &[i64]) -> DbResult<std::collections::HashMap<i64, user::Model>> {
    let _ = (db, ids);
    Ok(Default::default())
}

#[cached(batch = ids, key = "user:{ids}", tags = ["user:{ids}"])]
async fn list(db: &CachedConnection, ids: Vec<i64>) -> DbResult<std::collections::BTreeMap<i64, user::Model>> {
    let _ = (db, ids);
    Ok(Default::default())
}

#[cached(batch = ids, when = |user| user.id > 0, refresh_ahead = 0.8, hard_timeout = "2s")]
async fn more(
    db: &impl sea_orm::ConnectionTrait,
    language: String,
    mut ids: Vec<i64>,
) -> DbResult<std::collections::HashMap<i64, user::Model>> {
    ids.sort_unstable();
    let _ = (db, ids, language);
    Ok(Default::default())
}
