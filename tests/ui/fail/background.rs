#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(background = true)]
async fn generic(db: &impl sea_orm::ConnectionTrait, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(refresh_ahead = 0.8)]
async fn parameter<T: serde::Serialize + Send + Sync>(db: &CachedConnection, id: T) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(background = true)]
async fn borrowing(db: &CachedConnection, id: Option<&str>) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(background = true)]
async fn pattern(db: &CachedConnection, (id, _): (i32, i32)) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(background = true)]
async fn in_a_transaction(db: &CachedTransaction, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(background = true, companions = "none")]
async fn nowhere(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(background = "no")]
async fn word(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

fn main() {}
