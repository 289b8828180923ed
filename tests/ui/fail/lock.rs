#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(lock = "off")]
async fn word(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(lock = 0)]
async fn number(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

fn main() {}
