#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(ttl = 5)]
async fn option(db: &CachedConnection, id: i32) -> Option<i32> {
    let _ = (db, id);
    None
}

type Plain = i32;

#[cached(ttl = 5)]
async fn alias(db: &CachedConnection, id: i32) -> Plain {
    let _ = (db, id);
    1
}

#[cached(ttl = 5)]
async fn nothing(db: &CachedConnection) {
    let _ = db;
}

#[cached(ttl = 5)]
fn blocking(id: i32) -> DbResult<i32> {
    Ok(id)
}

#[cached(ttl = 5)]
async fn hidden(db: &CachedConnection, id: i32) -> DbResult<impl Clone> {
    let _ = (db, id);
    Ok(1)
}

#[cached(ttl = 5)]
struct NotAFunction;

fn main() {}
