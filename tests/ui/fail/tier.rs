#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[derive(Clone)]
struct Opaque;

#[cached(ttl = 5)]
async fn needed(db: &CachedConnection, id: i32) -> DbResult<Opaque> {
    let _ = (db, id);
    Ok(Opaque)
}

#[cached(tier = "disk")]
async fn unknown(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(tier = local)]
async fn not_a_text(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(tier = "local", codec = "json")]
async fn with_codec(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

fn main() {}
