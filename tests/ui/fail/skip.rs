#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(skip(trace))]
async fn unknown(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(skip(db))]
async fn connection(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(skip)]
async fn nothing(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(skip(id, id))]
async fn twice(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

struct Opaque;

#[cached(ttl = 5)]
async fn needed(db: &CachedConnection, opaque: &Opaque) -> DbResult<i32> {
    let _ = (db, opaque);
    Ok(1)
}

#[cached(ttl = 5)]
async fn mutable(db: &CachedConnection, out: &mut Vec<u8>) -> DbResult<i32> {
    let _ = (db, out);
    Ok(1)
}

fn main() {}
